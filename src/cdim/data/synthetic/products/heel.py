"""Pumps and sandals, side view, toe to the left; and what stands under a heel."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import BLACK, CLOTH, LEATHER, METAL, WHITE
from cdim.data.synthetic.products.shapes import (
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
    shifted,
)


def heel(rng: Generator) -> Product:
    """Pumps and sandals on every kind of heel."""
    made = Product("heel")
    main = pick(rng, (*LEATHER, *CLOTH))
    hh, plate = rng.uniform(26, 98), float(rng.choice([2, 3, rng.uniform(8, 18)]))
    lip, under = sole_edges(hh, plate)
    toe, box = rng.uniform(-10, 6), rng.uniform(20, 30) + plate
    mouth, low = rng.uniform(52, 88), rng.uniform(10, 26)
    back = hh + plate + rng.uniform(36, 58)
    arch = hh * 0.45 + plate
    shell = curve(
        [
            *lip[::9], (222, hh + plate + 14), (216, back - 6), (210, back), (203, back - 6),
            (170, hh * 0.9 + plate + low + 4), (126, arch + low), (mouth, box + 12 + hh * 0.08),
            (mouth - 14, box + 15), (30, box + 2), (toe, plate + 9 + hh * 0.03),
        ],
        closed=True,
        sharp=(0, 5, 14),
    )  # fmt: skip
    kind = rng.integers(4)
    soft, lining = shade(main, 0.75), (214, 190, 160)
    heel_block(made, rng, hh, shade(main, 0.8) if rng.random() < 0.6 else (150, 112, 74), 4)
    strap = rng.random() < 0.55
    if kind == 3:
        _sandal(made, rng, lip, (main, lining), (hh, plate))
    else:
        far = curve(
            [
                (mouth - 6, box + 14),
                (126, arch + low + 9),
                (172, hh * 0.9 + plate + low + 10),
                (209, back),
            ]
        )
        made.part(np.concatenate([far, [(200, hh + plate), (90, plate)]]), lining, puff=0.1)
        if kind == 2:  # open back
            front = cut(shell, (rng.uniform(128, 150), 0), (rng.uniform(118, 140), 200), -0.1)
            made.part(front, main, puff=0.9, gloss=0.6, grain=0.1)
            made.part(
                band(curve([(132, arch + low - 5), (176, back - 22), (214, back - 8)]), 7),
                main,
                puff=0.5,
            )
        else:
            made.part(shell, main, puff=0.9, gloss=0.6, grain=0.1)
        _toe_trim(made, rng, mouth, box, (main, shell))
    if strap:
        y = back + rng.uniform(4, 34)
        made.part(band(curve([(206, back - 16), (208, y - 3), (207, y + 4)]), 8), soft, puff=0.5)
        ring = band(
            curve([(132, y - 4), (138, y + 6), (180, y + 8), (211, y), (176, y - 8), (134, y - 5)]),
            6,
        )
        made.part(ring, main, puff=0.5, lift=0.3)
        made.part(
            rounded(160, y - 13, 172, y - 1, 2), METAL, puff=0.4, gloss=0.8, grain=0, detail=USUAL
        )
    made.part(np.concatenate([lip, under[::-1]]), shade(main, 0.6), puff=0.3, gloss=0.3, grain=0)
    return made


def _toe_trim(
    made: Product, rng: Generator, mouth: float, box: float, looks: tuple[Colour, Points]
) -> None:
    main, shell = looks
    kind, x, y = rng.integers(5), mouth - 18, box + 10
    if kind == 0:  # bow
        for sign in (-1, 1):
            wing = [(x, y), (x + sign * 20, y + 15), (x + sign * 24, y - 2), (x + sign * 17, y - 9)]
            made.part(curve(wing, closed=True, sharp=(0,)), shade(main, 0.8), puff=0.6, gloss=0.5)
        made.part(ellipse(x, y, 5, 6, 16), shade(main, 0.7), puff=0.6)
    elif kind == 1:  # buckle
        made.part(rounded(x - 12, y - 12, x + 12, y + 8, 3), METAL, puff=0.4, gloss=0.9, grain=0)
        made.part(rounded(x - 6, y - 7, x + 6, y + 3, 2), main, puff=0.3, lift=0)
    elif kind == 2:
        cap = cut(shell, (rng.uniform(22, 34), 0), (rng.uniform(24, 34), 90), 0.1)
        made.part(cap, BLACK if sum(main) > 250 else WHITE, puff=0.9, gloss=0.6, lift=0.1)
    elif kind == 3:
        for i in range(3):
            made.part(
                ellipse(x - 13 * i, y - 2 - 3.5 * i, 4, 4, 14), METAL, gloss=0.9, detail=USUAL
            )


def _sandal(
    made: Product,
    rng: Generator,
    lip: Points,
    colours: tuple[Colour, Colour],
    sizes: tuple[float, float],
) -> None:
    (main, lining), (hh, plate) = colours, sizes
    made.part(band(shifted(lip, 0, 2), 5), lining, puff=0.2)
    heel_cup = [
        (224, hh + plate),
        (219, hh + plate + 30),
        (212, hh + plate + 52),
        (200, hh + plate + 30),
        (176, hh * 0.95 + plate),
    ]
    made.part(curve(heel_cup, closed=True, sharp=(0, 4)), main, puff=0.8, gloss=0.5)
    n = int(rng.integers(1, 5))
    lean, wide = rng.uniform(-10, 18), rng.uniform(9, 15) if n > 1 else rng.uniform(26, 40)
    for x in np.linspace(24, 24 + 19 * (n - 1), n):
        x += 12 * (n == 1)
        y = 28 + x * 0.22 + plate
        arch = curve(
            [
                (x - 12, plate + 1),
                (x - 4 + lean * 0.4, y - 4),
                (x + 8 + lean, y + 2),
                (x + 16, plate + 4),
            ]
        )
        made.part(np.concatenate([band(arch[:19], wide)]), main, puff=0.7, gloss=0.5)


def sole_edges(hh: float, thick: float) -> tuple[Points, Points]:
    """Upper and lower edge of the sole of a shoe with a heel of height `hh`."""
    under = curve(
        [(2, 5 + hh * 0.03), (22, 0), (70, 0), (118, hh * 0.34), (168, hh * 0.9), (218, hh)]
    )
    return shifted(under, 0, thick), under


def heel_block(made: Product, rng: Generator, hh: float, colour: Colour, kinds: int) -> None:
    """What stands under the back of the shoe; wedge, block, flared or thin."""
    kind = int(rng.integers(kinds))
    start = rng.uniform(74, 92) if kind == 3 else rng.uniform(164, 180)
    _, under = sole_edges(hh, 0)
    seat = under[(under[:, 0] >= start) & (under[:, 0] < 216)] + (0, 1.5)
    seat = np.concatenate([seat, [(219, hh + 2)]])
    x0 = float(seat[0, 0])
    if kind == 0:
        foot = curve([(220, 0), (x0 + 4, 0)])
    elif kind == 1:
        foot = curve([(214, hh * 0.5), (212, 0), (192, 0), (187, hh * 0.5)], sharp=(1, 2))
    elif kind == 2:
        foot = curve([(214, hh * 0.6), (210, 0), (203, 0), (197, hh * 0.55)], sharp=(1, 2))
    else:
        foot = np.array([(216.0, 0.0), (start, 0.0)])
    made.part(np.concatenate([seat, foot]), colour, puff=0.5, gloss=0.4, grain=0.1)
