"""Boots, side view, toe to the left."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import BLACK, LEATHER, METAL
from cdim.data.synthetic.products.heel import heel_block, sole_edges
from cdim.data.synthetic.products.shapes import (
    FINE,
    USUAL,
    Colour,
    Points,
    Product,
    band,
    curve,
    cut,
    pick,
    rounded,
    shade,
    shifted,
)

Sizes = tuple[float, float, float, float]
"""Front and back of the shaft, its height, and the height of the floor inside."""


def boot(rng: Generator) -> Product:
    """Ankle to knee; laces, zip, elastic or buckle; flat or on a heel."""
    made = Product("boot")
    main, dark = pick(rng, LEATHER), BLACK
    hh = float(rng.choice([rng.uniform(8, 18), rng.uniform(34, 62)]))
    thick = rng.uniform(5, 13)
    tall = hh + rng.uniform(105, 225)
    box, wide = rng.uniform(26, 38), rng.uniform(72, 92)
    slant, notch = rng.uniform(-16, 10), rng.random() < 0.25
    lip, under = sole_edges(hh, thick)
    x1 = 208 + rng.uniform(-4, 6)
    x0 = x1 - wide
    rim = [(x0, tall), ((x0 + x1) / 2, tall + slant / 2 - (22 if notch else 2)), (x1, tall + slant)]
    bend = np.array([112.0, hh * 0.6 + thick + 72])
    upper = curve(
        [
            *lip[::9],
            (219, hh + thick + 18),
            (206, hh + thick + 52),
            (x1 - 2, (tall + hh + 70) / 2),
            *rim[::-1],
            (x0 - 1, (tall + bend[1]) / 2 + 8),
            bend,
            (62, thick + box + 14 + hh * 0.12),
            (14, thick + box),
            (1, thick + 14),
        ],
        closed=True,
        sharp=(0, 5, len(lip[::9]) + 3, len(lip[::9]) + 5),
    )
    inner = [
        rim[0],
        ((x0 + x1) / 2, tall + slant / 2 + 7),
        rim[2],
        ((x0 + x1) / 2, tall + slant / 2 - 26),
    ]
    made.part(curve(inner, closed=True, sharp=(0, 2)), shade(main, 0.45), puff=0.1)
    made.part(upper, main, puff=0.9, gloss=rng.uniform(0.2, 0.6), grain=0.3)
    if rng.random() < 0.4:
        cap = cut(upper, (rng.uniform(36, 50), 0), (rng.uniform(34, 46), 90), 0.15)
        made.part(cap, shade(main, 0.8), puff=0.8, gloss=0.5, lift=0.15)
    for _ in range(2):
        x, y = bend + rng.uniform(2, 22, 2) * (1, -1)
        made.line(curve([(x, y), (x + 16, y - 4), (x + 30, y + 4)]), shade(main, 0.6), detail=FINE)
    _boot_closing(made, rng, (x0, x1, tall, hh + thick), bend, main)
    heel_block(made, rng, hh, dark, 2)
    made.part(np.concatenate([lip, under[::-1]]), dark, puff=0.3, gloss=0.3, grain=0)
    return made


def _boot_closing(made: Product, rng: Generator, sizes: Sizes, bend: Points, main: Colour) -> None:
    x0, x1, tall, _ = sizes
    kind = rng.integers(4)
    if kind == 0:
        _laces(made, rng, sizes, bend, main)
    elif kind == 1:
        _elastic(made, rng, sizes)
    elif kind == 2:
        _straps(made, rng, sizes, bend, main)
    else:
        _zip(made, sizes)
    if rng.random() < 0.5:
        made.line(
            curve([(x0 + 2, tall - 13), ((x0 + x1) / 2, tall - 17), (x1 - 2, tall - 12)]),
            shade(main, 0.5),
            dash=3,
            detail=FINE,
        )


def _laces(made: Product, rng: Generator, sizes: Sizes, bend: Points, main: Colour) -> None:
    x0, _, tall, _ = sizes
    path = curve(
        [
            (74, bend[1] - 26),
            shifted(bend, 6, 4),
            (x0 + 8, (tall + bend[1]) / 2 + 8),
            (x0 + 9, tall - 8),
        ]
    )
    made.part(band(path, 15), shade(main, 0.82), puff=0.3, lift=0.2)
    for share in np.linspace(0.06, 0.95, int(rng.integers(5, 10))):
        x, y = path[int(share * (len(path) - 1))]
        made.part(
            band([(x - 7, y + 5), (x + 6, y - 1)], 5),
            (222, 206, 160),
            puff=0.4,
            lift=0.2,
            grain=0,
        )


def _elastic(made: Product, rng: Generator, sizes: Sizes) -> None:
    x0, x1, tall, floor = sizes
    x, half = (x0 + x1) / 2 + 6, rng.uniform(13, 20)
    low = max(floor + 44, tall - rng.uniform(70, 100))
    side = [
        (x - half, tall - 8),
        (x - half * 0.7, low + 20),
        (x, low),
        (x + half * 0.7, low + 20),
        (x + half, tall - 8),
    ]
    made.part(curve(side, sharp=(0, 4)), (52, 50, 54), puff=0.2, lift=0.1, grain=0.8)
    for dx in np.linspace(-0.5, 0.5, 5):
        made.line(
            [(x + dx * half, low + 24), (x + dx * half * 1.4, tall - 10)],
            (92, 90, 94),
            detail=FINE,
        )


def _straps(made: Product, rng: Generator, sizes: Sizes, bend: Points, main: Colour) -> None:
    x0, x1, tall, floor = sizes
    for y in np.linspace(floor + 48, tall - 26, int(rng.integers(1, 4))):
        x = np.interp(y, [bend[1] - 20, bend[1] + 14], [92, x0])
        made.part(
            band(curve([(x, y + 5), ((x + x1) / 2, y - 3), (x1 - 1, y + 3)]), 13),
            shade(main, 0.7),
            puff=0.4,
            lift=0.4,
        )
        made.part(rounded(x + 20, y - 11, x + 37, y + 10, 3), METAL, puff=0.3, gloss=0.8, grain=0)
        made.part(
            rounded(x + 24, y - 6, x + 33, y + 6, 2),
            shade(main, 0.5),
            puff=0.2,
            lift=0,
            detail=USUAL,
        )


def _zip(made: Product, sizes: Sizes) -> None:
    x0, x1, tall, floor = sizes
    zipper = curve(
        [
            ((x0 + x1) / 2 + 8, tall - 6),
            ((x0 + x1) / 2 + 12, (tall + floor) / 2 + 10),
            (176, floor + 18),
        ]
    )
    x, y = (float(v) for v in zipper[0])
    made.line(zipper, (206, 200, 180), width=3.0)
    made.line(zipper, (70, 66, 60), width=1.2, dash=2, detail=FINE)
    made.part(
        rounded(x - 3, y - 16, x + 3, y - 2, 2),
        METAL,
        puff=0.2,
        detail=USUAL,
    )
