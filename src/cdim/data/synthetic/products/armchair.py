"""Armchairs."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import FABRIC, WOOD
from cdim.data.synthetic.products.shapes import (
    FINE,
    USUAL,
    Colour,
    Product,
    disc,
    ellipse,
    pick,
    shade,
    shifted,
    softened,
)
from cdim.data.synthetic.products.solids import View, block, leg


def armchair(rng: Generator, view: View) -> Product:
    """Upholstered, with thick arms, a loose cushion and short legs."""
    made = Product("armchair")
    cloth, wood = pick(rng, FABRIC), pick(rng, WOOD)
    w, d, foot = rng.uniform(40, 56), rng.uniform(42, 50), rng.uniform(8, 34)
    seat, arm = foot + rng.uniform(34, 46), rng.uniform(13, 24)
    high, back = seat + rng.uniform(18, 40), seat + rng.uniform(62, 122)
    soft, taper = rng.uniform(4, 16), rng.uniform(0.4, 1)
    look = {"puff": 0.6, "grain": 0.7, "lift": 0.25}
    for sz in (-1, 1):
        for sx in (-view.side, view.side):
            leg(
                made,
                view,
                (sx * (w + arm - 6), foot + 6, sz * (d - 6)),
                (sx * (w + arm - 4), 0, sz * (d - 2)),
                wood,
                (9, 9 * taper),
            )
    wing = rng.random() < 0.3
    crown = rng.uniform(0, 16)
    x = w + arm * (0.2 if wing else rng.uniform(0.1, 0.95))
    rim = [
        (-x, seat - 10, -d + 14),
        (x, seat - 10, -d + 14),
        (x, back, -d - 2),
        (0, back + crown, -d - 2),
        (-x, back, -d - 2),
    ]
    made.part(
        softened(shifted(view(rim), -10.0 * view.side, 7.0), soft + 8), shade(cloth, 0.7), **look
    )
    made.part(softened(view(rim), soft + 8), cloth, **look)
    _tufting(made, rng, view, (w, d, seat, back), cloth)
    far, near = -view.side, view.side
    roll = rng.random() < 0.4

    def side(sx: int) -> None:
        a, b = sorted((sx * w, sx * (w + arm)))
        block(made, view, (a, foot, -d), (b, high, d), cloth, soft, **look)
        if roll:
            cx, cy = view((sx * (w + arm / 2), high - 3, d + 1))
            made.part(ellipse(cx, cy, arm * 0.66, arm * 0.62, 26), shade(cloth, 0.95), **look)
            made.line(ellipse(cx, cy, arm * 0.3, arm * 0.28, 20), shade(cloth, 0.55), detail=FINE)

    side(far)
    block(made, view, (-w, foot, -d), (w, seat - 12, d), shade(cloth, 0.92), 3, **look)
    block(made, view, (-w, seat - 12, -d + 10), (w, seat + 4, d + 3), shade(cloth, 1.05), 8, **look)
    if rng.random() < 0.3:
        middle = view([(0, seat + 4, -d + 12), (0, seat + 4, d + 3), (0, seat - 12, d + 3)])
        made.line(middle, shade(cloth, 0.5), width=1.5)
    side(near)
    if wing:
        for sx in (far, near):
            ear = [
                (sx * x, high, -d + 10),
                (sx * (x + 4), high, -d + 38),
                (sx * (x + 6), (high + back) / 2, -d + 40),
                (sx * x, back, -d + 8),
                (sx * x, back, -d - 2),
            ]
            made.part(softened(view(ear), 10), shade(cloth, 0.86), **look)
    return made


def _tufting(
    made: Product, rng: Generator, view: View, sizes: tuple[float, ...], cloth: Colour
) -> None:
    w, d, seat, back = sizes
    kind, z, dark = rng.integers(4), -d + 6, shade(cloth, 0.5)
    if kind == 0:
        rows = np.linspace(seat + 24, back - 16, 2 if back - seat < 90 else 3)
        for i, y in enumerate(rows):
            for u in np.linspace(-0.66, 0.66, int(rng.integers(3, 4)) + i % 2):
                made.part(
                    disc(view((u * w, y, z)), 2.6, 2.6, 12),
                    dark,
                    puff=0.3,
                    lift=0,
                    detail=USUAL,
                )
    elif kind == 1:
        n = int(rng.integers(1, 6))
        for u in np.linspace(-1, 1, n + 2)[1:-1]:
            made.line(view([(u * w, seat, z), (u * w, back - 8, z - 6)]), dark, width=1.6)
    elif kind == 2:
        pillow = [
            (-w * 0.6, seat + 4, z + 14),
            (w * 0.6, seat + 2, z + 14),
            (w * 0.66, seat + 42, z + 4),
            (-w * 0.6, seat + 40, z + 4),
        ]
        made.part(softened(view(pillow), 8), pick(rng, FABRIC), puff=0.9, grain=0.8, lift=0.4)
