"""Draws a made-up product as a shaded "product photo" on white."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from cdim.data.synthetic.colours import shade
from cdim.data.synthetic.product import CANVAS, Line, Part, Product
from cdim.data.synthetic.shapes import dashes

OVER = 2  # samples per pixel and axis
COARSE = 4  # shading is computed on every COARSE-th sample and smoothed up again
LIGHT = (-0.45, -0.9)  # towards the light: upper left
_SOFT = Image.Resampling.BILINEAR


def photo(product: Product) -> NDArray[np.uint8]:
    """A fitted product as uint8 (256, 256, 3)."""
    side = CANVAS * OVER
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    covered = Image.new("L", (side, side), 0)
    _ground_shadow(canvas, product)
    for item in product.items:
        if isinstance(item, Part):
            _paint_part(canvas, covered, item)
        else:
            _paint_line(canvas, item)
    return np.asarray(canvas.reduce(OVER), dtype=np.uint8)


def _ground_shadow(canvas: Image.Image, product: Product) -> None:
    x, y = np.concatenate([item.points for item in product.items]).T
    bottom, standing = y.max(), x[y > y.max() - 12]
    small = Image.new("L", (CANVAS // 2, CANVAS // 2), 0)
    box = [standing.min() - 6, bottom - 5, standing.max() + 8, bottom + 5]
    ImageDraw.Draw(small).ellipse([edge / 2 for edge in box], fill=110)
    soft = small.filter(ImageFilter.BoxBlur(4)).resize(canvas.size, _SOFT)
    canvas.paste((120, 120, 126), (0, 0), soft)


def _paint_part(canvas: Image.Image, covered: Image.Image, part: Part) -> None:
    pad, outline = 6 * OVER, part.points * OVER
    x, y = (np.floor(outline.min(axis=0)).astype(int) - pad).tolist()
    size = np.ceil(outline.max(axis=0)).astype(int) - (x, y) + pad
    wide, high = (-(-size // COARSE) * COARSE).tolist()
    mask = Image.new("L", (wide, high), 0)
    ImageDraw.Draw(mask).polygon(_pairs(outline - (x, y)), fill=255)
    coarse = mask.reduce(COARSE)
    if part.lift:  # the shadow that it throws on what lies behind
        soft = ImageChops.offset(coarse, 1, 2).filter(ImageFilter.BoxBlur(2))
        dark = soft.point([round(v * part.lift) for v in range(256)]).resize(mask.size, _SOFT)
        behind = covered.crop((x, y, x + wide, y + high))
        canvas.paste((18, 16, 20), (x, y), ImageChops.multiply(dark, behind))
    canvas.paste(_surface(part, coarse, mask.size), (x, y), mask)
    covered.paste(255, (x, y), mask)
    edge = _pairs(np.concatenate([outline, outline[:1]]))
    ImageDraw.Draw(canvas).line(edge, fill=shade(part.colour, 0.5), width=2, joint="curve")


def _surface(part: Part, coarse: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The part's colour under light from the upper left, as if its mask were a cushion."""
    wide, high = coarse.size
    radius = 1.5 + 0.09 * min(wide, high) * (0.5 + part.puff)
    blurred = coarse.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius / 2))
    height = np.asarray(blurred, dtype=np.float32) / 255
    down, right = np.gradient(height)
    facing = -(right * LIGHT[0] + down * LIGHT[1]) * radius
    fall = np.linspace(0.08, -0.10, high, dtype=np.float32)[:, None]
    light = 1 + part.puff * 0.75 * facing + fall + 0.12 * part.puff * (height - 0.75)
    shine = part.gloss * np.clip(facing * part.puff * 2.2 - 0.25, 0, 1) ** 1.5
    lit = np.array(part.colour, dtype=np.float32) * np.minimum(light, 1.25)[..., None]
    lit += (255 - lit) * np.clip(shine + np.maximum(light - 1.0, 0) * 0.35, 0, 0.85)[..., None]
    surface = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).resize(size, _SOFT)
    if part.grain:
        surface = ImageChops.multiply(surface, _grain(round(part.grain * 10)).crop((0, 0, *size)))
    return surface


@cache
def _grain(strength: int) -> Image.Image:
    """A fine cloth-like texture to multiply with; the same for every product."""
    side = CANVAS * OVER + 12 * OVER + 2 * COARSE
    noise = np.random.default_rng(strength).normal(size=(side // 2 + 1, side // 2 + 1))
    level = 255 - np.abs(noise) * 2.2 * strength
    small = Image.fromarray(np.clip(level, 0, 255).astype(np.uint8))
    return small.resize((side, side), _SOFT).convert("RGB")


def _paint_line(canvas: Image.Image, line: Line) -> None:
    pen, width = ImageDraw.Draw(canvas), max(1, round(line.width * OVER))
    for piece in dashes(line.points, line.dash):
        points = _pairs(piece * OVER)
        if width > 2 * OVER:  # thick enough to be seen as round
            pen.line(points, fill=shade(line.colour, 0.55), width=width + 2, joint="curve")
        pen.line(points, fill=line.colour, width=width, joint="curve")


def _pairs(points: NDArray[np.float64]) -> list[tuple[float, ...]]:
    return [tuple(point) for point in points.tolist()]
