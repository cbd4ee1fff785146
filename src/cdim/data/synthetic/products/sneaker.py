"""Sneakers, side view, toe to the left."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import BLACK, CLOTH, WHITE
from cdim.data.synthetic.products.shapes import (
    FINE,
    USUAL,
    Colour,
    Points,
    Product,
    band,
    curve,
    cut,
    disc,
    ellipse,
    pick,
    rounded,
    shade,
    shifted,
)


def sneaker(rng: Generator) -> Product:
    """Low or high, with eyelets, laces, caps and a mark on the side."""
    made = Product("sneaker")
    main, trim = pick(rng, CLOTH), pick(rng, (*CLOTH, WHITE, WHITE, BLACK))
    sole = pick(rng, (WHITE, WHITE, BLACK, (206, 178, 132)))
    high = rng.random() < 0.4
    s0, s1 = rng.uniform(12, 20), rng.uniform(15, 34)
    box, spring = rng.uniform(22, 34), rng.uniform(0, 9)
    throat = np.array([rng.uniform(60, 84), s0 + box + rng.uniform(18, 26)])
    top = rng.uniform(128, 165) if high else rng.uniform(82, 100)
    front = np.array([rng.uniform(112, 128) + 10 * high, top])
    back = top + rng.uniform(-14, 12)
    dip = min(top, back) - (rng.uniform(2, 12) if high else rng.uniform(14, 30))
    upper = curve(
        [
            (5, s0 * 0.5 + spring), (2, s0 + 12 + spring), (14, s0 + box + spring),
            (44, s0 + box + 8), throat, front, (front[0] + 16, top - 1), (162, dip),
            (198, back), (209, back - 8), (205, s1 + 34), (213, s1 + 10), (208, s1 * 0.5),
        ],
        closed=True,
        sharp=(0, 5, 12),
    )  # fmt: skip
    _collar(made, rng, front, back, shade(main, 0.6), trim)
    made.part(upper, main, puff=0.75, gloss=0.15, grain=0.7)
    _sneaker_panels(made, rng, upper, (main, trim), s0, box)
    _lacing(made, rng, throat, front, trim)
    _mark(made, rng, trim if trim != main else shade(main, 0.5), s1)
    _sneaker_sole(made, rng, sole, (s0, s1, spring), trim)
    return made


def _collar(
    made: Product, rng: Generator, front: Points, back: float, dark: Colour, trim: Colour
) -> None:
    tall = rng.uniform(10, 26)
    inside = [
        front - (2, 24),
        shifted(front, 8, 2),
        (165, (front[1] + back) / 2 - 3),
        (199, back - 1),
    ]
    made.part(curve([*inside, (190, back - 30), (150, front[1] - 50)], closed=True), dark, puff=0.1)
    tongue = [
        front - (26, 26), shifted(front, -16, tall - 4), shifted(front, -8, tall + 2),
        shifted(front, 7, tall - 2), shifted(front, 10, -20),
    ]  # fmt: skip
    made.part(curve(tongue, closed=True, sharp=(0, 4)), trim, puff=0.6, grain=0.6)


def _sneaker_panels(
    made: Product,
    rng: Generator,
    upper: Points,
    colours: tuple[Colour, Colour],
    s0: float,
    box: float,
) -> None:
    main, trim = colours
    kind = rng.integers(3)
    if kind == 0:  # round rubber toe
        cap = cut(upper, (rng.uniform(28, 44), 0), (rng.uniform(30, 44), 90), 0.25)
        made.part(cap, trim, puff=0.7, gloss=0.3, grain=0.1, lift=0.2)
    elif kind == 1:  # mudguard along the front
        x = rng.uniform(70, 105)
        guard = cut(upper, (x, s0), (0, s0 + box * rng.uniform(0.7, 1.05)), -0.12)
        made.part(guard, trim, puff=0.5, lift=0.2, grain=0.2)
    else:
        for dx in range(int(rng.integers(1, 4))):
            x = 30 + 12 * dx
            made.line(
                curve([(x, s0 + box + 6), (x + 5, s0 + box - 8)]), shade(main, 0.5), detail=FINE
            )
    if rng.random() < 0.7:
        x = rng.uniform(172, 190)
        counter = cut(upper, (x + rng.uniform(-10, 8), 200), (x, 0), rng.uniform(-0.1, 0.12))
        if rng.random() < 0.5:
            counter = cut(counter, (240, rng.uniform(62, 84)), (0, rng.uniform(50, 80)))
        made.part(counter, trim, puff=0.5, lift=0.2, grain=0.2, detail=USUAL)


def _lacing(made: Product, rng: Generator, throat: Points, front: Points, trim: Colour) -> None:
    along, n = front - throat, int(rng.integers(3, 8))
    down = np.array([along[1], -along[0]]) / np.linalg.norm(along)
    low, upward = throat + along * 0.02, throat + along * 0.98
    wide = rng.uniform(13, 19)
    stay = [upward, low - down * 2, low + down * wide * 0.7 - along * 0.05, upward + down * wide]
    colour = shade(trim, 0.86)
    made.part(curve(stay, closed=True, sharp=(0, 1, 3)), colour, puff=0.3, lift=0.2, detail=USUAL)
    lace = WHITE if sum(trim) < 500 else BLACK
    slip = rng.uniform(-0.05, 0.09)
    for share in np.linspace(0.1, 0.9, n):
        eye = throat + along * share + down * wide * 0.55
        over = throat + along * (share + slip) - down * rng.uniform(5, 6)
        made.part(disc(eye, 2.6, 2.6, 12), shade(trim, 0.4), puff=0, lift=0, detail=USUAL)
        made.part(band([over, eye], 6.0, 5.0), lace, puff=0.5, lift=0.25, grain=0, detail=USUAL)
    if rng.random() < 0.6:
        knot = shifted(front, -6, 2)
        for dx, dy in ((-24, -4), (-19, 11)):
            loop = [knot, shifted(knot, dx, dy + 5), shifted(knot, dx * 0.9, dy - 4)]
            made.line(curve([*loop, knot]), lace, width=2.2, detail=USUAL)


def _mark(made: Product, rng: Generator, colour: Colour, s1: float) -> None:
    kind, x, y = rng.integers(5), rng.uniform(118, 138), s1 + rng.uniform(14, 22)
    if kind == 0:
        for i in range(int(rng.integers(2, 5))):
            stripe = [(x - 14 + 14 * i, y + 32), (x + 14 * i, y - 6)]
            made.part(band(stripe, 6), colour, puff=0.2, lift=0.15)
    elif kind == 1:
        swoosh = [(x - 34, y + 8), (x - 18, y - 3), (x + 44, y + 28), (x - 12, y + 11)]
        made.part(curve(swoosh, closed=True, sharp=(0, 2)), colour, puff=0.2, lift=0.15)
    elif kind == 2:
        made.part(ellipse(x + 8, y + 16, 15, 15), colour, puff=0.2, lift=0.15)
        turns = np.arange(11) * np.pi / 5 + np.pi / 2
        radii = np.where(np.arange(11) % 2, 5.0, 11.0)
        star = np.stack([x + 8 + radii * np.cos(turns), y + 16 + radii * np.sin(turns)], axis=1)
        made.part(star[:-1], WHITE if sum(colour) < 400 else BLACK, puff=0, lift=0, detail=USUAL)
    elif kind == 3:
        wave = [(x - 40, y + 12), (x - 14, y + 24), (x + 12, y + 4), (x + 52, y + 22)]
        made.part(band(curve(wave), 9, 5), colour, puff=0.2, lift=0.15)
    else:
        seam = curve([(x - 26, y - 12), (x - 18, y + 14), (x + 10, y + 34)])
        made.line(seam, shade(colour, 0.7), width=1.2)
        made.line(shifted(seam, 4, -1), shade(colour, 0.7), dash=3, detail=FINE)


def _sneaker_sole(
    made: Product, rng: Generator, colour: Colour, sizes: tuple[float, float, float], trim: Colour
) -> None:
    s0, s1, spring = sizes
    lip = curve([(0, s0 + spring), (60, s0 - 1), (120, s0 + 1), (217, s1)])
    bottom = curve([(219, 6), (206, 0), (60, 0), (20, spring * 0.4), (2, spring + 3)], sharp=(1,))
    made.part(np.concatenate([lip, bottom]), colour, puff=0.45, gloss=0.25, grain=0.1)
    if rng.random() < 0.6:
        share = rng.uniform(0.3, 0.7)
        line = (
            lip * (1 - share)
            + np.stack([lip[:, 0], np.interp(lip[:, 0], [0, 40], [spring, 0])], 1) * share
        )
        made.line(
            line[2:-2],
            trim if abs(sum(trim) - sum(colour)) > 200 else shade(colour, 0.5),
            width=1.8,
        )
    if rng.random() < 0.45:
        tread = np.arange(14, 212, rng.uniform(9, 16))
        for x in tread:
            made.line(
                [(x, spring * max(0, 1 - x / 40)), (x + 1, 5)],
                shade(colour, 0.4),
                width=1.6,
                detail=FINE,
            )
    elif rng.random() < 0.6:
        for x in (168, 182, 196):
            made.part(
                rounded(x - 4, s1 * 0.3, x + 5, s1 * 0.62, 3), trim, puff=0.3, lift=0, detail=USUAL
            )
