"""What puts items into a gallery: the methods `put`, `add` and `update` of `Gallery`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.queries import listed
from cdim.data import content
from cdim.data.images import Files
from cdim.data.thumbnails import thumbnail
from cdim.errors import ModelError, UsageError
from cdim.find import filters
from cdim.find.items import BY_HAND, Item, Value
from cdim.strict import checked

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery

CHUNK = 64  # images in memory at a time


@checked
def put(self: Gallery, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
    """Puts items whose vectors are known. When it returns, they survive a kill.

    Args:
        items: n items; one of the same id is replaced as a whole.
        vectors: (n, dim) float32, their embeddings.

    Raises:
        ModelError: other vectors, or a number in them that is not finite.
        UsageError: a wrong id or metadata.
        GalleryError: the gallery is read-only.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.shape != (len(items), self.bundle.dim) or not np.isfinite(vectors).all():
        raise ModelError(
            f"vectors of shape {vectors.shape} for {len(items)} items",
            f"each has {self.bundle.dim} finite numbers",
            "embed them with the gallery's own model",
        )
    check_ids([item.id for item in items])
    for item in items:
        filters.check_metadata(item.metadata)
    if items:
        with self._writing:
            self.check_fields({name for item in items for name in item.metadata})
            self.store.put(items, vectors)
            self._sample = None


@checked
def add(
    self: Gallery,
    images: Any,
    ids: Sequence[str] | None = None,
    metadata: Sequence[Mapping[str, Any]] | None = None,
    domain: str | None = None,
) -> list[str]:
    """Embeds images and puts them.

    An item of the same id gets the new image, keeps the metadata that is not given, and stays of
    its folder: `index` leaves it the image until its file changes.

    Args:
        images: an image (a path or locator, bytes of an image file, a PIL image or a uint8
            array), a list of them, or a folder.
        ids: a name for each. None names a folder's files by their paths below it, other files
            by their names, and images from memory by a hash of their content.
        metadata: a table for each.
        domain: what the images are; by default what the model's galleries hold.

    Returns:
        The ids.

    Raises:
        ImageError: an image cannot be read; those in earlier groups of 64 are in.
        UsageError: not as many ids or tables as images, an id twice, or a wrong value.
        ModelError: a domain the model does not know.
        GalleryError: the gallery is read-only.
    """
    self.store.check_writable()
    given, _ = listed(images)
    names = [name for name, _ in given] if ids is None else list(ids)
    if ids is None and not (isinstance(images, str | Path) and os.path.isdir(images)):
        names = [Path(n).name if isinstance(i, str | Path) else "" for n, i in given]
    tables = [filters.check_metadata(m) for m in metadata or [{}] * len(given)]
    known = [name for name in names if name or ids is not None]
    if not len(given) == len(names) == len(tables) or len(set(known)) != len(known):
        raise UsageError(
            f"{len(given)} images, {len(set(names))} different ids, {len(tables)} tables",
            "every image has an id of its own, and a table of metadata if any has",
            "give as many ids as images",
        )
    check_ids(known)
    self.check_fields({name for table in tables for name in table})
    domain = self.bundle.gallery if domain is None else domain
    self.bundle.taken_as(domain)
    for start in range(0, len(given), CHUNK):
        rows = slice(start, start + CHUNK)
        read, vectors = _read(self, [image for _, image in given[rows]], domain)
        names[rows] = [n or r.digest[:16] for n, r in zip(names[rows], read, strict=True)]
        with self._writing:
            old = {found.item.id: found.item for found in self.store.get(names[rows])}
            items = [
                _item(n, r, domain, m, old.get(n))
                for n, r, m in zip(names[rows], read, tables[rows], strict=True)
            ]
            self.put(items, vectors)
    return names


@checked
def update(
    self: Gallery, item_id: str, image: Any = None, metadata: Mapping[str, Value] | None = None
) -> Item:
    """Replaces an item's image, its metadata as a whole, or both; the rest stays.

    `index` leaves an item the image that it was given here until its file changes.

    Raises:
        UsageError: no such item, or wrong metadata.
        ImageError: the image cannot be read.
        GalleryError: the gallery is read-only.
    """
    self.store.check_writable()
    table = None if metadata is None else filters.check_metadata(metadata)
    with self._writing:
        old = self._stored([item_id], vectors=True, thumbnails=True)[0]
        item, vectors = old.item, np.asarray([old.vector], dtype=np.float32)
        if image is not None:
            (read,), vectors = _read(self, [image], item.domain)
            item = _item(item_id, read, item.domain, {}, item)
        self.put([item if table is None else replace(item, metadata=table)], vectors)
        return self.get(item_id)


def check_ids(ids: Sequence[object]) -> None:
    """Refuses what is no id by a `UsageError`."""
    for given in ids:
        if not isinstance(given, str) or not given or not filters.is_utf8(given):
            raise UsageError(f"id {given!r}", "an id is text, not empty", "give another")


def _read(
    self: Gallery, images: Sequence[Any], domain: str
) -> tuple[list[content.Content], NDArray[np.float32]]:
    """Images, and their embeddings (n, d)."""
    with Files() as opened:
        read = [content.read(image, opened) for image in images]
    return read, self.encoder.encode_pixels([r.pixels for r in read], domain)


def _item(
    name: str, read: content.Content, domain: str, metadata: Mapping[str, Value], old: Item | None
) -> Item:
    """An item; in the place of an old one it is of the same folder, with its metadata."""
    picture = thumbnail(read.pixels)
    new = Item(name, read.source, read.digest, domain, metadata=metadata, thumbnail=picture)
    if old is None:
        return new
    stamp, source, size = old.stamp, old.source, {}
    if new.digest != old.digest:
        by_hand = bool(old.root) and not stamp.startswith(BY_HAND)
        stamp, source = BY_HAND + stamp if by_hand else stamp, new.source
        size = dict(zip(("width", "height"), read.size, strict=True))
    known = {**old.metadata, **{k: v for k, v in size.items() if k in old.metadata}}
    return replace(new, root=old.root, stamp=stamp, source=source, metadata={**known, **metadata})
