"""Things with depth, and the blocks and legs that furniture is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.colours import Colour, shade
from cdim.data.synthetic.product import UNDRAWN, Product
from cdim.data.synthetic.shapes import Points


def around(turn: Any, radius: float, height: float) -> Points:
    """Places on a level circle."""
    places = radius * np.cos(turn), height, radius * np.sin(turn)
    return np.stack(np.broadcast_arrays(*places), axis=-1)


class Solid(Product):
    """A thing with depth: x to the right, y up, z towards the viewer, in parallel projection.

    It is turned by `yaw` and seen from above at `pitch`, in radians.
    """

    def __init__(self, rng: Generator, yaw: float, pitch: float) -> None:
        super().__init__(rng)
        self.yaw, self.pitch = yaw, pitch
        self.near = -1 if yaw > 0 else 1  # which side is seen: 1 the right, -1 the left
        self.sides = (-self.near, self.near)

    def seen(self, points: Any) -> Points:
        """Points in space (k, 3) as they are seen, (k, 2), or one; those of the picture stay."""
        given = super().seen(points)
        if given.shape[-1] == 2:
            return given
        x, y, z = np.moveaxis(given, -1, 0)
        near = z * np.cos(self.yaw) - x * np.sin(self.yaw)
        across = x * np.cos(self.yaw) + z * np.sin(self.yaw)
        return np.stack([across, y * np.cos(self.pitch) - near * np.sin(self.pitch)], axis=-1)

    def block(self, low: Any, high: Any, colour: Colour, soft: float = 2, **look: Any) -> None:
        """A box from corner `low` to corner `high`: its silhouette, then side, front and top."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        x, far = (x1, x0) if self.near > 0 else (x0, x1)
        rim = [(x, y0, z0), (x, y0, z1), (far, y0, z1), (far, y1, z1), (far, y1, z0), (x, y1, z0)]
        corners = np.array([*rim, (x, y1, z1)])
        look = {"puff": 0.35, "gloss": 0.1, "lift": 0.15, **look}
        self.panel(rim, soft, shade(colour, 0.85), **look)
        look |= {"lift": 0, "detail": UNDRAWN}
        for face, light in (([0, 1, 6, 5], 0.74), ([1, 2, 3, 6], 0.92), ([5, 4, 3, 6], 1.06)):
            self.panel(corners[face], soft, shade(colour, light), **look)
        for end in (1, 3, 5):
            edge = corners[6] + (corners[end] - corners[6]) * np.array([[0.0], [0.96]])
            self.line(edge, shade(colour, 0.62), width=0.7)

    def leg(
        self, top: Any, foot: Any, colour: Colour, wide: float, slim: float, bow: float = 0.0
    ) -> None:
        """A round leg from `top` to `foot`, tapered; a bow goes outwards above, inwards below."""
        a, b = np.asarray(top, dtype=np.float64), np.asarray(foot, dtype=np.float64)
        out = np.array([np.sign(a[0]) * bow, 0, np.sign(a[2]) * bow * 0.6])
        path = [a, a * 0.65 + b * 0.35 + out, a * 0.25 + b * 0.75 - out * 0.6, b]
        self.cord(path, wide, colour, slim, puff=0.8, gloss=0.3, lift=0.1)
