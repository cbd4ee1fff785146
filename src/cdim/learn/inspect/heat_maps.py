"""Heat maps over images, side by side: a row a filter, two columns a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

TILE = 144
LABEL = 150
GAP = 4
BETWEEN = 14
"""Pixels between two pairs."""
_HEAT = np.array(  # dark to light, so that it is read without colour as well
    [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], dtype=np.float64
)
_STRONGEST = 0.85
"""How much of the image the heat covers where it is greatest."""


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32], top: float) -> Image.Image:
    """An image under its heat map, in the image's own proportions.

    Args:
        image: uint8 (h, w, 1 or 3).
        heat: (rows, columns), 0 or more.
        top: the value that counts as greatest; 0 leaves the image as it is.
    """
    plain = _tile(image)
    if top <= 0:
        return plain
    shares = np.clip(heat / top, 0, 1).astype(np.float32)
    smooth = np.asarray(Image.fromarray(shares).resize(plain.size, Image.Resampling.BICUBIC))
    share = np.clip(smooth, 0, 1)[..., None].astype(np.float64)
    stops = np.linspace(0, 1, len(_HEAT))
    colour = np.concatenate([np.interp(share, stops, _HEAT[:, c]) for c in range(3)], axis=2)
    cover = _STRONGEST * np.sqrt(share)
    mixed = (1 - cover) * np.asarray(plain, dtype=np.float64) + cover * colour
    return Image.fromarray(np.round(mixed).astype(np.uint8))


def sheet(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    rows: Sequence[tuple[str, Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]]],
    title: str,
) -> Image.Image:
    r"""One picture: the images on top, and below a row of heat maps for each filter.

    The two maps of a pair share one scale, so that a weak answer looks weak.

    Args:
        pairs: the images of each pair, uint8 (h, w, 1 or 3).
        rows: the text at the left of a row (lines are divided by "\n"), and for each pair its
            two maps.
        title: the line above.
    """
    width, height = _tile(pairs[0][0]).size
    across = LABEL + len(pairs) * (2 * width + GAP + BETWEEN)
    page = Image.new("RGB", (across, 30 + (len(rows) + 1) * (height + GAP)), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(13)
    draw.text((8, 8), title, fill="black", font=font)
    blank = np.zeros((1, 1), np.float32)  # over which an image is as it is
    for index, (label, heats) in enumerate([("", [(blank, blank)] * len(pairs)), *rows]):
        y = 30 + index * (height + GAP)
        draw.multiline_text((8, y + height // 3), label, fill="black", font=font, spacing=4)
        for column, (pair, both) in enumerate(zip(pairs, heats, strict=True)):
            x = LABEL + column * (2 * width + GAP + BETWEEN)
            top = float(max(heat.max() for heat in both))
            page.paste(overlay(pair[0], both[0], top), (x, y))
            page.paste(overlay(pair[1], both[1], top), (x + width + GAP, y))
    return page


def _tile(image: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = TILE / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    return picture.resize((size[0], size[1]), Image.Resampling.BILINEAR)
