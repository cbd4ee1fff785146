"""Items by their ids: what a gallery does that needs no model."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle
from cdim.errors import ModelError, UsageError
from cdim.find import answer, filters
from cdim.find.items import Item, Value, Where
from cdim.find.stores.store import MAX_FIELDS, Store, Stored

MOST_VALUES = 300
"""A field with more different values is no facet."""
Self = TypeVar("Self", bound="Collection")


class Collection:
    """Items with their vectors, metadata and thumbnails.

    Safe to use from several threads. A context manager that closes it.

    Args:
        place: where it is, for messages.
        bundle: the model of its vectors.
        store: its database.
    """

    def __init__(self, place: str, bundle: Bundle, store: Store) -> None:
        self.place = place
        self.bundle = bundle
        self.store = store
        self._writing = threading.RLock()
        self._sample: list[Stored] | None = None
        self._fields: set[str] = set()  # names of metadata that are there for sure, or were

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
        check_ids([item.id for item in items])
        for item in items:
            filters.check_metadata(item.metadata)
        if items:
            with self._writing:
                self.check_fields({name for item in items for name in item.metadata})
                self.store.put(items, vectors)
                self._sample = None

    def check_fields(self, names: Set[str]) -> None:
        """Whether items may have metadata of these names, beside those that are there.

        Raises:
            UsageError: more different names than a gallery can hold.
        """
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

    def remove(self, ids: Sequence[str]) -> int:
        """Removes items; returns how many of them were there."""
        check_ids(ids)
        with self._writing:
            there = [found.item.id for found in self.store.get(ids)]
            if there:
                self.store.remove(there)
                self._sample = None
        return len(there)

    def get(self, item_id: str) -> Item:
        """An item, with its thumbnail.

        Raises:
            UsageError: there is none of that id.
        """
        return self._stored([item_id], thumbnails=True)[0].item

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The embeddings (n, dim) of items.

        Raises:
            UsageError: one of them is not there.
        """
        found = self._stored(ids, vectors=True)
        return np.array([f.vector for f in found], dtype=np.float32).reshape(len(ids), -1)

    def count(self, where: Where | None = None) -> int:
        """How many items there are."""
        return self.store.count(filters.read(where))

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
        conditions = filters.read(where)
        few = [
            field
            for field in self.store.fields()
            if len(self.store.facet(field, (), MOST_VALUES + 1, exact=False)) <= MOST_VALUES
        ]
        found = {field: self.store.facet(field, conditions, limit) for field in few}
        return {
            field: [(json.loads(word), n) for word, n in words.items()]
            for field, words in found.items()
            if words
        }

    def items(
        self, where: Where | None = None, limit: int = 100, after: str | None = None
    ) -> tuple[list[Item], str | None]:
        """A page of items, in an order that stays.

        Args:
            where: which items.
            limit: items a page.
            after: what the page before said, None for the first one.

        Returns:
            The items without their thumbnails, and `after` for the next page, None at the end.

        Raises:
            UsageError: a limit below 1, or an `after` that no page said.
        """
        try:
            uuid.UUID(after or str(uuid.NAMESPACE_OID))
        except ValueError:
            limit = 0
        if limit < 1:
            raise UsageError(
                f"a page of {limit} items after {after!r}",
                "it has at least 1, and begins where the page before ended",
                "leave `after` out for the first page",
            )
        found, following = self.store.page(filters.read(where), limit, after)
        return [f.item for f in found], following

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

    def _stored(
        self, ids: Sequence[str], vectors: bool = False, thumbnails: bool = False
    ) -> list[Stored]:
        """Items in the order of their ids, all of which must be there."""
        check_ids(ids)
        found = {f.item.id: f for f in self.store.get(ids, vectors, thumbnails)}
        for wanted in ids:
            if wanted not in found:
                raise UsageError(
                    f"no item {wanted!r} in the gallery {self.place}",
                    f"it holds {self.count()} items",
                    "check the id",
                )
        return [found[wanted] for wanted in ids]

    def _background(self) -> list[Stored]:
        """A fair sample of all items with their vectors: ids are hashes, so the first ones."""
        if self.bundle.calibration is None:
            return []
        sample = self._sample  # a writer of another thread may take it away meanwhile
        if sample is None:
            sample = self._sample = self.store.page((), answer.SAMPLE, vectors=True)[0]
        return sample


def check_ids(ids: Sequence[object]) -> None:
    """Refuses what is no id.

    Raises:
        UsageError: it is empty, or no text.
    """
    for given in ids:
        if not isinstance(given, str) or not given or not filters.is_utf8(given):
            raise UsageError(f"id {given!r}", "an id is text, not empty", "give another")
