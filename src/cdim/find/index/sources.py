"""The images to index: those of a folder or a dataset, with the metadata of each."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cdim.bundles.bundle import Bundle
from cdim.data.formats import SUFFIXES
from cdim.data.images import place
from cdim.data.listing import ENCODING, NO_GALLERY, UNSEEN, Omission, summary
from cdim.data.manifest import GALLERY, NO_CAMERA, QUERY, ImageRow, absolute
from cdim.data.sets.catalogue import KNOWN, open_dataset
from cdim.data.sets.folder import searchable
from cdim.data.tree import Tree
from cdim.errors import DataError, plural
from cdim.find import filters
from cdim.find.index import metadata
from cdim.find.items import Value
from cdim.version import __version__

OF_IMAGES = frozenset(("date", "width", "height"))
"""What the content of a file of a folder tells."""
OF_FILES = frozenset(("folder", *OF_IMAGES))
"""What every file of a folder tells of itself."""
ID = "id"
"""The column of a dataset that names its items; without it their paths do."""
OF_ROWS, CAMERA = ("instance", "category", "domain", "split"), "camera"
"""What a dataset tells of its images, beside its further columns."""


@dataclass(frozen=True)
class Entry:
    """An image to index."""

    id: str  # the item's
    source: str  # its locator, which depends on no folder
    domain: str  # what it is embedded as
    names: tuple[str, ...]  # what a table of metadata may call it
    metadata: Mapping[str, Value]  # all that is known before reading it
    described: bool  # whether the image itself gives the rest: its date and its size
    columns: frozenset[str]  # fields that the source itself tells of; of others it knows nothing

    def stamp(self) -> str:
        """Changes when the file or what is known of it does; "" where its file is missing."""
        told = json.dumps(dict(self.metadata), sort_keys=True, ensure_ascii=False)
        about = hashlib.sha256(told.encode()).hexdigest()[:16]
        if self.source.startswith("synthetic:"):
            return f"{__version__}:{about}"
        with suppress(OSError):
            status = os.stat(place(self.source, Path()).path)
            return f"{status.st_size}:{status.st_mtime_ns}:{about}"
        return ""


@dataclass(frozen=True)
class Listing:
    """All images of a source."""

    root: str  # what the items remember it by
    entries: dict[str, Entry]  # the images, by id
    # files and folders that cannot be indexed: name and reason
    unreadable: dict[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()  # prefixes of ids below which nothing could be listed
    unmatched: tuple[str, ...] = ()  # rows of the table of metadata that name no image
    left_out: tuple[Omission, ...] = ()  # all that was passed over in a folder or a zip


@dataclass(frozen=True)
class Source:
    """Where the items of a gallery come from: the fields are arguments of `Gallery.index`."""

    place: str
    metadata: Path | None = None
    domain: str | None = None
    prefix: str = ""
    data: Path | None = None
    exclude: tuple[str, ...] = ()
    layout: str | None = None

    def listed(self, bundle: Bundle) -> Listing:
        """All images of the source, for a gallery of a model.

        Raises:
            DataError: no such source, or no table of metadata.
            ModelError: images of a domain that the model does not know.
            UsageError: globs or a layout for what is no folder or zip.
        """
        name = self.prefix.rstrip("/")
        prefix = f"{name}/" if name else ""
        if self.place not in KNOWN and os.path.isdir(self.place):
            found = _folder(self, bundle.gallery, prefix)
        else:
            found = _dataset(self, prefix)
        for domain in {entry.domain for entry in found.entries.values()}:
            bundle.taken_as(domain)
        return _with_table(found, self.metadata) if self.metadata and found.entries else found


def nothing_to_index(
    listing: Listing, held: Sequence[str], unreadable: Mapping[str, str] | None = None
) -> DataError:
    """The error of a source without images, or of images none of which can be read.

    Args:
        listing: the source.
        held: items of the gallery that the source no longer lists.
        unreadable: why each image cannot be read.
    """
    there = summary(listing.left_out)
    said = f"no images in {listing.root}" + (f" ({there})" if there else "")
    allowed, todo = f"images end in {', '.join(SUFFIXES)}", "check the path"
    if unreadable:
        why = next(unreadable[name] for name in listing.entries if name in unreadable)
        said = f"{plural(len(listing.entries), 'image')} of {listing.root}, none readable ({why})"
        allowed = "one at least can be read"
    if held:
        allowed = f"the gallery holds {plural(len(held), 'item')} of it, such as {held[0]}"
        todo += "; a disk that is not mounted looks empty; nothing was removed from the gallery"
    return DataError(said, allowed, todo, argument="prune" if held else "")


def _folder(source: Source, usual: str, prefix: str) -> Listing:
    root = os.path.abspath(source.place)
    if not filters.is_utf8(root):
        raise DataError(f"the folder {root!r}", "its name is UTF-8", "rename it")
    tree = Tree.open(Path(root), source.exclude)
    taken = searchable(tree, source.layout)
    entries: dict[str, Entry] = {}
    for below, own in taken.items():
        domain = source.domain or own or usual
        path, name, inside = os.path.join(root, below), prefix + below, os.path.dirname(below)
        known = {"folder": inside} if inside else {}
        entries[name] = Entry(name, path, domain, (below, path, name), known, True, OF_FILES)
    others = [Omission(name, NO_GALLERY) for name in tree.images if name not in taken]
    left_out = tuple(sorted((*tree.left_out, *others)))
    unreadable = {name: why for name, why in left_out if why in (*UNSEEN, ENCODING)}
    # What an item was made of before, and the folders leave out now, stays until it is pruned.
    unseen = tuple(prefix + name for name in (*tree.unseen, *(name for name, _ in others)))
    return Listing(root, entries, unreadable, unseen, left_out=left_out)


def _dataset(source: Source, prefix: str) -> Listing:
    dataset = open_dataset(source.place, source.data, layout=source.layout, exclude=source.exclude)
    manifest = dataset.manifest
    if np.isin(manifest.role, (*QUERY, *GALLERY)).any():
        manifest = manifest.where(role=GALLERY)
    entries: dict[str, Entry] = {}
    for row in manifest:
        written, locator = str(row.source), str(absolute(row.source, manifest.root))
        name = prefix + row.metadata.get(ID, written)
        if name in entries or name == prefix:
            raise DataError(
                f"the {ID} {name.removeprefix(prefix)!r} of {written}",
                "every image has an id of its own",
                f"correct the column {ID}, or rename it",
            )
        domain, known = source.domain or row.domain, filters.check_metadata(_known(row))
        own = frozenset((*OF_ROWS, CAMERA, *row.metadata))
        entries[name] = Entry(name, locator, domain, (written, locator, name), known, False, own)
    root = os.path.abspath(source.place) if os.path.exists(source.place) else source.place
    return Listing(root, entries, left_out=dataset.left_out)


def _with_table(listing: Listing, table: Path) -> Listing:
    """The images with what a table of metadata says of them."""
    told = metadata.told(table, {entry.id: entry.names for entry in listing.entries.values()})
    entries = {
        entry.id: replace(entry, metadata={**entry.metadata, **told.items.get(entry.id, {})})
        for entry in listing.entries.values()
    }
    return replace(listing, entries=entries, unmatched=told.unmatched)


def _known(row: ImageRow) -> dict[str, Value]:
    texts = {name: getattr(row, name) for name in OF_ROWS}
    camera = {} if row.camera == NO_CAMERA else {CAMERA: row.camera}
    texts_of = {name: text for name, text in row.metadata.items() if text and name != ID}
    more = metadata.typed(texts_of)
    return {**{name: text for name, text in texts.items() if text}, **camera, **more}
