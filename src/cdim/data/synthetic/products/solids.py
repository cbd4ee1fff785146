"""A view on things with depth, and the blocks and legs that furniture is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cdim.data.synthetic.products.shapes import (
    UNDRAWN,
    Colour,
    Points,
    Product,
    band,
    curve,
    shade,
    softened,
)


@dataclass(frozen=True)
class View:
    """Parallel projection of x to the right, y up, z towards the viewer."""

    yaw: float
    pitch: float

    def __call__(self, points: Any) -> Points:
        """(k, 3) points to (k, 2), or one to (2,)."""
        x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
        near = z * np.cos(self.yaw) - x * np.sin(self.yaw)
        across = x * np.cos(self.yaw) + z * np.sin(self.yaw)
        return np.stack([across, y * np.cos(self.pitch) - near * np.sin(self.pitch)], axis=-1)

    @property
    def side(self) -> int:
        """Which side of things is seen: 1 the right, -1 the left."""
        return -1 if self.yaw > 0 else 1


def block(
    made: Product, view: View, low: Any, high: Any, colour: Colour, soft: float = 2, **look: Any
) -> None:
    """A box from corner `low` to corner `high`: its silhouette, then side, front and top."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    x, other = (x1, x0) if view.side > 0 else (x0, x1)
    rim = [(x, y0, z0), (x, y0, z1), (other, y0, z1), (other, y1, z1), (other, y1, z0), (x, y1, z0)]
    look = {"puff": 0.35, "gloss": 0.1, "lift": 0.15, **look}
    made.part(softened(view(rim), soft), shade(colour, 0.85), **look)
    side = [(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)]
    front = [(x, y0, z1), (other, y0, z1), (other, y1, z1), (x, y1, z1)]
    top = [(x, y1, z0), (other, y1, z0), (other, y1, z1), (x, y1, z1)]
    look = {**look, "lift": 0, "detail": UNDRAWN}
    for face, light in ((side, 0.74), (front, 0.92), (top, 1.06)):
        made.part(softened(view(face), soft), shade(colour, light), **look)
    near = np.array([x, y1, z1])
    for end in ((x, y0, z1), (other, y1, z1), (x, y1, z0)):
        edge = near + (np.array(end) - near) * np.array([[0.0], [0.96]])
        made.line(view(edge), shade(colour, 0.62), width=0.7)


def leg(
    made: Product, view: View, top: Any, foot: Any, colour: Colour, widths: tuple[float, float],
    bow: float = 0.0, **look: Any,
) -> None:  # fmt: skip
    """A round leg from `top` to `foot`, tapered and perhaps bowed outwards above, inwards below."""
    a, b = np.asarray(top, dtype=np.float64), np.asarray(foot, dtype=np.float64)
    out = np.array([np.sign(a[0]) * bow, 0, np.sign(a[2]) * bow * 0.6])
    path = curve(view([a, a * 0.65 + b * 0.35 + out, a * 0.25 + b * 0.75 - out * 0.6, b]))
    made.part(band(path, *widths), colour, **{"puff": 0.8, "gloss": 0.3, "lift": 0.1, **look})
