"""An entry of a folder or a dataset, read: all that an item needs but its vector."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cdim.data import content
from cdim.data.formats import open_image
from cdim.data.images import Files
from cdim.data.thumbnails import thumbnail
from cdim.errors import CdimError
from cdim.find.filters import is_date
from cdim.find.index.sources import Entry
from cdim.find.items import Item, Value

_EXIF, _TAKEN = 0x8769, 0x9003  # the part of EXIF data and the tag of the time a photo was taken


@dataclass(frozen=True, eq=False)
class Read:
    """An entry that was read: its item, and its pixels until they are embedded."""

    item: Item
    pixels: NDArray[np.uint8]


def read(entry: Entry, root: str, stamp: str, opened: Files) -> Read | str:
    """An image with all that is known of it, or the reason it cannot be read."""
    if entry.described and not os.path.isfile(entry.source):
        return f"{entry.source} is no longer there, or no file"
    try:
        found = content.read(entry.source, opened)
    except CdimError as error:
        return str(error)
    described = _described(entry.source, found) if entry.described else {}
    item = Item(
        entry.id,
        entry.source,
        found.digest,
        entry.domain,
        root,
        stamp,
        {**described, **entry.metadata},
        thumbnail(found.pixels),
    )
    return Read(item, found.pixels)


def _described(path: str, found: content.Content) -> dict[str, Value]:
    """A file's own metadata: the day it was taken, else changed, and its size in pixels."""
    height, width = found.pixels.shape[:2]
    try:
        changed = datetime.fromtimestamp(os.stat(path).st_mtime)
    except (OSError, ValueError, OverflowError):
        changed = None
    day = _taken(found.data) or ("" if changed is None else changed.date().isoformat())
    return {**({"date": day} if day else {}), "width": width, "height": height}


def _taken(data: bytes) -> str:
    """The day a photo was taken, as its EXIF data says, or ""."""
    try:
        with open_image(data) as image:
            said = str(image.getexif().get_ifd(_EXIF).get(_TAKEN, ""))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error):
        return ""
    day = said[:10].replace(":", "-")
    return day if is_date(day) else ""
