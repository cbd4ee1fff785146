"""Keeps a gallery in step with a folder that changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdim.errors import CdimError
from cdim.find.gallery import Embeds, Gallery
from cdim.find.index.indexing import Progress, index
from cdim.find.index.sources import Source
from cdim.find.index.summary import Summary

AGAIN = 2.0  # seconds until a folder that could not be indexed is tried again


def watch(
    source: Source,
    place: str | Path,
    encoder: Embeds,
    *,
    keep: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Iterator[Summary | CdimError]:
    """Indexes whenever a folder changes, until it is closed; the gallery is free in between.

    Args:
        source: the folder.
        place: the gallery, which is there; its model is `encoder`.
        keep, prune, progress: as for `cdim.find.index.indexing.index`.

    Yields:
        What each indexing did, or why it could not; then it is tried again.
    """
    import watchfiles

    behind = True  # what changed before the watcher was there
    for changed in watchfiles.watch(
        source.place, rust_timeout=int(1000 * AGAIN), yield_on_timeout=True, raise_interrupt=False
    ):
        if not (changed or behind):
            continue
        try:
            with Gallery.open(place, encoder) as gallery:
                listing = source.listed(gallery.bundle)
                summary = index(gallery, listing, keep=keep, prune=prune, progress=progress)
            behind = False
            yield summary
        except CdimError as error:
            behind = True
            yield error
