"""Small pictures of images, for galleries and pages."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 160
"""Pixels of the longer side, at most."""


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG of an image, uint8 (h, w) or (h, w, 3), at most `SIZE` pixels on the longer side."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIZE, SIZE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()


def data_uri(thumbnail: bytes) -> str:
    """A thumbnail as an address that holds it, for pages in one file."""
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail).decode("ascii")
