"""What people search with, read: images, drawings as SVG, strokes as JSON."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cdim.data import drawings, files, images, strokes
from cdim.errors import UsageError
from cdim.find.items import Look

if TYPE_CHECKING:
    from cdim.bundles.bundle import Bundle

DRAWING = "sketch"
"""The domain of drawings."""
PHOTO = "photo"
# A drawing is thin lines on white paper. Judged so, all of 2,901 sketches and edge maps of QMUL's
# and ChairV2's train splits, Quick, Draw! and made-up products are drawings, and 9 of 1,204 photos:
# chairs of thin tubes.
_SIDE = 256  # pixels of the longer side at which an image is judged
_WHITE = 230
_LEAST_WHITE = 0.8  # share of the pixels
_THICK = 7  # pixels; a line has white nearer than that
_MOST_THICK = 0.02  # share of the pixels that are not white


def read_query(source: Any, domain: str | None, bundle: Bundle) -> Look:
    """One image or drawing to search with.

    Args:
        source: a path or locator, bytes of an image file, a PIL image or a uint8 array. Files
            that end in .svg or .json are drawings, see `cdim.data.drawings`.
        domain: what it is; None to find out: drawings are sketches, and an image is one if it
            looks like one (`is_drawing`).
        bundle: the model that is searched with.

    Raises:
        ImageError: it cannot be read.
        ModelError: a domain the model does not know.
        UsageError: it is no image.
    """
    if isinstance(source, str | os.PathLike):
        suffix = Path(source).suffix.lower()
        if suffix in (".svg", ".json"):
            data = files.read_bytes(Path(source), limit=drawings.MAX_BYTES)
            reader = drawings.read_svg if suffix == ".svg" else drawings.read_json
            return drawn(reader(data, str(source)), domain, bundle)
    from cdim.data.content import pixels as pixels_of

    with ExitStack() as closing:
        pixels = pixels_of(source, images.Files(closing))
    return look(pixels, domain, bundle)


def drawn(drawing: strokes.Strokes, domain: str | None, bundle: Bundle) -> Look:
    """A drawing, drawn with the lines that models are trained on.

    Raises:
        ModelError: a domain the model does not know; it may be that of drawings.
    """
    domain = DRAWING if domain is None else domain
    bundle.taken_as(domain)
    return Look(strokes.draw(drawing), domain)


def look(pixels: NDArray[np.uint8], domain: str | None, bundle: Bundle) -> Look:
    """An image with its domain; None to find out.

    Raises:
        ModelError: a domain the model does not know.
        UsageError: the domain cannot be found out.
    """
    domain = guess(pixels, bundle) if domain is None else domain
    bundle.taken_as(domain)
    return Look(pixels, domain)


def guess(pixels: NDArray[np.uint8], bundle: Bundle) -> str:
    """The domain that an image seems to be of, among those the model knows.

    Args:
        pixels: uint8 (h, w) or (h, w, 3).
        bundle: the model.

    Raises:
        UsageError: the model knows several domains, but not drawings and photos.
    """
    known = tuple(bundle.domains)
    if len(known) == 1:
        return known[0]
    likely = DRAWING if is_drawing(pixels) else PHOTO
    if likely in known:
        return likely
    raise UsageError(
        f"an image that seems to be a {likely}, without its domain",
        f"{bundle.name} takes {', '.join(known)}",
        "say which of them it is (--domain)",
    )


def is_drawing(pixels: NDArray[np.uint8]) -> bool:
    """Whether an image, uint8 (h, w) or (h, w, 3), looks like thin lines on white."""
    picture = Image.fromarray(pixels).convert("L")
    picture.thumbnail((_SIDE, _SIDE))
    inked = np.asarray(picture) < _WHITE
    if 1 - inked.mean() < _LEAST_WHITE:
        return False
    thick = np.asarray(picture.filter(ImageFilter.MaxFilter(_THICK))) < _WHITE
    return bool(thick.sum() <= _MOST_THICK * inked.sum())
