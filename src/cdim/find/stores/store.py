"""What a gallery needs of its database: one small face over Qdrant Edge and a Qdrant server.

A point is one item: its vector and, as its payload, everything else, so that all of it is
written at once or not at all:

    id, source, digest, domain, root, stamp    as in `cdim.find.items.Item`
    meta      its metadata
    numbers   what of it is a number                         ranges of numbers look here
    dates     what of it is a date or a time                 ranges of dates look here
    words     its metadata as texts (see `filters.word`)     equality and facets look here
    fields    the names of its metadata
    thumb     its thumbnail, base64
    sum       a checksum of all of it and the vector; older galleries have none

Points are numbered by a hash of the item's id, so they lie in an order that has nothing to do
with what they show.
"""

from __future__ import annotations

import base64
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cdim.errors import GalleryError, first_line
from cdim.find.filters import Condition, Range, is_date, word
from cdim.find.items import Item, Value
from cdim.find.stores.checksum import SUM, checksum

TEXTS = ("id", "source", "digest", "domain", "root", "stamp")
NUMBERS, DATES = "numbers", "dates"
FIELDS, THUMBNAIL = "fields", "thumb"
LIST = [*TEXTS, "meta"]  # parts of the payload that answers carry
ALL = [*LIST, NUMBERS, DATES, "words", FIELDS, THUMBNAIL, SUM]
MAX_FIELDS = 256  # different names of metadata in one gallery: each has indices of its own
HNSW_FROM = 200_000
"""Kilobytes of vectors from which a search graph is built: 100,000 vectors of 512 dimensions."""
HNSW_M, HNSW_CONSTRUCT, HNSW_EF = 16, 128, 128
"""Edges a point and candidates while building and searching the graph."""
_NAMES = uuid.UUID("6b7a4bb3-3b55-5d2b-9f5b-5f7f0d2a7c11")


@dataclass(frozen=True, eq=False)
class Stored:
    """An item as the database gave it.

    Its vector is (dim,) float32, or None unless requested; its distance is Euclidean, to the query.
    """

    item: Item
    vector: NDArray[np.float32] | None = None
    distance: float = 0.0


class Store(ABC):
    """A database of items. Safe to use from several threads; its owner writes from one at a time.

    Every failure is a `GalleryError`. The methods below speak of items; what a subclass adds
    speaks of points, as its database does.
    """

    chunk: ClassVar[int]
    """Points a write."""
    read_only = ""
    """Why nothing can be written, and what is searched instead; "" where it can."""

    def __init__(self) -> None:
        self._indexed: set[str] = set()

    def check_writable(self) -> None:
        """Refuses to change a gallery that can only be read."""
        if self.read_only:
            raise GalleryError(
                self.read_only,
                "only searches work",
                "make its folder and files writable, or free some space",
            )

    def put(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        """Adds items, or replaces those of the same id; when it returns, they survive a kill."""
        with self._failing():
            self.check_writable()
            for key, kind in indices(items).items():
                self._index(key, kind)
            for start in range(0, len(items), self.chunk):
                self.check_writable()
                rows = slice(start, start + self.chunk)
                self._upsert(
                    (point_id(item.id), vector.tolist(), {**told, SUM: checksum(told, vector)})
                    for item, vector in zip(items[rows], vectors[rows], strict=True)
                    for told in [payload(item)]
                )

    def remove(self, ids: Sequence[str]) -> None:
        """Removes items; ids that are not there are ignored."""
        self.check_writable()
        with self._failing():
            self._delete([point_id(i) for i in ids])

    def get(
        self, ids: Sequence[str], vectors: bool = False, thumbnails: bool = False
    ) -> list[Stored]:
        """The items that are there, in any order."""
        wanted = [*LIST, THUMBNAIL] if thumbnails else LIST
        with self._failing():
            found = self._retrieve([point_id(i) for i in ids], wanted, vectors)
            return [stored(record) for record in found]

    def nearest(
        self,
        vector: NDArray[np.float32],
        k: int,
        where: Sequence[Condition],
        without: Sequence[str] = (),
        *,
        vectors: bool = False,
    ) -> list[Stored]:
        """The k items nearest to a vector (dim,), nearest first, but for the ids `without`."""
        with self._failing():
            found = self._query(vector.tolist(), k, self._filter(where, without), vectors)
            return [stored(point, point.score) for point in found]

    def page(
        self,
        where: Sequence[Condition],
        limit: int,
        after: str | None = None,
        *,
        vectors: bool = False,
    ) -> tuple[list[Stored], str | None]:
        """Items by the order of their points, and where the next page begins, None at the end."""
        with self._failing():
            records, following = self._scroll(self._filter(where), limit, after, vectors)
            found = [stored(record) for record in records]
        return found, None if following is None else str(following)

    def all(self, *, vectors: bool = False) -> Iterator[Stored]:
        """All items, read a thousand at a time."""
        after = None
        while True:
            found, after = self.page((), 1000, after, vectors=vectors)
            yield from found
            if after is None:
                return

    def points(self) -> Iterator[Any]:
        """All points as the database gives them, with all of their payload and their vectors."""
        after = None
        while True:
            with self._failing():
                numbers, after = self._scroll(self._filter(()), 1000, after, False)
                found = self._retrieve([point.id for point in numbers], ALL, True)
            yield from found
            if after is None:
                return

    def count(self, where: Sequence[Condition]) -> int:
        """How many items pass."""
        with self._failing():
            return self._count(self._filter(where))

    def facet(
        self, field: str, where: Sequence[Condition], limit: int, exact: bool = True
    ) -> dict[str, int]:
        """How often a field has which word (see `filters.word`), the most frequent first.

        Not `exact`, it is quick for fields of many values, and may count removed items.
        """
        return self._counts(path("words", field), where, limit, exact)

    def fields(self) -> list[str]:
        """Names of all metadata fields, sorted."""
        return sorted(self._counts(FIELDS, (), MAX_FIELDS, True))

    @abstractmethod
    def optimise(self) -> None:
        """Builds what makes searches fast; takes its time."""

    @abstractmethod
    def flush(self) -> None:
        """Writes all to its place, so that the next opening is quick."""

    @abstractmethod
    def close(self) -> None:
        """Flushes and lets go."""

    def _index(self, key: str, kind: str) -> None:
        if bare(key) not in self._indexed:
            self._make_index(key, kind)
            self._indexed.add(bare(key))

    def _counts(
        self, key: str, where: Sequence[Condition], limit: int, exact: bool
    ) -> dict[str, int]:
        with self._failing():
            found = self._facet(key, self._filter(where), limit, exact)
            # Values that only removed items had are still listed.
            return {str(hit.value): hit.count for hit in found if hit.count}

    @abstractmethod
    def _failing(self) -> AbstractContextManager[None]: ...
    @abstractmethod
    def _make_index(self, key: str, kind: str) -> None: ...
    @abstractmethod
    def _upsert(self, points: Iterable[tuple[str, list[float], dict[str, Any]]]) -> None: ...
    @abstractmethod
    def _delete(self, points: list[Any]) -> None: ...
    @abstractmethod
    def _retrieve(self, points: list[Any], wanted: list[str], vectors: bool) -> list[Any]: ...
    @abstractmethod
    def _query(self, vector: list[float], k: int, chosen: Any, vectors: bool) -> list[Any]: ...
    @abstractmethod
    def _scroll(
        self, chosen: Any, limit: int, after: str | None, vectors: bool
    ) -> tuple[Sequence[Any], Any]: ...
    @abstractmethod
    def _count(self, chosen: Any) -> int: ...
    @abstractmethod
    def _facet(self, key: str, chosen: Any, limit: int, exact: bool) -> Iterable[Any]: ...
    @abstractmethod
    def _filter(self, where: Sequence[Condition], without: Sequence[str] = ()) -> Any: ...


def stored(point: Any, distance: float = 0.0) -> Stored:
    """An item from a point of either database, as `payload` wrote it."""
    try:
        vector = None if point.vector is None else np.array(point.vector, dtype=np.float32)
        texts = {name: point.payload[name] for name in TEXTS}
        thumbnail = base64.b64decode(point.payload.get(THUMBNAIL, ""))
        item = Item(**texts, metadata=point.payload["meta"], thumbnail=thumbnail)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise GalleryError(
            f"an item of the gallery is damaged ({first_line(error)})",
            "items are as cdim wrote them",
            "restore a backup, or index into a new folder",
        ) from None
    return Stored(item, vector, distance)


def point_id(item_id: str) -> str:
    """The number of an item's point."""
    return str(uuid.uuid5(_NAMES, item_id))


def path(part: str, field: str) -> str:
    """The path of a metadata field in the payload."""
    return f'{part}."{field}"'


def indices(items: Sequence[Item]) -> dict[str, Literal["keyword", "float", "datetime"]]:
    """The indices that filters and facets of items want: paths of the payload and their kinds."""
    found: dict[str, Literal["keyword", "float", "datetime"]] = {}
    for item in items:
        for field, value in item.metadata.items():
            found[path("words", field)] = "keyword"
            if is_date(value):
                found[path(DATES, field)] = "datetime"
            elif _is_number(value):
                found[path(NUMBERS, field)] = "float"
    return found


def ranged(condition: Range) -> str:
    """The path in the payload that a range looks at: one index holds values of one kind."""
    return path(DATES if condition.of_dates else NUMBERS, condition.field)


def bare(key: str) -> str:
    """A path as databases list it, with or without quotes, to compare paths by."""
    return key.replace('"', "")


def payload(item: Item) -> dict[str, Any]:
    """What is stored of an item beside its vector."""
    return {
        **{name: getattr(item, name) for name in TEXTS},
        "meta": dict(item.metadata),
        NUMBERS: {field: value for field, value in item.metadata.items() if _is_number(value)},
        DATES: {
            field: str(value).replace(" ", "T")
            for field, value in item.metadata.items()
            if is_date(value)
        },
        "words": {field: word(value) for field, value in item.metadata.items()},
        FIELDS: list(item.metadata),
        THUMBNAIL: base64.b64encode(item.thumbnail).decode(),
    }


def _is_number(value: Value) -> bool:
    return not isinstance(value, str | bool)
