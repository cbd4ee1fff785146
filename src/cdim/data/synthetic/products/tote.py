"""Totes, from the front."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import GOLD, HIDE, SILVER
from cdim.data.synthetic.products.shapes import (
    FINE,
    USUAL,
    Colour,
    Points,
    Product,
    band,
    curve,
    cut,
    ellipse,
    pick,
    rounded,
    shade,
    softened,
)


def tote(rng: Generator) -> Product:
    """An open top, two handles, and something on the front."""
    made = Product("tote")
    main = pick(rng, HIDE)
    trim, metal = pick(rng, (*HIDE, shade(main, 0.7), shade(main, 0.7))), pick(rng, (GOLD, SILVER))
    w, h, flare, sag = (
        rng.uniform(66, 100),
        rng.uniform(100, 150),
        rng.uniform(-14, 24),
        rng.uniform(0, 10),
    )
    body = curve(
        [(-w, 6), (-w - flare * 0.5, h * 0.5), (-w - flare, h), (0, h - sag), (w + flare, h),
         (w + flare * 0.5, h * 0.5), (w, 6), (0, 0)],
        closed=True, sharp=(0, 2, 4, 6),
    )  # fmt: skip
    x, tall, wide = w * rng.uniform(0.3, 0.62), rng.uniform(36, 104), rng.uniform(7, 12)
    peak = rng.uniform(0.35, 0.95)

    def handle(dx: float, dy: float, low: float) -> Points:
        top = h + tall + dy
        return curve(
            [
                (-x + dx, low),
                (-x + dx, h + 6),
                (-x * peak + dx, top - 10),
                (dx, top),
                (x * peak + dx, top - 10),
                (x + dx, h + 6),
                (x + dx, low),
            ]
        )

    made.part(band(handle(5, 9, h - 12), wide), shade(trim, 0.7), puff=0.7)
    far = curve(
        [(-w - flare, h), (0, h + rng.uniform(5, 11)), (w + flare, h), (0, h - sag - 12)],
        closed=True,
        sharp=(0, 2),
    )
    made.part(far, shade(main, 0.45), puff=0.1)
    made.part(body, main, puff=0.6, gloss=0.2, grain=0.8)
    if rng.random() < 0.4:
        y = h * rng.uniform(0.18, 0.4)
        made.part(cut(body, (300, y), (-300, y)), trim, puff=0.4, lift=0.15)
    _tote_front(made, rng, (w, h, flare, sag), trim, metal)
    low = h - rng.uniform(14, 0.5 * h)
    made.part(band(handle(0, 0, low), wide), trim, puff=0.7, gloss=0.3, lift=0.35)
    for sx in (-x, x):
        if rng.random() < 0.6:
            made.part(
                rounded(sx - wide * 0.9, low - 8, sx + wide * 0.9, low + 12, 3),
                shade(trim, 0.85),
                puff=0.4,
                lift=0.3,
            )
        made.part(ellipse(sx, low + 3, 3, 3, 12), metal, gloss=0.9, lift=0, grain=0, detail=USUAL)
    top = curve([(-w - flare + 2, h - 7), (0, h - sag - 7), (w + flare - 2, h - 7)])
    made.line(top, shade(main, 0.55), dash=3, detail=FINE)
    return made


def _tote_front(
    made: Product, rng: Generator, sizes: tuple[float, ...], trim: Colour, metal: Colour
) -> None:
    w, h, flare, sag = sizes
    kind = rng.integers(6)
    if kind == 0:  # pocket
        pw, y0, y1 = w * rng.uniform(0.4, 0.7), h * 0.14, h * rng.uniform(0.42, 0.64)
        pocket = softened([(-pw, y0), (pw, y0), (pw, y1), (-pw, y1)], rng.uniform(2, 16))
        made.part(pocket, shade(trim, 0.95), puff=0.4, lift=0.3, grain=0.8)
        made.line(
            np.array([(-pw + 3, y1 - 6), (pw - 3, y1 - 6)]), shade(trim, 0.5), dash=3, detail=FINE
        )
    elif kind == 1:  # bands across
        for y in np.linspace(0.2, 0.72, int(rng.integers(1, 4))) * h:
            x = w + flare * y / h
            made.part(
                band([(-x, y), (0, y - sag * 0.6), (x, y)], rng.uniform(9, 15)),
                trim,
                puff=0.3,
                lift=0.1,
            )
    elif kind == 2:  # tab with a clasp
        made.part(
            softened([(-13, h + 4), (13, h + 4), (11, h - 42), (-11, h - 42)], 8),
            trim,
            puff=0.5,
            lift=0.4,
        )
        made.part(ellipse(0, h - 33, 5, 5, 18), metal, gloss=0.9, grain=0)
    elif kind == 3:  # round badge
        r = rng.uniform(15, 26)
        made.part(ellipse(0, h * 0.42, r, r), trim, puff=0.3, lift=0.15)
        made.part(
            ellipse(0, h * 0.42, r * 0.55, r * 0.55, 24), metal, gloss=0.7, grain=0, detail=USUAL
        )
    elif kind == 4:  # two upright seams
        for sx in (-1, 1):
            made.line(
                curve([(sx * w * 0.5, 3), (sx * w * 0.58, h * 0.5), (sx * w * 0.5, h - sag)]),
                shade(trim, 0.6),
                width=1.6,
            )
    else:  # tassel
        x = -w * 0.35
        made.line([(x, h - 4), (x - 3, h - 34)], shade(trim, 0.7), width=1.6)
        made.part(
            softened([(x - 8, h - 32), (x + 3, h - 32), (x + 8, h - 74), (x - 14, h - 74)], 3),
            trim,
            puff=0.8,
        )
