"""One image of any kind, read once: its pixels, and the hash that tells whether it changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.data import files, images
from cdim.data.formats import DAMAGE, ENOUGH, decode, open_image, plain, upright_size
from cdim.data.manifest import absolute, holds_image
from cdim.errors import ImageError, UsageError


@dataclass(frozen=True, eq=False)
class Content:
    """What an image holds."""

    # uint8 (h, w) or (h, w, 3); a large image is shrunk, see `formats.decode`
    pixels: NDArray[np.uint8]
    # SHA-256, hexadecimal: of the file's bytes, or of the pixels where there is no file of its own
    digest: str
    source: str = ""  # its locator; "" for an image from memory
    data: bytes = b""  # the file's bytes; b"" where there is no file of its own

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the upright image, before it was shrunk."""
        if not self.data:
            height, width = self.pixels.shape[:2]
            return width, height
        with open_image(self.data) as image:
            return upright_size(image)


def read(image: Any, opened: images.Files) -> Content:
    """Reads what `image_pixels` takes as one image, and raises what that raises.

    What was read already stays as it is.
    """
    if isinstance(image, Content):
        return image
    source = ""
    if isinstance(image, str | os.PathLike):
        source = image = str(absolute(os.fspath(image), Path()))
    data = image if isinstance(image, bytes) else b""
    if os.path.isfile(source):
        data = files.read_bytes(Path(source), limit=images.MAX_BYTES)
    if data:
        return Content(decode(data, source or "the image", ENOUGH), digest(data), source, data)
    own = image_pixels(image, opened)
    shape_and_pixels = repr(own.shape).encode() + np.ascontiguousarray(own).tobytes()
    return Content(own, digest(shape_and_pixels), source)


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def image_pixels(source: Any, opened: images.Files) -> NDArray[np.uint8]:
    """The pixels, uint8 (h, w) or (h, w, 3), of a path or locator, bytes, a PIL image or pixels.

    Raises:
        ImageError: it cannot be read.
        UsageError: it is no image.
    """
    if isinstance(source, bytes):
        return decode(source, "the image", ENOUGH)
    if isinstance(source, np.ndarray):
        if not holds_image(source):
            raise UsageError(
                f"an array {source.dtype} {source.shape}",
                "an image is uint8 (h, w) or (h, w, 3), not empty; several are a list",
                "convert it",
            )
        return source
    if isinstance(source, str | os.PathLike):
        return opened.read(os.fspath(source), Path())
    if hasattr(source, "getexif"):  # a PIL image, without importing PIL to ask
        if not source.width * source.height:
            raise UsageError("a PIL image without pixels", "an image has some", "give another")
        try:
            return plain(source, ENOUGH)
        except ValueError as error:
            raise UsageError(
                f"a PIL image of {error}", "grey and colour images are understood", "convert it"
            ) from None
        except DAMAGE as error:  # Pillow opens files without decoding them
            raise ImageError(
                f"a PIL image cannot be decoded ({error})",
                "a whole image is needed",
                "open another",
            ) from None
    raise UsageError(
        f"{type(source).__name__} for an image",
        "an image is a path, bytes, a PIL image or a uint8 array",
        "convert it",
    )
