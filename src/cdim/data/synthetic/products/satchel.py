"""Satchels, from the front."""

from __future__ import annotations

from numpy.random import Generator

from cdim.data.synthetic.products.colours import GOLD, HIDE, SILVER
from cdim.data.synthetic.products.shapes import (
    FINE,
    USUAL,
    Colour,
    Product,
    band,
    curve,
    ellipse,
    pick,
    rounded,
    shade,
    softened,
)


def satchel(rng: Generator) -> Product:
    """A flap with straps or a clasp, a top handle or a shoulder strap."""
    made = Product("satchel")
    main, metal = pick(rng, HIDE), pick(rng, (GOLD, SILVER))
    trim = pick(rng, (shade(main, 0.72), shade(main, 0.72), *HIDE))
    w, h, soft = rng.uniform(84, 112), rng.uniform(86, 136), rng.uniform(4, 26)
    pinch = rng.uniform(-10, 12)
    hang = rng.integers(3)
    if hang != 1:  # long strap
        up = h + rng.uniform(70, 130)
        strap = curve(
            [(-w + 2, h - 14), (-w * 0.86, h + 26), (0, up), (w * 0.86, h + 26), (w - 2, h - 14)]
        )
        made.part(band(strap, rng.uniform(6, 10)), trim, puff=0.6)
    if hang != 0:  # handle
        x, tall, wide = rng.uniform(24, 46), rng.uniform(20, 44), rng.uniform(8, 13)
        grip = curve(
            [(-x, h - 4), (-x + 3, h + tall - 8), (0, h + tall), (x - 3, h + tall - 8), (x, h - 4)]
        )
        made.part(band(grip, wide), shade(trim, 0.9), puff=0.8, gloss=0.4)
    for sx in (-1, 1):  # sides
        gusset = [
            (sx * (w - 6), 8),
            (sx * (w + 9), 14),
            (sx * (w + 7 - pinch), h - 12),
            (sx * (w - 10 - pinch), h - 2),
        ]
        made.part(softened(gusset, 5), shade(main, 0.65), puff=0.4)
        made.part(ellipse(sx * (w - 1), h - 14, 6, 7, 18), metal, gloss=0.9, grain=0, detail=USUAL)
    corners = [(-w, 0), (w, 0), (w - pinch, h), (-w + pinch, h)]
    body = softened(corners, soft)
    made.part(body, shade(main, 0.94), puff=0.5, grain=0.6)
    if rng.random() < 0.5:
        made.line(
            curve(
                softened([(-w + 8, 8), (w - 8, 8), (w - 8, h * 0.5), (-w + 8, h * 0.5)], soft)[6:18]
            ),
            shade(main, 0.5),
            dash=3,
            detail=FINE,
        )
    _front_pocket(made, rng, w, h, main)
    flap = _flap(made, rng, (w, h, pinch, soft), main)
    _fastening(made, rng, (w, h, flap), trim, metal)
    return made


def _front_pocket(made: Product, rng: Generator, w: float, h: float, main: Colour) -> None:
    if rng.random() < 0.4:
        high = rng.uniform(0.3, 0.5) * h
        n = int(rng.integers(1, 3))
        for i in range(n):
            x0, x1 = -w * 0.82 + i * 1.64 * w / n + 3, -w * 0.82 + (i + 1) * 1.64 * w / n - 3
            made.part(rounded(x0, 7, x1, high, 8), shade(main, 0.98), puff=0.5, lift=0.3, grain=0.6)


def _flap(made: Product, rng: Generator, sizes: tuple[float, ...], main: Colour) -> float:
    """Draws the flap; returns the height of its lower edge in the middle."""
    w, h, pinch, soft = sizes
    kind, low = rng.integers(4), h * rng.uniform(0.3, 0.68)
    x, top = w - pinch + 2, h + 3
    if kind == 0:  # straight
        shape = softened(
            [(-x, top), (x, top), (x + pinch * 0.5, low), (-x - pinch * 0.5, low)],
            max(8, soft * 0.8),
        )
    elif kind == 1:  # one curve
        side = low + (h - low) * rng.uniform(0.35, 0.7)
        shape = curve(
            [
                (-x, side),
                (-x, top),
                (x, top),
                (x, side),
                (w * 0.6, low + 7),
                (0, low),
                (-w * 0.6, low + 7),
            ],
            closed=True,
            sharp=(0, 1, 2, 3),
        )
    elif kind == 2:  # pointed
        side = low + (h - low) * rng.uniform(0.5, 0.8)
        shape = softened([(-x, top), (x, top), (x, side), (0, low - 6), (-x, side)], 7)
    else:  # stepped tongue
        side = low + (h - low) * 0.5
        shape = softened(
            [
                (-x, top),
                (x, top),
                (x, side),
                (w * 0.42, side - 4),
                (w * 0.34, low),
                (-w * 0.34, low),
                (-w * 0.42, side - 4),
                (-x, side),
            ],
            9,
        )
    made.part(shape, main, puff=0.6, gloss=0.25, lift=0.45, grain=0.6)
    if rng.random() < 0.6:
        middle = shape.mean(axis=0)
        made.line(middle + (shape - middle) * (0.95, 0.9), shade(main, 0.5), dash=3, detail=FINE)
    return float(low)


def _fastening(
    made: Product, rng: Generator, sizes: tuple[float, float, float], trim: Colour, metal: Colour
) -> None:
    w, h, low = sizes
    kind = rng.integers(4)
    if kind <= 1:  # one or two straps
        wide, foot = rng.uniform(12, 19), max(8.0, low - rng.uniform(16, 34))
        for x in (0.0,) if kind else (-w * 0.48, w * 0.48):
            strap = softened(
                [
                    (x - wide / 2, h + 3),
                    (x + wide / 2, h + 3),
                    (x + wide / 2, foot),
                    (x, foot - 7),
                    (x - wide / 2, foot),
                ],
                3,
            )
            made.part(strap, trim, puff=0.5, gloss=0.3, lift=0.4)
            y = low + 4
            made.part(
                rounded(x - wide * 0.8, y - 9, x + wide * 0.8, y + 9, 3),
                metal,
                puff=0.4,
                gloss=0.9,
                grain=0,
            )
            made.part(
                rounded(x - wide * 0.5, y - 5, x + wide * 0.5, y + 5, 2),
                trim,
                puff=0.3,
                lift=0,
                detail=USUAL,
            )
            for dy in (16, 24):
                made.part(
                    ellipse(x, y + dy, 1.7, 1.7, 10), shade(trim, 0.3), puff=0, lift=0, detail=FINE
                )
    elif kind == 2:  # turn lock
        r = rng.uniform(9, 15)
        made.part(
            rounded(-r * 1.3, low + 2, r * 1.3, low + 6 + r, 4), metal, puff=0.5, gloss=0.9, grain=0
        )
        made.part(
            ellipse(0, low + 4 + r / 2, r * 0.5, r * 0.35, 18),
            shade(metal, 0.6),
            puff=0.5,
            grain=0,
            detail=USUAL,
        )
    else:  # ring
        r = rng.uniform(11, 20)
        made.part(
            band(ellipse(0, low + 12, r, r, 36)[[*range(36), 0]], 5),
            metal,
            puff=0.8,
            gloss=0.9,
            grain=0,
        )
