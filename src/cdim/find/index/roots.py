"""Which items of a gallery are those of a source."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cdim.errors import GalleryError
from cdim.find.index.gone import Known
from cdim.find.index.sources import Listing


def own_roots(listing: Listing, known: Mapping[str, Known]) -> set[str]:
    """The roots of a source's items: its own, and those of the folder that it was renamed from.

    Items that were added by themselves have none.

    Raises:
        GalleryError: an id belongs to another source.
    """
    own = listing.root
    roots = {own}
    for name in listing.entries:
        other = known[name].root if name in known else own
        if not other or other in roots:
            continue
        there = not os.path.isabs(other) or os.path.exists(other)
        if not there and _renamed(other, listing, known):
            roots.add(other)
            continue
        gone = f"; the folder {other} is not there now: if it is unmounted, mount it"
        raise GalleryError(
            f"{name!r} of {own} is in the gallery already, from {other}" + ("" if there else gone),
            "items of one gallery have different ids; a renamed folder is known by more than half "
            "of them",
            "give the ids of this source a prefix",
            argument="prefix",
        )
    return roots


def _renamed(other: str, listing: Listing, known: Mapping[str, Known]) -> bool:
    """Whether the source is another one under a new name: most ids of that are in it.

    A disk that is not mounted is missing too, and must not lose its items.
    """
    ids = [name for name, item in known.items() if item.root == other]
    return 2 * sum(name in listing.entries for name in ids) > len(ids)
