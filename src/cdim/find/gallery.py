"""A gallery: images that can be found by what they show."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle, load_bundle
from cdim.bundles.encoder import Encoder
from cdim.errors import UsageError
from cdim.find import answer, filters
from cdim.find.collection import Collection, check_ids
from cdim.find.items import Found, Item, Like, Look, Value, Where
from cdim.find.stores.store import Store

CHUNK = 64  # images in memory at a time


class Embeds(Protocol):
    """What a gallery needs of `cdim.bundles.encoder.Encoder`."""

    bundle: Bundle

    def encode_pixels(
        self, pixels: Sequence[NDArray[np.uint8]], domain: str
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim) of n images."""


class Gallery(Collection):
    """Images with their vectors, metadata and thumbnails. Opened with `Gallery.open`.

    Args:
        place: where it is, for messages.
        bundle: the model of its vectors.
        store: its database.
        encoder: the model at work; None to load it when it is needed.
    """

    def __init__(
        self, place: str, bundle: Bundle, store: Store, encoder: Embeds | None = None
    ) -> None:
        super().__init__(place, bundle, store)
        self._encoder = encoder
        self._loading = threading.Lock()

    @classmethod
    def open(
        cls,
        place: str | Path,
        bundle: str | Path | Bundle | Embeds | None = None,
        create: bool = False,
    ) -> Gallery:
        """Opens a gallery.

        Args:
            place: a folder, owned by one process at a time; or the URL of a collection of a
                Qdrant server, http(s)://host:6333/collection (extra `cdim[cluster]`).
            bundle: a bundle, its folder or name, or an encoder. A gallery in a folder has a copy
                of its own and needs none; a URL always does.
            create: make the gallery where there is none.

        Raises:
            GalleryError: missing, damaged, in use by another process, of another model, or a
                server that does not answer.
            ModelError: no such bundle.
            UsageError: a bundle is needed and none was given.
            MissingExtra: a URL, and `cdim[cluster]` is not installed.
        """
        encoder: Embeds | None = None
        if isinstance(bundle, str | Path):
            bundle = load_bundle(bundle)
        elif bundle is not None and not isinstance(bundle, Bundle):
            encoder, bundle = bundle, bundle.bundle
        if str(place).startswith(("http://", "https://")):
            from cdim.find.stores.server import open_url, shown

            own, url_store = open_url(str(place), bundle, create)
            return cls(shown(str(place)), own, url_store, encoder)
        from cdim.find.stores.folder import open_folder

        kept, store = open_folder(Path(place), bundle, create)
        return cls(str(place), kept, store, encoder)

    @property
    def encoder(self) -> Embeds:
        """The model, loaded at the first use."""
        with self._loading:
            if self._encoder is None:
                self._encoder = Encoder(self.bundle)
            return self._encoder

    def add(
        self,
        images: Sequence[Any],
        ids: Sequence[str],
        metadata: Sequence[Mapping[str, Value]] | None = None,
        domain: str | None = None,
    ) -> list[str]:
        """Embeds images and puts them; an item of the same id is replaced as a whole.

        Args:
            images: paths, locators, bytes of image files, PIL images or uint8 arrays.
            ids: a name for each.
            metadata: a table for each.
            domain: what the images are; by default what the model's galleries hold.

        Returns:
            The ids.

        Raises:
            ImageError: an image cannot be read; those in earlier groups of 64 are in.
            UsageError: not as many ids or tables as images, an id twice, or a wrong value.
            ModelError: a domain the model does not know.
        """
        from cdim.data import content
        from cdim.data.images import Files
        from cdim.data.thumbnails import thumbnail

        tables = [filters.check_metadata(m) for m in metadata or [{}] * len(images)]
        if not len(images) == len(ids) == len(tables) or len(set(ids)) != len(ids):
            raise UsageError(
                f"{len(images)} images, {len(set(ids))} different ids, {len(tables)} tables",
                "every image has an id of its own, and a table of metadata if any has",
                "give as many ids as images",
            )
        check_ids(ids)
        self.check_fields({name for table in tables for name in table})
        domain = self.bundle.gallery if domain is None else domain
        self.bundle.taken_as(domain)
        for start in range(0, len(images), CHUNK):
            rows = slice(start, start + CHUNK)
            with ExitStack() as closing:
                opened = Files(closing)
                read = [content.read(image, opened) for image in images[rows]]
            items = [
                Item(i, r.source, r.digest, domain, metadata=m, thumbnail=thumbnail(r.pixels))
                for i, r, m in zip(ids[rows], read, tables[rows], strict=True)
            ]
            self.put(items, self.encoder.encode_pixels([r.pixels for r in read], domain))
        return list(ids)

    def update(
        self, item_id: str, image: Any = None, metadata: Mapping[str, Value] | None = None
    ) -> Item:
        """Replaces an item's image, its metadata, or both.

        Raises:
            UsageError: no such item, or wrong metadata.
            ImageError: the image cannot be read.
        """
        table = None if metadata is None else [filters.check_metadata(metadata)]
        with self._writing:
            old = self._stored([item_id], vectors=True, thumbnails=True)[0]
            if image is not None:
                self.add([image], [item_id], table or [old.item.metadata], old.item.domain)
            elif table is not None and old.vector is not None:
                self.put([replace(old.item, metadata=table[0])], old.vector[None])
            return self.get(item_id)

    def search(
        self,
        query: Look | Like | Sequence[Look | Like],
        k: int = 10,
        where: Where | None = None,
        *,
        weights: Sequence[float] | None = None,
        rerank: bool = False,
        expand: int = 0,
        false_match_rate: float | None = None,
    ) -> Found:
        """Finds the items nearest to a query.

        Args:
            query: an image or an item, or several views of what is looked for, pooled by the
                mean of their embeddings. Items that are searched with are not found.
            k: hits, at most.
            where: which items are searched.
            weights: of the views, from 0; by default all count alike.
            rerank: re-rank the nearest 200 by k-reciprocal encoding.
            expand: average the query with this many of its nearest and search again.
            false_match_rate: only hits that are sure enough that a query whose target is absent
                gets one this often, 0 to 1.

        Raises:
            UsageError: no query, an unknown item, or an argument out of range.
            ModelError: a domain the model does not know.
        """
        views = [query] if isinstance(query, Look | Like) else list(query)
        if not views:
            raise UsageError("nothing to search with", "a query has a view", "name an image")
        conditions = filters.read(where)
        asked = answer.Asked(
            answer.pooled(self._embedded(views), weights, self.bundle.length),
            k,
            conditions,
            tuple(view.id for view in views if isinstance(view, Like)),
            expand,
            rerank,
            false_match_rate,
            tuple(view.domain for view in views if isinstance(view, Look)),
        )
        return answer.answer(self.store, self.bundle, asked, self._background())

    def _embedded(self, views: Sequence[Look | Like]) -> NDArray[np.float32]:
        """Vectors (q, dim) of a query's views."""
        out = np.empty((len(views), self.bundle.dim), dtype=np.float32)
        rows: dict[str | None, list[int]] = {}
        for row, view in enumerate(views):
            rows.setdefault(view.domain if isinstance(view, Look) else None, []).append(row)
        for domain, places in rows.items():
            if domain is None:
                out[places] = self.vectors([v.id for v in views if isinstance(v, Like)])
            else:
                looks = [v.pixels for v in views if isinstance(v, Look) and v.domain == domain]
                out[places] = self.encoder.encode_pixels(looks, domain)
        return out
