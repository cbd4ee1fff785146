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
from cdim.data.manifest import Source, absolute
from cdim.errors import ImageError, UsageError


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
    """Reads what `cdim.bundles.encoder.Encoder.encode` takes as one image.

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
    own = image_pixels(image, opened)
    return Content(own, digest_of_pixels(own), source)


def is_file(locator: str) -> bool:
    """Whether a locator names a file that is an image as a whole."""
    return os.path.isfile(locator)


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256, hexadecimal, of pixels and their shape."""
    return digest(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())


def image_pixels(source: Any, opened: images.Files) -> NDArray[np.uint8]:
    """The pixels of one image, uint8 (h, w) or (h, w, 3).

    Args:
        source: a path or locator, bytes of an image file, a PIL image, or the pixels themselves.
        opened: reads files.

    Raises:
        ImageError: it cannot be read.
        UsageError: it is no image.
    """
    if isinstance(source, bytes):
        return images.decode(source, "the image")
    if isinstance(source, np.ndarray):
        if (
            source.dtype != np.uint8
            or source.ndim not in (2, 3)
            or source.shape[2:] not in ((), (3,))
            or not source.size
        ):
            raise UsageError(
                f"an array {source.dtype} {source.shape}",
                "an image is uint8 (h, w) or (h, w, 3), not empty; several are a list",
                "convert it",
            )
        return source
    if isinstance(source, str | os.PathLike):
        locator: Source = os.fspath(source)
        return opened.read(locator, Path())
    if hasattr(source, "getexif"):  # a PIL image, without importing PIL to ask
        if not source.width * source.height:
            raise UsageError("a PIL image without pixels", "an image has some", "give another")
        try:
            return images.plain(source)
        except ValueError as error:
            raise UsageError(
                f"a PIL image of {error}", "grey and colour images are understood", "convert it"
            ) from None
        except OSError as error:  # Pillow opens files without decoding them
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
