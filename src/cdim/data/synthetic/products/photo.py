"""Draws a made-up product as a shaded "product photo" on white."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from cdim.data.synthetic.products.shapes import (
    CANVAS,
    Line,
    Part,
    Product,
    dashes,
    points_of,
    shade,
)

OVER = 2  # samples per pixel and axis
COARSE = 4  # shading is computed on every COARSE-th sample and smoothed up again
LIGHT = (-0.45, -0.9)  # towards the light: upper left


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
    every = np.concatenate([points_of(item) for item in product.items])
    bottom = every[:, 1].max()
    low = every[every[:, 1] > bottom - 12, 0]
    x0, x1 = low.min(), low.max()
    small = Image.new("L", (CANVAS // 2, CANVAS // 2), 0)
    box = [(x0 - 6) / 2, (bottom - 5) / 2, (x1 + 8) / 2, (bottom + 5) / 2]
    ImageDraw.Draw(small).ellipse(box, fill=110)
    soft = small.filter(ImageFilter.BoxBlur(4)).resize(canvas.size, Image.Resampling.BILINEAR)
    canvas.paste((120, 120, 126), (0, 0), soft)


def _paint_part(canvas: Image.Image, covered: Image.Image, part: Part) -> None:
    pad = 6 * OVER
    outline = part.outline * OVER
    x0, y0 = (np.floor(outline.min(axis=0)).astype(int) - pad).tolist()
    wide, high = (np.ceil(outline.max(axis=0)).astype(int) - (x0, y0) + pad).tolist()
    wide, high = -(-wide // COARSE) * COARSE, -(-high // COARSE) * COARSE
    mask = Image.new("L", (wide, high), 0)
    inside = [tuple(p) for p in (outline - (x0, y0)).tolist()]
    ImageDraw.Draw(mask).polygon(inside, fill=255)
    coarse = mask.reduce(COARSE)
    box = (x0, y0, x0 + wide, y0 + high)
    if part.lift:
        _throw_shadow(canvas, covered, coarse, box, part.lift)
    canvas.paste(_surface(part, coarse, (wide, high)), (x0, y0), mask)
    covered.paste(255, (x0, y0), mask)
    edge = [tuple(p) for p in [*outline.tolist(), outline[0].tolist()]]
    ImageDraw.Draw(canvas).line(edge, fill=shade(part.colour, 0.5), width=2, joint="curve")


def _throw_shadow(
    canvas: Image.Image,
    covered: Image.Image,
    coarse: Image.Image,
    box: tuple[int, int, int, int],
    lift: float,
) -> None:
    soft = ImageChops.offset(coarse, 1, 2).filter(ImageFilter.BoxBlur(2))
    dark = soft.point(_times(lift))
    dark = dark.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR)
    canvas.paste((18, 16, 20), box[:2], ImageChops.multiply(dark, covered.crop(box)))


@cache
def _times(factor: float) -> list[int]:
    return [round(v * factor) for v in range(256)]


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
    base = np.array(part.colour, dtype=np.float32)
    lit = base * np.minimum(light, 1.25)[..., None]
    lit += (255 - lit) * np.clip(shine + np.maximum(light - 1.0, 0) * 0.35, 0, 0.85)[..., None]
    small = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    surface = small.resize(size, Image.Resampling.BILINEAR)
    if part.grain:
        cut = _grain(round(part.grain * 10)).crop((0, 0, *size))
        surface = ImageChops.multiply(surface, cut)
    return surface


@cache
def _grain(strength: int) -> Image.Image:
    """A fine cloth-like texture to multiply with; the same for every product."""
    side = CANVAS * OVER + 12 * OVER + 2 * COARSE
    noise = np.random.default_rng(strength).normal(size=(side // 2 + 1, side // 2 + 1))
    level = 255 - np.abs(noise) * 2.2 * strength
    small = Image.fromarray(np.clip(level, 0, 255).astype(np.uint8))
    return small.resize((side, side), Image.Resampling.BILINEAR).convert("RGB")


def _paint_line(canvas: Image.Image, line: Line) -> None:
    draw = ImageDraw.Draw(canvas)
    width = max(1, round(line.width * OVER))
    for piece in dashes(line.points, line.dash):
        points = [tuple(p) for p in (piece * OVER).tolist()]
        if width > 2 * OVER:  # thick enough to be seen as round
            draw.line(points, fill=shade(line.colour, 0.55), width=width + 2, joint="curve")
        draw.line(points, fill=line.colour, width=width, joint="curve")
