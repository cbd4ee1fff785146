"""Bytes of an image file to safe pixels.

What a camera, a phone or a scanner wrote is read as it was meant: upright (EXIF), transparency on
white, 10 to 16 bits brought to 8 by what the file uses, JPEGs of more than `MAX_PIXELS` at a half,
a quarter or an eighth of their size. What is no image is named as what it is. Whatever threads
decode at a time, it stays within one budget of memory (`decoding.room`).
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from cdim.data.decoding import room
from cdim.errors import ImageError

MAX_PIXELS = 64 * 10**6
"""Most pixels that an image is decoded to."""
MAX_JPEG = 4 * MAX_PIXELS
"""Most pixels of a JPEG, which is decoded at a part of its size."""
MAX_PROGRESSIVE = 2 * MAX_PIXELS
"""Most pixels of a progressive JPEG: its decoder holds all of them at once."""
MAX_DEEP = MAX_PIXELS // 2
"""Most pixels of a colour PNG whose 10 to 14 bits are brought to 8: it is decoded twice."""
MAX_WORK = 2 * 10**9
"""Most pixels of a JPEG times its scans, each of which goes over all of them."""
ENOUGH = 1024
"""Pixels of the shorter side that are enough to embed or to show an image."""
LARGEST = 16 * 10**6
"""Most pixels of an image of which `ENOUGH` are enough."""

# Larger blocks than malloc keeps for itself: the memory of a large image goes back to the system.
Image.core.set_block_size(64 * 2**20)  # type: ignore[attr-defined]

# Formats whose decoders are pure pixel code: no PostScript, no PDF, no video. JPEG and HEIC are
# opened by their own decoders.
FORMATS = ("PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".avif", ".heic", ".heif", ".hif"),
)
_KINDS = "PNG, JPEG, WebP, AVIF, HEIC, BMP, GIF, TIFF or PPM"
_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = [_TURNS[number] for number in (5, 6, 7, 8)]
_SCAN = b"\xff\xda"  # what a scan of a JPEG begins with
# What Pillow's decoders raise on damaged files.
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError),
    *(OverflowError, RuntimeError, struct.error, zlib.error),
)
# How files begin that people take for images, or for drawings.
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript document"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"RIFF", "a RIFF file without a WebP image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"MATLAB 5", "a MATLAB file"),
)
_TEXTS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_VIDEO = (b"isom", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V ")
_FAINT = 240
"""What is lighter than this everywhere shows nothing on white."""


def decode(data: bytes, name: str, enough: int = 0) -> NDArray[np.uint8]:
    """An encoded image's pixels: upright (EXIF), transparency on white.

    Args:
        data: content of an image file.
        name: what error messages call it.
        enough: pixels of the shorter side that are enough, such as `ENOUGH`: a larger image is
            shrunk by a whole number, while it is decoded where its format can; 0 for all pixels.

    Returns:
        uint8 (h, w) for grey images, (h, w, 3) for colour; of an animation, the first frame; a
        JPEG of more than `MAX_PIXELS` at a half, a quarter or an eighth of its size.

    Raises:
        ImageError: no image, a damaged or truncated one, or one that is too large.
    """
    if not data:
        raise ImageError(f"{name} is empty", "an image file is needed", "fetch the file again")
    if data.startswith(_PNG):
        data = _without_texts(data)
    try:
        with ExitStack() as taken:
            image = taken.enter_context(open_image(data))
            part = _part(image, data, name, enough)
            taken.enter_context(room(_cost(image, data, part)))
            if part > 1:
                image.draft(None, (image.width // part, image.height // part))
            image.load()
            pixels = plain(_brightened(image, data, name) if _is_deep(data) else image, enough)
            del image  # before its room is given back
            return pixels
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        # The warning is an exception where warnings are errors.
        raise _too_large(name, "too many pixels", MAX_PIXELS) from None
    except MemoryError:
        raise ImageError(
            f"{name} does not fit into memory", "an image is decoded in memory", "make it smaller"
        ) from None
    except DAMAGE as error:
        other = _other(data)
        if other:
            raise ImageError(
                f"{name} is {other}", f"a {_KINDS} image is needed", "save it as one of these"
            ) from None
        # What these two say is of Pillow's insides.
        inside = isinstance(error, KeyError | UnidentifiedImageError)
        said = "" if inside else str(error)
        raise ImageError(
            f"{name} cannot be decoded ({said.splitlines()[0] if said else 'damaged'})",
            f"a whole {_KINDS} image is needed",
            "fetch or save the file again, or leave it out",
        ) from None


def plain(image: Image.Image, enough: int = 0) -> NDArray[np.uint8]:
    """The pixels of a Pillow image: upright (EXIF), transparency composited on white.

    White lines on transparency would vanish there: they become dark.

    Args:
        image: whose pixels are decoded, or will be.
        enough: as for `decode`.

    Returns:
        uint8 (h, w) for grey images, (h, w, 3) for colour.

    Raises:
        ValueError: a mode with no known white.
    """
    turn, clear = _turn(image), image.has_transparency_data
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = _eight_bits(values)
        grey[values == image.info.get("transparency")] = 255
        image, mode, clear = Image.fromarray(grey), "L", False
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode} with no known white")
    kind = "RGBA" if clear else mode
    if image.mode != kind:  # else it would be copied
        image = image.convert(kind)
    if (times := _times(image.size, enough)) > 1:
        image = image.reduce(times)
    if turn is not None:
        image = image.transpose(turn)
    if not clear:
        return np.array(image, dtype=np.uint8)
    sheet = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    alpha = np.asarray(image)[..., 3]
    pixels = np.array(sheet.convert(mode), dtype=np.uint8)
    if pixels.min() < _FAINT or not alpha.any() or alpha.all():
        return pixels
    return np.array(Image.fromarray(255 - alpha).convert(mode), dtype=np.uint8)


def open_image(data: bytes) -> Image.Image:
    """An image file as Pillow opens it, its pixels not decoded yet; raises what Pillow raises."""
    if data.startswith(b"\xff\xd8\xff"):
        # Not by Image.open, which refuses the pixels of a large JPEG before they can be shrunk.
        return JpegImagePlugin.jpeg_factory(io.BytesIO(data))
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        import pi_heif  # takes longer to start than the other decoders

        pi_heif.register_heif_opener()
        return Image.open(io.BytesIO(data), formats=("HEIF",))
    return Image.open(io.BytesIO(data), formats=FORMATS)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the upright image that an opened file holds."""
    sideways = _turn(image) in _SIDEWAYS
    return (image.height, image.width) if sideways else (image.width, image.height)


def shrunk(data: bytes, name: str) -> int:
    """How many pixels of an image file become one of what `decode` gives, along each side."""
    with open_image(data) as image:
        return _part(image, data, name, 0)


def _part(image: Image.Image, data: bytes, name: str, enough: int) -> int:
    """At which part of its size an image is decoded: 1, or 2, 4 or 8 for a JPEG.

    Raises:
        ImageError: too many pixels, or too many scans.
    """
    width, height = image.size
    jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
    most = MAX_JPEG if jpeg else MAX_PIXELS
    if _is_progressive(image):
        most, scans = MAX_PROGRESSIVE, data.count(_SCAN)
        if scans * width * height > MAX_WORK:
            raise _too_large(name, f"{scans} scans of {width} x {height} pixels", MAX_WORK)
    if width * height > most:
        raise _too_large(name, f"{width} x {height} pixels", most)
    part = next(n for n in (1, 2, 4, 8) if width * height <= MAX_PIXELS * n * n)
    times = _times(image.size, enough) if jpeg else 1
    return max(part, *(n for n in (1, 2, 4, 8) if n <= times))


def _is_progressive(image: Image.Image) -> bool:
    return isinstance(image, JpegImagePlugin.JpegImageFile) and "progressive" in image.info


def _cost(image: Image.Image, data: bytes, part: int) -> int:
    """The bytes that decoding takes; the decoder of a progressive JPEG holds all of it."""
    pixels = image.width * image.height
    held = 6 * pixels if _is_progressive(image) else 0
    return held + (16 if _is_deep(data) else 8) * pixels // part**2


def _times(size: tuple[int, int], enough: int) -> int:
    """How many times smaller an image may be."""
    if not enough:
        return 1
    return max(1, min(size) // enough, math.ceil(math.sqrt(size[0] * size[1] / LARGEST)))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The turn that its EXIF says; whatever else stands there may be damaged."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except DAMAGE:
        return None


def _eight_bits(values: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Values of up to 16 bits as 8, by the bits that are used: 10 and 12 come in files of 16."""
    used = int(values.max(initial=0))
    bits = next(depth for depth in (8, 10, 12, 14, 16) if used < 1 << depth)
    eight: NDArray[np.uint8] = (values >> (bits - 8)).astype(np.uint8)
    return eight


def _is_deep(data: bytes) -> bool:
    """Whether it is a colour PNG of 16 bits: IHDR says 16 bits, colour type 2 or 6."""
    return data.startswith(_PNG) and data[24:26] in (b"\x10\x02", b"\x10\x06")


def _brightened(image: Image.Image, data: bytes, name: str) -> Image.Image:
    """A colour PNG of 16 bits, of which Pillow decoded the higher 8, with those that are used.

    Raises:
        ImageError: more than `MAX_DEEP` pixels.
    """
    high = np.asarray(image)
    if high[..., :3].max(initial=0) >= 1 << 6 or image.mode not in ("RGB", "RGBA"):
        return image
    if image.width * image.height > MAX_DEEP:
        raise _too_large(name, f"{image.width} x {image.height} pixels of 16 bits", MAX_DEEP)
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as again:
        again.tile = [t._replace(args=str(t.args).replace(";16B", ";16L")) for t in again.tile]
        again.load()
        low = np.asarray(again)
    if low.shape != high.shape:
        return image
    values = high[..., :3].astype(np.uint16) << 8 | low[..., :3]
    return Image.fromarray(np.concatenate([_eight_bits(values), high[..., 3:]], axis=2))


def _without_texts(data: bytes) -> bytes:
    """A PNG without its texts and colour profile, which can be larger than the picture."""
    kept, place = [data[:8]], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 12 + length
        if data[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


def _other(data: bytes) -> str:
    """What a file that is no image is; "" where that is not known."""
    for start, kind in _OTHERS:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        return "a video" if data[8:12] in _VIDEO else ""
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = next((kind for start, kind in _TEXTS if text.startswith(start)), "")
    return kind or ("a text" if _is_text(data[:512]) else "")


def _is_text(start: bytes) -> bool:
    """Whether bytes, of which the last letter may be cut off, are letters of a text alone."""
    text = start.decode("utf-8-sig", "replace").rstrip("\ufffd")
    letters = all(c.isprintable() or c in "\t\r\n\f" for c in text)
    return bool(text) and letters and "\ufffd" not in text


def _too_large(name: str, given: str, most: int) -> ImageError:
    return ImageError(
        f"{name} has {given}", f"at most {most:,} are opened", "make the image smaller"
    )
