"""A gallery: images that can be found by what they show."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle, load_bundle
from cdim.bundles.encoder import Encoder
from cdim.errors import ModelError, UsageError
from cdim.find import adding, answer, filters
from cdim.find.items import MOST, Item, Value, Where
from cdim.find.stores.store import MAX_FIELDS, Store, Stored
from cdim.strict import checked

if TYPE_CHECKING:
    from cdim.find.check import GalleryCheck
    from cdim.find.index.summary import Summary

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

    put = adding.put
    add = adding.add
    update = adding.update
    search = answer.search

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
            ModelError: no such bundle, or one that does not work.
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
        from cdim.find.stores.folder import is_gallery, open_folder

        if create and encoder is None and bundle is not None and not is_gallery(Path(place)):
            encoder = Encoder(bundle)  # a model that does not work leaves no gallery behind
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
                self._encoder = self._loaded()
            return self._encoder

    def _loaded(self) -> Embeds:
        try:
            return Encoder(self.bundle)
        except ModelError as error:
            if self.bundle.folder.parent != Path(self.place):
                raise
            from cdim.find.stores.folder import unsound

            given = self.bundle.name, self.bundle.fingerprint
            raise unsound(self.place, *given, error) from None

    @checked
    def index(
        self,
        source: str | Path,
        *,
        metadata: str | Path | None = None,
        domain: str | None = None,
        prefix: str = "",
        data: str | Path | None = None,
        exclude: Sequence[str] = (),
        layout: str | None = None,
        keep: bool = False,
        prune: bool = False,
        dry_run: bool = False,
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
            exclude: globs of files and folders that are passed over, such as "old/*".
            layout: of a folder or zip, as for `cdim.open_dataset`; "**" takes every image.
            keep: keep items whose file is gone.
            prune: remove items whose file is gone also where most are, or could not be looked for.
            dry_run: write nothing and embed nothing; say what would be done.
            progress: is told of images, and of the search graph of a large gallery.

        Returns:
            What was done, and which images could not be read.

        Raises:
            DataError: no such source, nothing in it that can be indexed, or no table of metadata.
            GalleryError: an id belongs to another source, or the gallery is read-only.
            ModelError: images of a domain that the model does not know.
            UsageError: `keep` with `prune`, or globs for what is no folder or zip.
        """
        from cdim.find.index import indexing
        from cdim.find.index.sources import Source

        table, root = (None if path is None else Path(path) for path in (metadata, data))
        wanted = Source(str(source), table, domain, prefix, root, tuple(exclude), layout)
        how = {"keep": keep, "prune": prune, "dry_run": dry_run}
        return indexing.index(self, wanted.listed(self.bundle), progress=progress, **how)

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
        adding.check_ids(ids)
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
        return self.store.count(self._conditions(where))

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
        conditions = self._conditions(where)
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
        found, following = self.store.page(self._conditions(where), limit, after)
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

    @checked
    def check(self, progress: Callable[[str, int, int], None] | None = None) -> GalleryCheck:
        """Reads every item, and tries searches, filters and the model, as `cdim check` does.

        Args:
            progress: is told of items.

        Raises:
            GalleryError: the gallery is so damaged that it cannot be read.
        """
        from cdim.find.check import check

        with self._writing:
            return check(self, progress)

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

    def _stored(
        self, ids: Sequence[str], vectors: bool = False, thumbnails: bool = False
    ) -> list[Stored]:
        """Items in the order of their ids, all of which must be there."""
        adding.check_ids(ids)
        found = {f.item.id: f for f in self.store.get(ids, vectors, thumbnails)}
        try:
            return [found[wanted] for wanted in ids]
        except KeyError as error:
            raise UsageError(
                f"no item {error.args[0]!r} in the gallery {self.place}",
                f"it holds {self.count()} items",
                "check the id",
            ) from None

    def _conditions(self, where: Where | None) -> tuple[filters.Condition, ...]:
        """A filter, read; a field that no item has is a `UsageError`."""
        conditions = filters.read(where)
        asked = {condition.field for condition in conditions}
        if not asked <= self._fields:
            self._fields = self._fields | set(self.store.fields())
            filters.check_known(asked, self._fields)
        return conditions

    def _sampled(self) -> list[Stored]:
        """A fair sample of all items with their vectors: ids are hashes, so the first ones."""
        if self.bundle.calibration is None:
            return []
        sample = self._sample  # a writer of another thread may take it away meanwhile
        if sample is None:
            sample = self._sample = self.store.page((), answer.SAMPLE, vectors=True)[0]
        return sample


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise UsageError(f"a limit of {limit}", f"it is 1 to {MOST:,}", "leave it out")
