"""One image of any kind, read once: its pixels, and the hash that tells whether it changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim import encoder
from cdim.data import files, images
from cdim.data.manifest import absolute


@dataclass(frozen=True, eq=False)
class Content:
    """What an image holds.

    Args:
        pixels: uint8 (h, w) or (h, w, 3).
        digest: SHA-256, hexadecimal: of the file's bytes, or of the pixels where there is no
            file of its own.
        source: its locator; "" for an image from memory.
        data: the file's bytes; b"" where there is no file of its own.
    """

    pixels: NDArray[np.uint8]
    digest: str
    source: str = ""
    data: bytes = b""


def read(image: Any, opened: images.Files) -> Content:
    """Reads what `cdim.encoder.Encoder.encode` takes as one image.

    Args:
        image: a path or locator, bytes of an image file, a PIL image or a uint8 array.
        opened: reads locators.

    Raises:
        ImageError: it cannot be read.
        UsageError: it is no image.
    """
    source = ""
    if isinstance(image, str | os.PathLike):
        source = image = str(absolute(os.fspath(image), Path()))
    if is_file(source):
        data = files.read_bytes(Path(source), "", images.MAX_BYTES)
    else:
        data = image if isinstance(image, bytes) else b""
    if data:
        return Content(images.decode(data, source or "the image"), digest(data), source, data)
    pixels = encoder.pixels(image, opened)
    return Content(pixels, digest_of_pixels(pixels), source)


def is_file(locator: str) -> bool:
    """Whether a locator names a file that is an image as a whole."""
    return os.path.isfile(locator)


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256, hexadecimal, of pixels and their shape."""
    return digest(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())
