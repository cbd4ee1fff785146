"""Stools."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.colours import FABRIC, STEEL, WOOD
from cdim.data.synthetic.products.shapes import Product, band, curve, ellipse, pick, shade
from cdim.data.synthetic.products.solids import View, block


def stool(rng: Generator, view: View) -> Product:
    """Round or square seat on three or four legs, with a foot ring, perhaps a low back."""
    made = Product("stool")
    wood = pick(rng, WOOD) if rng.random() < 0.6 else STEEL
    top = pick(rng, FABRIC) if rng.random() < 0.6 else shade(wood, 1.1)
    h, r, n = rng.uniform(80, 190), rng.uniform(34, 46), int(rng.choice([3, 4, 4]))
    splay, thick, pad = rng.uniform(0, 16), rng.uniform(5, 8), rng.uniform(6, 20)
    turns = view.yaw + np.pi / 4 + np.arange(n) * 2 * np.pi / n + rng.uniform(-0.3, 0.3)
    legs = sorted(turns.tolist(), key=lambda t: float(np.sin(t - view.yaw)))
    rings = [rng.uniform(0.18, 0.5)] if rng.random() < 0.75 else []
    rings += [rings[0] + 0.25] if rings and rng.random() < 0.3 else []

    def leg(t: float) -> None:
        out = r * 0.72 + splay
        a, b = (
            (r * 0.72 * np.cos(t), h, r * 0.72 * np.sin(t)),
            (out * np.cos(t), 0, out * np.sin(t)),
        )
        made.part(band(view([a, b]), thick, thick * 0.75), wood, puff=0.8, gloss=0.4, lift=0.1)

    for t in legs[: n // 2]:
        leg(t)
    round_bars = rng.random() < 0.5
    for share in rings:
        out = r * 0.72 + splay * (1 - share)
        t = np.linspace(0, 2 * np.pi, 40) if round_bars else np.array([*turns, turns[0]])
        ring = view(
            np.stack([out * np.cos(t), np.full(len(t), h * share), out * np.sin(t)], axis=1)
        )
        for a, b in pairwise(ring) if not round_bars else ():
            made.part(band(np.array([a, b]), 4.5), shade(wood, 0.85), puff=0.7, lift=0.1)
        if round_bars:
            made.line(ring, shade(wood, 0.8), width=2.4, detail=0)
    for t in legs[n // 2 :]:
        leg(t)
    back = rng.random() < 0.35
    if back:
        tall, n_rods = rng.uniform(30, 60), int(rng.integers(2, 6))
        rail = [
            (x, h + pad + tall, -np.sqrt(max(0.0, r * r - x * x)) * 0.9 - 4)
            for x in np.linspace(-r, r, 9)
        ]
        for x in np.linspace(-r * 0.75, r * 0.75, n_rods):
            z = -np.sqrt(r * r - x * x) * 0.8
            made.part(
                band(view([(x, h, z), (x, h + pad + tall, z - 4)]), 4), shade(wood, 0.9), puff=0.7
            )
        made.part(band(curve(view(rail)), 11), wood, puff=0.6, lift=0.2)
    if rng.random() < 0.7:
        cx, cy = view((0, h + pad, 0))
        rx, ry = r, r * np.sin(view.pitch)
        t = np.linspace(np.pi, 2 * np.pi, 18)
        low = np.stack(
            [cx + rx * np.cos(t), cy - pad * np.cos(view.pitch) + ry * np.sin(t)], axis=1
        )
        wall = np.concatenate([low, [(cx + rx, cy), (cx - rx, cy)]])
        made.part(wall, shade(top, 0.82), puff=0.5, lift=0.2)
        made.part(ellipse(cx, cy, rx, ry, 40), shade(top, 1.04), puff=0.4, grain=0.5, lift=0)
    else:
        block(
            made, view, (-r, h, -r), (r, h + pad, r), top, rng.uniform(3, 12), puff=0.5, grain=0.5
        )
    return made
