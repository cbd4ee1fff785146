"""What galleries hold, and what a search finds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, overload

from cdim.errors import plural, printable

Value = str | int | float | bool
"""A value of an item's metadata; dates are ISO 8601 strings."""

Where = Mapping[str, Any] | str | Sequence[str]
"""A filter: metadata field to the value it has, a list of values, or a range.

    {"category": "shoe"}                                    equality
    {"category": ["shoe", "bag"]}                           one of
    {"price": {"gte": 10, "lt": 50}}                        a range: gt, gte, lt, lte
    {"date": {"gte": "2024-01-01", "lt": "2025-01-01"}}     a range of dates

or as texts, one a field: "category=shoe", ["price=10..50", "date=2024-01-01.."]. All fields must
hold. `cdim.find.filters` checks and reads them.
"""

MOST = 1_000_000
"""Hits, items or values of one answer, at most."""
BY_HAND = "by hand:"
"""Before the stamp of an item of a folder whose image is not that of its file."""


@dataclass(frozen=True)
class Item:
    """One image of a gallery.

    Args:
        id: unique in the gallery: the path below the indexed folder, or the caller's own.
        source: where its image is, as a locator (see `cdim.data.images`); "" for an image that
            was given from memory.
        digest: SHA-256 of its content, hexadecimal; decides whether it is embedded again.
        domain: what it was embedded as.
        root: the indexed folder or dataset that it came from; "" where it was added by itself.
        stamp: size and time of change of its file when it was read; "" where there is no file. It
            begins with `BY_HAND` where the item was given another image later.
        metadata: fields to filter by.
        thumbnail: a small JPEG; b"" unless requested.
    """

    id: str
    source: str = field(default="", repr=False)
    digest: str = field(default="", repr=False)
    domain: str = ""
    root: str = field(default="", repr=False)
    stamp: str = field(default="", repr=False)
    metadata: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    thumbnail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, repr=False)
class Hit:
    """One item that was found.

    Args:
        item: without its thumbnail.
        distance: smaller is nearer; `SearchResult.distances` names the kind.
        probability: that it shows the same instance as the query, 0 to 1; None where the
            model has no calibration.
    """

    item: Item
    distance: float
    probability: float | None

    def __repr__(self) -> str:
        sure = "" if self.probability is None else f", {self.probability:.0%}"
        return f"<Hit {self.id!r} at {self.distance:.4f}{sure}>"

    @property
    def id(self) -> str:
        """The item's."""
        return self.item.id

    @property
    def metadata(self) -> Mapping[str, Value]:
        """The item's."""
        return self.item.metadata


@dataclass(frozen=True, repr=False)
class SearchResult(Sequence[Hit]):
    """The hits of a search, nearest first, as a sequence. Printed, it is a short table.

    Args:
        hits: the nearest first.
        searched: items that passed the filter.
        present: probability that the target is among them, 0 to 1; None where nothing was
            searched, or the model has no calibration.
        distances: what the distances are, in words.
        domains: the domains of the query's images, in their order.
        filtered: whether a filter chose the items.
    """

    hits: tuple[Hit, ...]
    searched: int
    present: float | None
    distances: str
    domains: tuple[str, ...] = ()
    filtered: bool = False

    @overload
    def __getitem__(self, row: int) -> Hit: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, row: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[row]

    def __len__(self) -> int:
        return len(self.hits)

    def __repr__(self) -> str:
        first = f", nearest {self.hits[0].id!r}" if self.hits else ""
        absent = ", probably absent" if self.absent else ""
        where = f"{plural(len(self), 'hit')} in {plural(self.searched, 'item')}"
        return f"<SearchResult: {where}{first}{absent}>"

    def __str__(self) -> str:
        where = f"{plural(len(self), 'hit')} in {plural(self.searched, 'item')}"
        lines = [f"{where}; distances: {self.distances}"]
        lines += [self.line(row) for row in range(len(self))]
        return "\n".join([*lines, *self.remarks()])

    def line(self, row: int) -> str:
        """A hit as text: its rank, its distance, its probability and its id."""
        hit = self.hits[row]
        sure = "" if hit.probability is None else f"{100 * hit.probability:5.0f} %"
        return f"{row + 1:>4}  {hit.distance:8.4f}{sure}  {printable(hit.id)}"

    def remarks(self) -> list[str]:
        """Lines for no hits, and for an object that is probably absent."""
        if not self.searched:
            why = "no item passes the filter" if self.filtered else "the gallery is empty"
            return [f"nothing was searched: {why}"]
        lines = [] if self.hits else ["nothing found"]
        if self.absent and self.present is not None:
            lines.append(f"probably not in this gallery (present: {100 * self.present:.0f} %)")
        return lines

    @property
    def absent(self) -> bool:
        """Whether the target is probably not in this gallery."""
        return self.present is not None and self.present < 0.5

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "searched": self.searched,
            "distances": self.distances,
            "taken": list(self.domains),
            "present": self.present,
            "probably_absent": self.absent,
            "hits": [
                {
                    "id": hit.id,
                    "distance": hit.distance,
                    "probability": hit.probability,
                    "metadata": dict(hit.metadata),
                    "source": hit.item.source,
                }
                for hit in self.hits
            ],
        }


@dataclass(frozen=True)
class Like:
    """An item of the gallery to search with, named by its id."""

    id: str
