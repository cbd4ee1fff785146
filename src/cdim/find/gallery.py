"""A gallery: images that can be found by what they show."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle, load_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.queries import QueryImage, listed, read_query
from cdim.data import content
from cdim.data.images import Files
from cdim.data.thumbnails import thumbnail
from cdim.errors import ModelError, UsageError
from cdim.find import answer, filters
from cdim.find.items import MOST, Item, Like, SearchResult, Value, Where
from cdim.find.stores.store import MAX_FIELDS, Store, Stored
from cdim.strict import checked

if TYPE_CHECKING:
    from cdim.find.index.indexing import Summary

CHUNK = 64  # images in memory at a time
MOST_VALUES = 300  # a field with more different values is no facet


@runtime_checkable
class Embeds(Protocol):
    """What a gallery needs of `cdim.bundles.encoder.Encoder`."""

    bundle: Bundle

    def encode_pixels(
        self, pixels: Sequence[NDArray[np.uint8]], domain: str
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim) of n images."""


class Gallery:
    """Images with their vectors, metadata and thumbnails. Opened with `Gallery.open`.

    Safe to use from several threads. A context manager that closes it.
    """

    def __init__(
        self, place: str, bundle: Bundle, store: Store, encoder: Embeds | None = None
    ) -> None:
        self.place = place
        self.bundle = bundle
        self.store = store
        self._encoder = encoder
        self._loading = threading.Lock()
        self._writing = threading.RLock()
        self._sample: list[Stored] | None = None
        self._fields: set[str] = set()  # names of metadata that are there for sure, or were

    @classmethod
    @checked
    def open(
        cls,
        place: str | Path,
        model: str | Path | Bundle | Embeds | None = None,
        create: bool = False,
    ) -> Gallery:
        """Opens a gallery.

        Args:
            place: a folder, owned by one process at a time; or the URL of a collection of a
                Qdrant server, http(s)://host:6333/collection (extra `cdim[cluster]`).
            model: a bundle, its folder or name, or an encoder. A gallery in a folder has a copy
                of its own and needs none; a URL always does.
            create: make the gallery where there is none.

        Raises:
            GalleryError: missing, damaged, in use by another process, of another model, or a
                server that does not answer.
            ModelError: no such bundle.
            UsageError: a bundle is needed and none was given.
            MissingExtra: a URL, and `cdim[cluster]` is not installed.
        """
        encoder = None if isinstance(model, str | Path | Bundle) else model
        bundle = load_bundle(model) if isinstance(model, str | Path) else model
        if isinstance(bundle, Embeds):
            bundle = bundle.bundle
        if str(place).startswith(("http://", "https://")):
            from cdim.find.stores.server import open_url, shown

            own, url_store = open_url(str(place), bundle, create)
            return cls(shown(str(place)), own, url_store, encoder)
        from cdim.find.stores.folder import open_folder

        kept, store = open_folder(Path(place), bundle, create)
        return cls(str(place), kept, store, encoder)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Gallery {self.place!r} of the model {self.bundle.name!r}>"

    @property
    def encoder(self) -> Embeds:
        """The model, loaded at the first use."""
        with self._loading:
            if self._encoder is None:
                self._encoder = Encoder(self.bundle)
            return self._encoder

    @checked
    def index(
        self,
        source: str | Path,
        *,
        metadata: str | Path | None = None,
        domain: str | None = None,
        prefix: str = "",
        data: str | Path | None = None,
        keep: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Summary:
        """Brings the gallery in step with a folder or a dataset, as `cdim index` does.

        New and changed images are embedded, and items whose file is gone are removed.

        Args:
            source: a folder of images, or a dataset as `cdim.open_dataset` takes it; its gallery
                images are indexed, or all where none has a role.
            metadata: a CSV file with more of each image.
            domain: what all images are; None for what a dataset says, or what the model's
                galleries hold.
            prefix: put before every id, with a slash between them.
            data: the folder of the known datasets; None asks the environment (CDIM_DATA).
            keep: keep items whose file is gone.
            progress: is told of images, and of the search graph of a large gallery.

        Returns:
            What was done, and which images could not be read.

        Raises:
            DataError: no such source, no images in it, or no table of metadata.
            GalleryError: an id belongs to another source.
            ModelError: images of a domain that the model does not know.
        """
        from cdim.find.index import indexing
        from cdim.find.index.sources import Source

        table, root = (None if path is None else Path(path) for path in (metadata, data))
        listing = Source(str(source), table, domain, prefix, root).listed(self.bundle)
        return indexing.index(self, listing, keep=keep, progress=progress)

    @checked
    def add(
        self,
        images: Any,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        domain: str | None = None,
    ) -> list[str]:
        """Embeds images and puts them; an item of the same id is replaced as a whole.

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
        """
        given = listed(images)
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
        _check_ids(known)
        self.check_fields({name for table in tables for name in table})
        domain = self.bundle.gallery if domain is None else domain
        self.bundle.taken_as(domain)
        for start in range(0, len(given), CHUNK):
            rows = slice(start, start + CHUNK)
            with ExitStack() as closing:
                opened = Files(closing)
                read = [content.read(image, opened) for _, image in given[rows]]
            names[rows] = [n or r.digest[:16] for n, r in zip(names[rows], read, strict=True)]
            items = [
                Item(i, r.source, r.digest, domain, metadata=m, thumbnail=thumbnail(r.pixels))
                for i, r, m in zip(names[rows], read, tables[rows], strict=True)
            ]
            self.put(items, self.encoder.encode_pixels([r.pixels for r in read], domain))
        return names

    @checked
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

    @checked
    def search(
        self,
        query: Any,
        k: int = 10,
        where: Where | None = None,
        *,
        domain: str | None = None,
        weights: Sequence[float] | None = None,
        rerank: bool = False,
        expand: int = 0,
        false_match_rate: float | None = None,
    ) -> SearchResult:
        """Finds the items nearest to a query.

        Args:
            query: an image (a path or locator, bytes of an image file, a PIL image or a uint8
                array), a drawing (an SVG as path, text or bytes, or strokes), or `Like` an item;
                or a list of these: views of one thing, pooled by the mean of their embeddings.
                Items that are searched with are not found.
            k: hits, at most.
            where: which items are searched: `Where`, or texts such as "category=shoe" and
                "price=10..50".
            domain: what the images of the query are; None to find out.
            weights: of the views, from 0; by default all count alike.
            rerank: re-rank the nearest 200 by k-reciprocal encoding.
            expand: average the query with this many of its nearest and search again.
            false_match_rate: only hits that are sure enough that a query whose target is absent
                gets one this often, 0 to 1.

        Raises:
            ImageError: an image cannot be read.
            UsageError: no query, an unknown item, or an argument out of range.
            ModelError: a domain the model does not know.
        """
        conditions = filters.read(where)
        with ExitStack() as closing:
            opened = Files(closing)
            views = [
                view if isinstance(view, Like) else read_query(view, domain, self.bundle, opened)
                for _, view in listed([query] if isinstance(query, str | Path) else query)
            ]
        return answer.VectorSearch(
            self.store,
            self.bundle,
            self._background(),
            answer.pooled(self._embedded(views), weights, self.bundle.length),
            tuple(view.id for view in views if isinstance(view, Like)),
            tuple(view.domain for view in views if isinstance(view, QueryImage)),
            conditions,
            k,
            rerank,
            expand,
            false_match_rate,
        ).run()

    @checked
    def put(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        """Puts items whose vectors are known. When it returns, they survive a kill.

        Args:
            items: n items; one of the same id is replaced as a whole.
            vectors: (n, dim) float32, their embeddings.

        Raises:
            ModelError: other vectors, or a number in them that is not finite.
            UsageError: a wrong id or metadata.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (len(items), self.bundle.dim) or not np.isfinite(vectors).all():
            raise ModelError(
                f"vectors of shape {vectors.shape} for {len(items)} items",
                f"each has {self.bundle.dim} finite numbers",
                "embed them with the gallery's own model",
            )
        _check_ids([item.id for item in items])
        for item in items:
            filters.check_metadata(item.metadata)
        if items:
            with self._writing:
                self.check_fields({name for item in items for name in item.metadata})
                self.store.put(items, vectors)
                self._sample = None

    @checked
    def check_fields(self, names: Set[str]) -> None:
        """Refuses more different names of metadata than a gallery can hold by a `UsageError`."""
        with self._writing:
            if names <= self._fields:
                return
            self._fields = set(self.store.fields())
            if len(self._fields | names) > MAX_FIELDS:
                raise UsageError(
                    f"metadata of {len(self._fields | names)} different names",
                    f"a gallery holds {MAX_FIELDS} at most",
                    "leave some out, or put the rest into one field",
                )
            self._fields |= names

    @checked
    def remove(self, ids: Sequence[str]) -> int:
        """Removes items; returns how many of them were there."""
        _check_ids(ids)
        with self._writing:
            there = [found.item.id for found in self.store.get(ids)]
            if there:
                self.store.remove(there)
                self._sample = None
        return len(there)

    @checked
    def get(self, item_id: str) -> Item:
        """An item, with its thumbnail.

        Raises:
            UsageError: there is none of that id.
        """
        return self._stored([item_id], thumbnails=True)[0].item

    @checked
    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The embeddings (n, dim) of items.

        Raises:
            UsageError: one of them is not there.
        """
        found = self._stored(ids, vectors=True)
        return np.array([f.vector for f in found], dtype=np.float32).reshape(-1, self.bundle.dim)

    @checked
    def count(self, where: Where | None = None) -> int:
        """How many items there are."""
        return self.store.count(filters.read(where))

    @checked
    def facets(
        self, where: Where | None = None, limit: int = 20
    ) -> dict[str, list[tuple[Value, int]]]:
        """Fields of at most `MOST_VALUES` different values in all, and how often items have which.

        Args:
            where: which items are counted.
            limit: values a field, the most frequent first.

        Returns:
            Values with their counts, by field; no table of them, where true and 1 would be one.
        """
        _check_limit(limit)
        conditions = filters.read(where)
        few = [
            field
            for field in self.store.fields()
            if len(self.store.facet(field, (), MOST_VALUES + 1, exact=False)) <= MOST_VALUES
        ]
        return {
            field: [(json.loads(word), n) for word, n in words.items()]
            for field in few
            if (words := self.store.facet(field, conditions, limit))
        }

    @checked
    def items(
        self, where: Where | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[list[Item], str | None]:
        """A page of items, in an order that stays.

        Args:
            where: which items.
            limit: items a page.
            after: `after` of the page before, None for the first page.

        Returns:
            The items without their thumbnails, and `after` for the next page, None at the end.

        Raises:
            UsageError: a limit below 1 or above `MOST`, or an `after` that no page gave.
        """
        _check_limit(limit)
        try:
            uuid.UUID(after or str(uuid.NAMESPACE_OID))
        except ValueError:
            raise UsageError(
                f"a page of {limit} items after {after!r}",
                "a page begins where the page before ended",
                "leave `after` out for the first page",
            ) from None
        found, following = self.store.page(filters.read(where), limit, after)
        return [f.item for f in found], following

    @checked
    def export(self, folder: str | Path) -> None:
        """Writes items.csv and, in the same order, vectors.npy (n, dim).

        Raises:
            GalleryError: the folder cannot be written.
        """
        from cdim.find.export import write

        with self._writing:
            write(self.store, self.bundle.dim, Path(folder))

    def optimise(self) -> None:
        """Builds the search graph where there are enough items for it to pay; takes its time."""
        self.store.optimise()

    def flush(self) -> None:
        """Writes all to its place, so that the next opening is quick."""
        self.store.flush()

    def close(self) -> None:
        """Flushes and lets go; the gallery cannot be used any more."""
        with self._writing:
            self.store.close()

    def _embedded(self, views: Sequence[QueryImage | Like]) -> NDArray[np.float32]:
        """Vectors (q, dim) of a query's views."""
        out = np.empty((len(views), self.bundle.dim), dtype=np.float32)
        rows: dict[str | None, list[int]] = {}
        for row, view in enumerate(views):
            rows.setdefault(view.domain if isinstance(view, QueryImage) else None, []).append(row)
        for domain, places in rows.items():
            if domain is None:
                out[places] = self.vectors([v.id for v in views if isinstance(v, Like)])
            else:
                same = [v for v in views if isinstance(v, QueryImage) and v.domain == domain]
                out[places] = self.encoder.encode_pixels([v.pixels for v in same], domain)
        return out

    def _stored(
        self, ids: Sequence[str], vectors: bool = False, thumbnails: bool = False
    ) -> list[Stored]:
        """Items in the order of their ids, all of which must be there."""
        _check_ids(ids)
        found = {f.item.id: f for f in self.store.get(ids, vectors, thumbnails)}
        try:
            return [found[wanted] for wanted in ids]
        except KeyError as error:
            raise UsageError(
                f"no item {error.args[0]!r} in the gallery {self.place}",
                f"it holds {self.count()} items",
                "check the id",
            ) from None

    def _background(self) -> list[Stored]:
        """A fair sample of all items with their vectors: ids are hashes, so the first ones."""
        if self.bundle.calibration is None:
            return []
        sample = self._sample  # a writer of another thread may take it away meanwhile
        if sample is None:
            sample = self._sample = self.store.page((), answer.SAMPLE, vectors=True)[0]
        return sample


def _check_ids(ids: Sequence[object]) -> None:
    for given in ids:
        if not isinstance(given, str) or not given or not filters.is_utf8(given):
            raise UsageError(f"id {given!r}", "an id is text, not empty", "give another")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise UsageError(f"a limit of {limit}", f"it is 1 to {MOST:,}", "leave it out")
