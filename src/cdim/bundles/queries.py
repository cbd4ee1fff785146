"""What people search with, read: images, drawings as SVG, strokes as JSON."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cdim.bundles.bundle import Bundle
from cdim.data import drawings, files, images, strokes
from cdim.data.content import image_pixels
from cdim.data.formats import SUFFIXES
from cdim.data.listing import Omission
from cdim.data.tree import Tree, no_images
from cdim.errors import ImageError, UsageError

DRAWING = "sketch"
"""The domain of drawings."""
PHOTO = "photo"
_READERS = {
    ".svg": drawings.read_svg,
    ".json": drawings.read_json,
    ".ndjson": drawings.read_ndjson,
    ".npz": strokes.only_drawing,
}
_OF_MANY = (".ndjson", ".npz")
_START = 512  # bytes among which a drawing begins
# A drawing is thin lines on white paper. Judged so, all of 2,901 sketches and edge maps of QMUL's
# and ChairV2's train splits, Quick, Draw! and made-up products are drawings, and 9 of 1,204 photos:
# chairs of thin tubes.
_SIDE = 256  # pixels of the longer side at which an image is judged
_WHITE = 230
_LEAST_WHITE = 0.8  # share of the pixels
_THICK = 7  # pixels; a line has white nearer than that
_MOST_THICK = 0.02  # share of the pixels that are not white


@dataclass(frozen=True, eq=False)
class QueryImage:
    """An image with its domain."""

    pixels: NDArray[np.uint8]  # uint8 (h, w) or (h, w, 3)
    domain: str  # of `Bundle.domains`


def listed(source: Any) -> tuple[list[tuple[str, Any]], tuple[Omission, ...]]:
    """One image, a list of images or a folder as images with their names, and what is left out.

    Names are paths below the folder, paths as given, and "image 1" for the first of the list
    where there is no path. Strokes, a list of lists of points, are one image. A folder's files that
    are no images are left out.

    Raises:
        DataError: a folder without images, or one that cannot be read.
        UsageError: an empty list.
    """
    if isinstance(source, str | os.PathLike) and os.path.isdir(source):
        tree = Tree.open(Path(os.fsdecode(source)))
        if not tree.images:
            raise no_images(tree)
        return [(name, tree.path / name) for name in tree.images], tree.left_out
    several = isinstance(source, list | tuple) and not _is_strokes(source)
    given = list(source) if several else [source]
    if not given:
        raise UsageError("no image", "at least one is needed", "name an image")
    named = [
        (os.fsdecode(one) if _is_path(one) else f"image {number}", one)
        for number, one in enumerate(given, start=1)
    ]
    return named, ()


def read_query(
    source: Any, domain: str | None, bundle: Bundle, opened: images.Files | None = None
) -> QueryImage:
    """One image or drawing, with its domain.

    Args:
        source: a path or locator, bytes of an image file, a PIL image or a uint8 array. A file
            that ends in .svg, .json, .ndjson or .npz, bytes that begin as SVG or JSON do, text that
            begins as an SVG does, and strokes are drawings, see `cdim.data.drawings`.
        domain: its domain; None to recognise it: drawings are sketches, and so is an image
            of thin lines on white (`is_drawing`).
        bundle: the model.
        opened: reads locators; it keeps archives open.

    Raises:
        ImageError: it cannot be read.
        ModelError: a domain the model does not know; it may be that of drawings.
        UsageError: it is no image, or its domain cannot be found out.
    """
    if isinstance(source, QueryImage):
        source, domain = source.pixels, source.domain
    with images.Files() as own:
        pixels, drawn = read_pixels(source, opened or own)
    if domain is None:
        domain = DRAWING if drawn else _guess(pixels, bundle)
    bundle.taken_as(domain)
    return QueryImage(pixels, domain)


def read_pixels(source: Any, opened: images.Files) -> tuple[NDArray[np.uint8], bool]:
    """The pixels of what `read_query` takes, and whether it is a drawing of strokes.

    Raises:
        ImageError: it cannot be read.
        UsageError: it is no image.
    """
    drawing = _drawing(source, opened)
    if drawing is None:
        return image_pixels(source, opened), False
    return strokes.draw(drawing), True


def is_drawing(pixels: NDArray[np.uint8]) -> bool:
    """Whether an image, uint8 (h, w) or (h, w, 3), looks like thin lines on white."""
    picture = Image.fromarray(pixels).convert("L")
    picture.thumbnail((_SIDE, _SIDE))
    inked = np.asarray(picture) < _WHITE
    if 1 - inked.mean() < _LEAST_WHITE:
        return False
    thick = np.asarray(picture.filter(ImageFilter.MaxFilter(_THICK))) < _WHITE
    return bool(thick.sum() <= _MOST_THICK * inked.sum())


def _drawing(source: Any, opened: images.Files) -> strokes.Strokes | None:
    """The strokes of a drawing; None for an image of pixels."""
    if isinstance(source, list | tuple | Mapping):
        return drawings.from_value(source, "the drawing")
    if isinstance(source, str) and source.lstrip()[:1] == "<":  # no path begins so
        source = source.encode("utf-8", "replace")
    if isinstance(source, bytes):  # and no format of pixels begins as a drawing does
        start = source[:_START].removeprefix(codecs.BOM_UTF8).lstrip()[:1]
        if start == b"<":
            return drawings.read_svg(source, "the drawing")
        return drawings.read_json(source, "the drawing") if start in (b"{", b"[") else None
    return _of_file(os.fsdecode(source), opened) if _is_path(source) else None


def _of_file(name: str, opened: images.Files) -> strokes.Strokes | None:
    """The strokes of a path or locator; None for an image of pixels."""
    if name.startswith("synthetic:"):
        return None
    where = images.place(name, Path())
    _check_there(name, where.path)
    if where.key or where.box:
        return opened.drawing(name, Path())
    suffix = PurePath(where.member or where.path).suffix.lower()
    if suffix not in _READERS:
        return None
    limit = files.MAX_BYTES if suffix in _OF_MANY else drawings.MAX_BYTES
    return _READERS[suffix](files.read_bytes(where.path, where.member, limit), name)


def _check_there(name: str, path: Path) -> None:
    """Refuses a folder, and what does not exist.

    Raises:
        ImageError: it is no file.
    """
    if os.path.isdir(path):
        raise ImageError(
            f"{name} is a folder", "an image or a drawing is a file", "name files of the folder"
        )
    if not os.path.exists(path):
        words = os.sep not in name and path.suffix.lower() not in (*SUFFIXES, *_READERS, ".zip")
        raise ImageError(
            f"there is no file {name!r}",
            "an image or a drawing is a file" + (", and words are no query" if words else ""),
            files.nearest_path(
                path, "draw it, or filter by metadata" if words else "check the path"
            ),
        )


def _guess(pixels: NDArray[np.uint8], bundle: Bundle) -> str:
    """The domain that an image seems to be of, among those the model knows."""
    known = tuple(bundle.domains)
    if len(known) == 1:
        return known[0]
    likely = DRAWING if is_drawing(pixels) else PHOTO
    if likely in known:
        return likely
    raise UsageError(
        f"an image that seems to be a {likely}, without its domain",
        f"{bundle.name} takes {', '.join(known)}",
        "name its domain",
        argument="domain",
    )


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)


def _is_strokes(value: Any, depth: int = 3) -> bool:
    """Whether nested lists hold a coordinate: a number in a point in a stroke."""
    if not depth:
        return isinstance(value, int | float)
    return isinstance(value, list | tuple) and any(_is_strokes(one, depth - 1) for one in value)
