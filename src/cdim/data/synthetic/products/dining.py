"""Chairs for a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import FABRIC, STEEL, WOOD
from cdim.data.synthetic.products.shapes import (
    USUAL,
    Colour,
    Product,
    band,
    curve,
    disc,
    pick,
    shade,
    shifted,
    softened,
)
from cdim.data.synthetic.products.solids import View, block, leg

Place = Callable[[float, float], tuple[float, float, float]]
"""Where a spot of the back is in space, from its place across and upwards."""


def dining(rng: Generator, view: View) -> Product:
    """Four legs, a seat and one of seven backs; arms and stretchers on some."""
    made = Product("dining")
    wood = pick(rng, WOOD) if rng.random() < 0.8 else STEEL
    cloth = pick(rng, FABRIC) if rng.random() < 0.6 else shade(wood, 1.08)
    w, d, h = rng.uniform(42, 52), rng.uniform(38, 46), rng.uniform(82, 96)
    back, rake = rng.uniform(84, 136), rng.uniform(8, 22)
    splay, thick = rng.uniform(0, 14), rng.uniform(6, 9)
    slim, bow = thick * rng.uniform(0.45, 1.0), float(rng.choice([0, 0, rng.uniform(5, 9)]))
    pad = rng.uniform(6, 17)
    feet = {
        (sx, sz): (sx * (w - 4 + splay), 0, sz * (d - 4 + splay))
        for sx in (-1, 1)
        for sz in (-1, 1)
    }
    for sx in (-view.side, view.side):
        leg(
            made,
            view,
            (sx * (w - 4), h, -d + 4),
            feet[sx, -1],
            shade(wood, 0.8),
            (thick, slim),
            bow,
        )
    if rng.random() < 0.45:
        _stretchers(made, rng, view, (w - 4, d - 4, h, splay), wood)
    for sx in (-view.side, view.side):
        leg(made, view, (sx * (w - 4), h, d - 4), feet[sx, 1], wood, (thick, slim), bow)
    _back(made, rng, view, (w, d, h + pad, back, rake, thick), (wood, cloth))
    block(made, view, (-w, h - 7, -d), (w, h, d), wood, 2)
    grow = rng.uniform(-3, 3)
    block(
        made,
        view,
        (-w - grow, h, -d),
        (w + grow, h + pad, d + grow),
        cloth,
        rng.uniform(4, 14),
        puff=0.5,
        grain=0.6,
    )
    if rng.random() < 0.3:
        high = h + pad + rng.uniform(28, 42)
        for sx in (-view.side, view.side):
            leg(made, view, (sx * w, high, d * 0.55), (sx * w, h, d * 0.6), wood, (thick, thick))
            arm = view(
                [
                    (sx * (w - 1), high, -d - rake * 0.3),
                    (sx * (w + 4), high + 2, 0),
                    (sx * w, high, d * 0.7),
                ]
            )
            made.part(band(curve(arm), thick + 2), shade(wood, 1.05), puff=0.7, lift=0.3)
    return made


def _stretchers(
    made: Product,
    rng: Generator,
    view: View,
    sizes: tuple[float, float, float, float],
    wood: Colour,
) -> None:
    w, d, h, splay = sizes
    high, kind = rng.uniform(0.2, 0.6), rng.integers(3)
    out = splay * (1 - high)
    x, z, y = w + out, d + out, h * high
    bars = [((-x, y, -z), (-x, y, z)), ((x, y, -z), (x, y, z))]
    if kind == 1:
        bars.append(((-x, y, 0), (x, y, 0)))
    elif kind == 2:
        bars = [((-x, y, -z), (x, y, z)), ((x, y, -z), (-x, y, z))]
    for a, b in bars:
        made.part(band(view([a, b]), 5), shade(wood, 0.9), puff=0.7, lift=0.1)


def _back(
    made: Product,
    rng: Generator,
    view: View,
    sizes: tuple[float, ...],
    colours: tuple[Colour, Colour],
) -> None:
    w, d, y0, tall, rake, thick = sizes
    wood, _ = colours
    lean = rng.uniform(-5, 6)

    def at(u: float, v: float) -> tuple[float, float, float]:
        """A place on the back: u from -1 to 1 across, v from 0 to 1 upwards."""
        return (u * (w - 4 + lean * v), y0 + v * tall, -d + 4 - rake * v * v)

    kind = int(rng.integers(7))
    if kind == 0:
        _padded_back(made, rng, view, at, (thick, *colours))
    elif kind == 1:
        _medallion(made, view, at, (thick, *colours))
    elif kind == 2:
        _hoop(made, rng, view, at, (thick, wood))
    else:
        _posts(made, view, at, 1.0, (thick, wood))
        _back_filling(made, rng, view, at, (kind, thick), colours)


def _posts(made: Product, view: View, at: Place, high: float, look: tuple[float, Colour]) -> None:
    thick, wood = look
    for u in (-1, 1):
        post = view([at(u, 0), at(u, high / 2), at(u, high)])
        made.part(band(post, thick), wood, puff=0.8, gloss=0.3, lift=0.1)


def _padded_back(
    made: Product, rng: Generator, view: View, at: Place, look: tuple[float, Colour, Colour]
) -> None:
    thick, wood, cloth = look
    low, crown = rng.uniform(0.0, 0.3), rng.uniform(1.0, 1.1)
    face = view([at(-1, low), at(1, low), at(1, 0.96), at(0, crown), at(-1, 0.96)])
    _posts(made, view, at, low + 0.08, (thick, wood))
    made.part(softened(shifted(face, view.side * -4.0, 4.0), 12), shade(cloth, 0.7), puff=0.4)
    made.part(softened(face, 14), cloth, puff=0.6, grain=0.6, lift=0.2)
    if rng.random() < 0.6:
        for u in np.linspace(-0.6, 0.6, int(rng.integers(2, 5))):
            for v in (0.5, 0.78):
                button = disc(view(at(u, v)), 2.4, 2.4, 10)
                made.part(button, shade(cloth, 0.5), puff=0.2, lift=0, detail=USUAL)


def _medallion(made: Product, view: View, at: Place, look: tuple[float, Colour, Colour]) -> None:
    thick, wood, cloth = look
    for u in (-1, 1):
        made.part(band(view([at(u, 0), at(u * 0.7, 0.3)]), thick), wood, puff=0.8, lift=0.1)
    turns = np.linspace(0, 2 * np.pi, 28)[:-1]
    rim = view([at(0.92 * np.cos(t), 0.6 + 0.42 * np.sin(t)) for t in turns])
    made.part(rim, wood, puff=0.6, gloss=0.3)
    middle = rim.mean(axis=0)
    made.part(middle + (rim - middle) * 0.8, cloth, puff=0.7, grain=0.6, lift=0.2)


def _hoop(made: Product, rng: Generator, view: View, at: Place, look: tuple[float, Colour]) -> None:
    thick, wood = look
    right = ((1, 0), (0.98, 0.5), (0.62, 0.93))
    places = [(-u, v) for u, v in right] + [(0, 1.05), *right[::-1]]
    for u in np.linspace(-0.72, 0.72, int(rng.integers(4, 9))):
        rod = view([at(u * 0.85, 0), at(u, 1.02 - 0.22 * u * u - 0.1 * abs(u))])
        made.part(band(rod, 3.6), shade(wood, 0.9), puff=0.8, gloss=0.3, lift=0.1)
    arch = curve(view([at(u, v) for u, v in places]))
    made.part(band(arch, thick), wood, puff=0.8, gloss=0.3, lift=0.1)


def _back_filling(
    made: Product,
    rng: Generator,
    view: View,
    at: Place,
    style: tuple[int, float],
    colours: tuple[Colour, Colour],
) -> None:
    (kind, thick), (wood, cloth) = style, colours
    rod = {"puff": 0.6, "gloss": 0.3, "lift": 0.1, "grain": 0.2}
    low, rail, crown = rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.2), rng.uniform(0, 0.09)

    def board(v0: float, v1: float, rise: float, colour: Colour, **look: Any) -> None:
        edge = [
            at(-1, v1),
            at(0, v1 + rise),
            at(1, v1),
            at(1, v0),
            at(0, v0 + rise * 0.7),
            at(-1, v0),
        ]
        made.part(curve(view(edge), closed=True, sharp=(0, 2, 3, 5)), colour, **{**rod, **look})

    if kind == 3:  # upright slats
        n, wide = int(rng.integers(2, 8)), rng.uniform(4, 9)
        for u in np.linspace(-1, 1, n + 2)[1:-1]:
            made.part(band(view([at(u, low - 0.05), at(u, 0.95)]), wide), shade(wood, 0.92), **rod)
        board(low - 0.06, low + 0.02, 0, wood)
    elif kind == 4:  # ladder
        for v in np.linspace(low + 0.1, 1 - rail - 0.1, int(rng.integers(1, 5))):
            board(v - 0.05, v + 0.05, crown, shade(wood, 0.95))
    elif kind == 5:  # cross
        for u in (-1, 1):
            made.part(
                band(view([at(-u, low), at(0, (low + 1) / 2 - 0.04), at(u, 1 - rail)]), 7),
                shade(wood, 0.93),
                **rod,
            )
        board(low - 0.06, low + 0.02, 0, wood)
    else:  # one middle board, plain or like a vase
        waist = rng.uniform(0.16, 0.5)
        vase = [
            at(-0.42, 0.95),
            at(0.42, 0.95),
            at(waist, 0.5),
            at(0.36, 0),
            at(-0.36, 0),
            at(-waist, 0.5),
        ]
        made.part(curve(view(vase), closed=True, sharp=(0, 1, 3, 4)), shade(wood, 0.94), **rod)
    board(1 - rail, 1.0, crown, wood if rng.random() < 0.7 else cloth, lift=0.2)
    for u in (-1, 1):
        if rng.random() < 0.35 and kind != 5:
            made.part(disc(view(at(u, 1.04)), thick * 0.7, thick * 0.8, 18), wood, puff=0.8)
