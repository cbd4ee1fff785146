"""Office chairs."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import DARK, FABRIC, STEEL
from cdim.data.synthetic.products.shapes import (
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
from cdim.data.synthetic.products.solids import View, block


def office(rng: Generator, view: View) -> Product:
    """On castors, with a column, a cushion, a curved back and perhaps arms and a headrest."""
    made = Product("office")
    cloth, metal = pick(rng, (*FABRIC, DARK, DARK)), STEEL if rng.random() < 0.5 else DARK
    h, w, d = rng.uniform(84, 104), rng.uniform(42, 52), rng.uniform(38, 46)
    n, reach, start = int(rng.choice([4, 5, 5])), rng.uniform(48, 58), rng.uniform(0, 1.2)
    spokes = start + np.arange(n) * 2 * np.pi / n
    for t in sorted(spokes, key=lambda t: float(np.sin(t - view.yaw))):
        end = (reach * np.cos(t), 13, reach * np.sin(t))
        made.part(disc(view((end[0], 6, end[2])), 6, 7, 18), DARK, puff=0.7, gloss=0.6)
        made.part(band(view([(0, 24, 0), end]), 10, 6), metal, puff=0.8, gloss=0.6)
    made.part(band(view([(0, 20, 0), (0, h, 0)]), 11), shade(metal, 0.8), puff=0.9, gloss=0.8)
    made.part(band(view([(0, h * 0.6, 0), (0, h, 0)]), 16), shade(metal, 0.9), puff=0.9, gloss=0.8)
    tall, lift = rng.uniform(86, 124), rng.uniform(8, 26)
    waist, crown = rng.uniform(0.72, 1.05), rng.uniform(0.6, 1.0)
    y0, z0 = h + 18 + lift, -d
    head = rng.random() < 0.4
    made.part(
        band(view([(0, h, z0 + 18), (0, h + 6, z0 - 10), (0, y0 + 26, z0 - 8)]), 13),
        metal,
        puff=0.8,
    )
    if head:
        made.part(
            band(view([(0, y0 + tall * 0.9, z0 - 14), (0, y0 + tall + 20, z0 - 14)]), 9), metal
        )
        cap = [
            (-w * 0.5, y0 + tall + 9, z0 - 10),
            (w * 0.5, y0 + tall + 9, z0 - 10),
            (w * 0.55, y0 + tall + 34, z0 - 12),
            (-w * 0.55, y0 + tall + 34, z0 - 12),
        ]
        made.part(softened(view(cap), 12), cloth, puff=0.7, grain=0.8)
    rim = [
        (-w * waist * 0.9, y0, z0),
        (w * waist * 0.9, y0, z0),
        (w * 0.98, y0 + tall * 0.55, z0 - 10),
        (w * crown, y0 + tall, z0 - 14),
        (-w * crown, y0 + tall, z0 - 14),
        (-w * 0.98, y0 + tall * 0.55, z0 - 10),
    ]
    panel = softened(view(rim), rng.uniform(12, 30))
    made.part(shifted(panel, -3.0 * view.side, 3.0), shade(cloth, 0.6))
    made.part(panel, cloth, puff=0.6, grain=0.9)
    middle = panel.mean(axis=0)
    style = rng.integers(3)
    if style == 0:
        for v in np.linspace(0.2, 0.85, int(rng.integers(2, 6))):
            made.line(
                curve(
                    view(
                        [
                            (-w * 0.9, y0 + tall * v, z0 - 8),
                            (0, y0 + tall * v - 3, z0 - 8),
                            (w * 0.9, y0 + tall * v, z0 - 8),
                        ]
                    )
                ),
                shade(cloth, 0.55),
                width=1.6,
            )
    elif style == 1:
        made.part(middle + (panel - middle) * 0.8, shade(cloth, 0.8), puff=0.3, lift=0, grain=1.0)
    _office_seat(made, rng, view, (w, d, h), (cloth, metal))
    return made


def _office_seat(
    made: Product,
    rng: Generator,
    view: View,
    sizes: tuple[float, float, float],
    colours: tuple[Colour, Colour],
) -> None:
    (w, d, h), (cloth, metal) = sizes, colours
    pad, arms = rng.uniform(13, 20), rng.integers(3)

    def arm(sx: int) -> None:
        up, out = h + rng.uniform(44, 47), w + 7
        if arms == 1:  # T
            made.part(
                band(view([(sx * (w - 6), h, 4), (sx * out, h + 6, 4), (sx * out, up, 0)]), 8),
                metal,
                puff=0.7,
            )
        else:  # loop
            loop = [
                (sx * w, h, -20),
                (sx * out, h + 8, -28),
                (sx * out, up - 4, -28),
                (sx * out, up, 8),
                (sx * out, up - 12, 26),
                (sx * w, h, 20),
            ]
            made.part(band(curve(view(loop)), 8), metal, puff=0.7)
        made.part(band(view([(sx * out, up + 2, -26), (sx * out, up + 3, 24)]), 13), DARK, puff=0.7)

    if arms:
        arm(-view.side)
    block(made, view, (-w, h, -d), (w, h + pad, d), cloth, 16, puff=0.6, grain=0.8)
    if arms:
        arm(view.side)
