"""Backpacks, from the front."""

from __future__ import annotations

from numpy.random import Generator

from cdim.data.synthetic.products.colours import GOLD, HIDE, SILVER
from cdim.data.synthetic.products.shapes import (
    USUAL,
    Colour,
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


def backpack(rng: Generator) -> Product:
    """Round-topped, with pockets, zips, a loop and straps."""
    made = Product("backpack")
    main = pick(rng, HIDE)
    trim = pick(rng, (shade(main, 0.7), *HIDE))
    w, h, dome = rng.uniform(58, 78), rng.uniform(150, 196), rng.uniform(0.25, 0.7)
    wide = rng.uniform(0.92, 1.12)
    for sx in (-1, 1):  # straps at the sides
        out = w * wide + rng.uniform(10, 24)
        strap = curve(
            [
                (sx * w * 0.4, h - 6),
                (sx * (out - 8), h * 0.78),
                (sx * out, h * 0.42),
                (sx * w * 0.9, h * 0.08),
            ]
        )
        made.part(band(strap, 13, 7), shade(trim, 0.8), puff=0.7)
    x, tall = rng.uniform(10, 20), rng.uniform(12, 26)
    loop = curve(
        [(-x, h - 6), (-x * 0.8, h + tall - 5), (0, h + tall), (x * 0.8, h + tall - 5), (x, h - 6)]
    )
    made.part(band(loop, 7), trim, puff=0.8)
    sides = rng.random() < 0.5
    if sides:
        for sx in (-1, 1):
            high = h * rng.uniform(0.34, 0.4)
            net = [
                (sx * w * 0.8, 6),
                (sx * (w * wide + 15), 12),
                (sx * (w * wide + 13), high),
                (sx * w * 0.8, high + 6),
            ]
            made.part(softened(net, 7), shade(trim, 0.9), puff=0.7, grain=0.9)
    body = curve(
        [(-w * 0.94, 4), (-w * wide, h * 0.4), (-w * 0.96, h * 0.74), (-w * dome, h * 0.97), (0, h),
         (w * dome, h * 0.97), (w * 0.96, h * 0.74), (w * wide, h * 0.4), (w * 0.94, 4), (0, 0)],
        closed=True, sharp=(0, 8),
    )  # fmt: skip
    made.part(body, main, puff=0.8, gloss=0.15, grain=0.9)
    if rng.random() < 0.4:
        made.part(cut(body, (300, h * 0.14), (-300, h * 0.14)), trim, puff=0.4, lift=0.1)
    if rng.random() < 0.45:
        _lid(made, rng, (w, h, dome), (main, trim))
    else:
        y = h * rng.uniform(0.56, 0.66)
        zipper = curve(
            [
                (-w * 0.88, y - 10),
                (-w * 0.84, h * 0.74),
                (-w * dome * 0.9, h * 0.9),
                (0, h * 0.93),
                (w * dome * 0.9, h * 0.9),
                (w * 0.84, h * 0.74),
                (w * 0.88, y - 10),
            ]
        )
        made.line(zipper, shade(main, 0.35), width=2.2)
        made.part(
            rounded(w * 0.82, y - 24, w * 0.92, y - 8, 2), SILVER, puff=0.4, gloss=0.9, detail=USUAL
        )
    _pack_pocket(made, rng, (w, h), (main, trim))
    return made


def _lid(
    made: Product, rng: Generator, sizes: tuple[float, float, float], colours: tuple[Colour, Colour]
) -> None:
    (w, h, dome), (main, trim) = sizes, colours
    low = h * rng.uniform(0.56, 0.68)
    lid = curve(
        [
            (-w * 0.98, h * 0.74),
            (-w * dome, h * 0.99),
            (0, h + 2),
            (w * dome, h * 0.99),
            (w * 0.98, h * 0.74),
            (w * 0.86, low + 4),
            (0, low),
            (-w * 0.86, low + 4),
        ],
        closed=True,
        sharp=(0, 4),
    )
    made.part(lid, shade(main, 0.92), puff=0.8, lift=0.45, grain=0.8)
    spots = (0.0,) if rng.random() < 0.5 else (-w * 0.45, w * 0.45)
    for x in spots:
        made.part(rounded(x - 7, low - 22, x + 7, low + 34, 3), trim, puff=0.5, lift=0.35)
        made.part(rounded(x - 10, low - 10, x + 10, low + 4, 2), GOLD, puff=0.4, gloss=0.9, grain=0)


def _pack_pocket(
    made: Product, rng: Generator, sizes: tuple[float, float], colours: tuple[Colour, Colour]
) -> None:
    (w, h), (main, trim) = sizes, colours
    kind, pw, top = rng.integers(4), w * rng.uniform(0.6, 0.84), h * rng.uniform(0.34, 0.48)
    if kind == 3:
        for x0, x1 in ((-w * 0.82, -w * 0.06), (w * 0.06, w * 0.82)):
            made.part(
                rounded(x0, 12, x1, top, 9), shade(trim, 1.02), puff=0.6, lift=0.35, grain=0.8
            )
            made.line([(x0 + 3, top - 13), (x1 - 3, top - 13)], shade(trim, 0.4), width=1.5)
        return
    pocket = rounded(-pw, 11, pw, top, (6, 18, 40)[kind])
    made.part(
        pocket, trim if rng.random() < 0.4 else shade(main, 0.96), puff=0.7, lift=0.4, grain=0.8
    )
    if kind == 0:
        flap = softened(
            [
                (-pw - 2, top + 3),
                (pw + 2, top + 3),
                (pw + 2, top * 0.72),
                (0, top * 0.6),
                (-pw - 2, top * 0.72),
            ],
            7,
        )
        made.part(flap, shade(main, 0.85), puff=0.5, lift=0.4)
        made.part(ellipse(0, top * 0.7, 5, 5, 16), GOLD, gloss=0.9, grain=0)
    else:
        line = curve([(-pw + 4, top - 22), (0, top - 15), (pw - 4, top - 22)])
        made.line(line, shade(main, 0.35), width=2.0)
        made.part(rounded(pw - 16, top - 36, pw - 11, top - 20, 2), SILVER, gloss=0.9, detail=USUAL)
    if rng.random() < 0.4:
        made.part(
            softened([(-11, top + 22), (11, top + 22), (11, top + 36), (-11, top + 36)], 3),
            shade(trim, 0.8),
            puff=0.3,
            detail=USUAL,
        )
