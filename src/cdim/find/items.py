"""What galleries hold, what they are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = str | int | float | bool
"""A value of an item's metadata; dates are ISO 8601 strings."""

Where = Mapping[str, Any]
"""A filter: metadata field to the value it has, a list of values, or a range.

    {"category": "shoe"}                                    equality
    {"category": ["shoe", "bag"]}                           one of
    {"price": {"gte": 10, "lt": 50}}                        a range: gt, gte, lt, lte
    {"date": {"gte": "2024-01-01", "lt": "2025-01-01"}}     a range of dates

All fields must hold. `cdim.find.filters` checks and reads them.
"""


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
        stamp: size and time of change of its file when it was read; "" where there is no file.
        metadata: what it can be filtered by.
        thumbnail: a small JPEG; b"" where it was not asked for.
    """

    id: str
    source: str = ""
    digest: str = ""
    domain: str = ""
    root: str = ""
    stamp: str = ""
    metadata: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    thumbnail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Hit:
    """One item that was found.

    Args:
        item: without its thumbnail.
        distance: smaller is nearer; `Found.distances` says of what kind.
        probability: that it shows the same instance as the query, 0 to 1; None where the
            model has no calibration.
    """

    item: Item
    distance: float
    probability: float | None


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        hits: the nearest first.
        searched: items that passed the filter.
        present: probability that what was asked for is among them, 0 to 1; None where the
            model has no calibration.
        distances: what the distances are, in words.
        taken: the domains that the query's images were taken as, in their order.
    """

    hits: tuple[Hit, ...]
    searched: int
    present: float | None
    distances: str
    taken: tuple[str, ...] = ()

    @property
    def absent(self) -> bool:
        """Whether what was asked for is probably not in this gallery."""
        return self.present is not None and self.present < 0.5

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "searched": self.searched,
            "distances": self.distances,
            "taken": list(self.taken),
            "present": self.present,
            "probably_absent": self.absent,
            "hits": [
                {
                    "id": hit.item.id,
                    "distance": hit.distance,
                    "probability": hit.probability,
                    "metadata": dict(hit.item.metadata),
                    "source": hit.item.source,
                }
                for hit in self.hits
            ],
        }


@dataclass(frozen=True, eq=False)
class Look:
    """An image to search with.

    Args:
        pixels: uint8 (h, w) or (h, w, 3).
        domain: of `Bundle.domains`.
    """

    pixels: NDArray[np.uint8]
    domain: str


@dataclass(frozen=True)
class Like:
    """An item of the gallery to search with.

    Args:
        id: the item's.
    """

    id: str
