"""An entry of a folder or a dataset, read: all that an item needs but its vector."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cdim.data import content
from cdim.data.formats import DAMAGE, open_image, upright_size
from cdim.data.images import Files
from cdim.data.thumbnails import thumbnail
from cdim.errors import CdimError
from cdim.find.filters import is_date
from cdim.find.index.sources import Entry, Listing, nothing_to_index
from cdim.find.items import Item, Value

_EXIF, _TAKEN = 0x8769, 0x9003  # the part of EXIF data and the tag of the time a photo was taken


@dataclass(frozen=True, eq=False)
class Read:
    """An entry that was read: its item, and its pixels until they are embedded.

    Its file has `more` pages or frames after the first, which are left out.
    """

    item: Item
    pixels: NDArray[np.uint8]
    more: int = 0


def check_some(listing: Listing) -> None:
    """Refuses a source of which no image can be read by a `DataError`."""
    unreadable = {}
    with Files() as opened:
        for entry in listing.entries.values():
            found = read(entry, listing.root, "", opened)
            if not isinstance(found, str):
                return
            unreadable[entry.id] = found
    raise nothing_to_index(listing, (), unreadable)


def read(entry: Entry, root: str, stamp: str, opened: Files) -> Read | str:
    """An image with all that is known of it, or the reason it cannot be read."""
    if entry.described and not os.path.isfile(entry.source):
        return f"{entry.source} is no longer there, or no file"
    try:
        found = content.read(entry.source, opened)
    except CdimError as error:
        return str(error)
    described, pages = _told(entry.source, found.data)
    item = Item(
        entry.id,
        entry.source,
        found.digest,
        entry.domain,
        root,
        stamp,
        {**(described if entry.described else {}), **entry.metadata},
        thumbnail(found.pixels),
    )
    return Read(item, found.pixels, pages - 1)


def _told(path: str, data: bytes) -> tuple[dict[str, Value], int]:
    """A file's own metadata, and how many pages it has.

    The metadata are the day a photo was taken, else its file was changed, and its size in pixels.
    """
    told: dict[str, Value] = {}
    pages = 1
    with suppress(OSError, ValueError, OverflowError):
        told["date"] = datetime.fromtimestamp(os.stat(path).st_mtime).date().isoformat()
    with suppress(*DAMAGE), open_image(data) as image:
        told["width"], told["height"] = upright_size(image)
        if image.format != "MPO":  # its further pictures are the photo's depth, or a preview
            pages = getattr(image, "n_frames", 1)
        day = str(image.getexif().get_ifd(_EXIF).get(_TAKEN, ""))[:10].replace(":", "-")
        if is_date(day):
            told["date"] = day
    return told, pages
