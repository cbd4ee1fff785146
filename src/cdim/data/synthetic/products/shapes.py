"""What a made-up product consists of: filled parts and drawn lines, back to front.

Products are designed with y upwards in free units; `fitted` turns them into pixels
of the 256 x 256 canvas with y downwards. The photo and the sketches are both made
from the same `Product`, which is why a sketch belongs to exactly one photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

CANVAS = 256
ESSENTIAL, USUAL, FINE, UNDRAWN = 0, 1, 2, 3
"""How soon a person leaves something out: never, in a rough sketch, in a quick one, always."""


@dataclass(frozen=True)
class Part:
    """A filled, shaded region.

    Args:
        outline: (k, 2) closed polygon.
        colour: base colour, 0 to 255.
        puff: how round the surface looks, 0 (flat) to 1.
        gloss: strength of the highlight, 0 to 1.
        lift: strength of the shadow thrown on what lies behind, 0 to 1.
        grain: strength of the texture, 0 (smooth) to 1.
        detail: `ESSENTIAL`, `USUAL`, `FINE` or `UNDRAWN`.
    """

    outline: Points
    colour: Colour
    puff: float = 0.5
    gloss: float = 0.2
    lift: float = 0.3
    grain: float = 0.0
    detail: int = ESSENTIAL


@dataclass(frozen=True)
class Line:
    """An open line on the surface: a seam, a lace, a crease.

    Args:
        points: (k, 2) polyline.
        colour: its colour, 0 to 255.
        width: in canvas pixels.
        dash: length of dashes and of the gaps between them in pixels; 0 for a solid line.
        detail: `ESSENTIAL`, `USUAL` or `FINE`.
    """

    points: Points
    colour: Colour
    width: float = 1.0
    dash: float = 0.0
    detail: int = USUAL


@dataclass
class Product:
    """Parts and lines from back to front; `subtype` is a word such as "boot"."""

    subtype: str
    items: list[Part | Line] = field(default_factory=list)

    def part(self, outline: Points, colour: Colour, **look: Any) -> None:
        """Puts a part in front of what is there; `look` as in `Part`."""
        self.items.append(Part(np.asarray(outline, dtype=np.float64), colour, **look))

    def line(self, points: Any, colour: Colour, **look: Any) -> None:
        """Puts a line in front of what is there; `look` as in `Line`."""
        self.items.append(Line(np.asarray(points, dtype=np.float64), colour, **look))


def points_of(item: Part | Line) -> Points:
    """The polygon or polyline of an item, (k, 2)."""
    return item.outline if isinstance(item, Part) else item.points


def moved(item: Part | Line, points: Points) -> Part | Line:
    """The same item with other points."""
    if isinstance(item, Part):
        return replace(item, outline=points)
    return replace(item, points=points)


def fitted(product: Product, margin: float) -> Product:
    """The product in canvas pixels, y downwards, as large as `margin` pixels around it allow."""
    every = np.concatenate([points_of(item) for item in product.items])
    low, high = every.min(axis=0), every.max(axis=0)
    scale = (CANVAS - 2 * margin) / float((high - low).max())
    centre = (low + high) / 2

    def place(points: Points) -> Points:
        return np.asarray((points - centre) * (scale, -scale) + CANVAS / 2, dtype=np.float64)

    return Product(product.subtype, [moved(i, place(points_of(i))) for i in product.items])


def curve(
    points: Sequence[Any] | Points, closed: bool = False, sharp: Sequence[int] = ()
) -> Points:
    """A smooth curve through points (Catmull-Rom), with corners at the indices `sharp`.

    Returns:
        (m, 2) points, at most 9 a segment; the first is not repeated when closed.
    """
    given = np.asarray(points, dtype=np.float64)
    n = len(given)
    if not closed:
        cuts = [0, *(i for i in sorted(sharp) if 0 < i < n - 1), n - 1]
        runs = [_spline(given[a : b + 1], False) for a, b in pairwise(cuts)]
        return np.concatenate([*(run[:-1] for run in runs[:-1]), runs[-1]])
    if not sharp:
        return _spline(given, True)
    start = sorted(sharp)[0]
    turned = np.concatenate([np.roll(given, -start, axis=0), given[start : start + 1]])
    return curve(turned, sharp=[i - start for i in sorted(sharp)[1:]])[:-1]


def _spline(points: Points, closed: bool, steps: int = 9) -> Points:
    if len(points) == 2:
        return points
    if closed:
        around = np.concatenate([points[-1:], points, points[:2]])
    else:
        around = np.concatenate(
            [2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]
        )
    p0, p1, p2, p3 = (around[i : len(around) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    made = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    flat = made.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 32) -> Points:
    """A closed ellipse, (steps, 2)."""
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def disc(centre: Any, rx: float, ry: float, steps: int = 32) -> Points:
    """An ellipse around a point (2,)."""
    return ellipse(float(centre[0]), float(centre[1]), rx, ry, steps)


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> Points:
    """A closed rectangle with round corners, (28, 2)."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    t = np.linspace(0, np.pi / 2, 7)
    quarter = np.stack([np.cos(t), np.sin(t)], axis=1) * r
    corners = [
        (x1 - r, y1 - r, quarter),
        (x0 + r, y1 - r, quarter[::-1] * (-1, 1)),
        (x0 + r, y0 + r, -quarter),
        (x1 - r, y0 + r, quarter[::-1] * (1, -1)),
    ]
    return np.concatenate([np.array([x, y]) + q for x, y, q in corners])


def band(points: Sequence[Any] | Points, width: float, end_width: float | None = None) -> Points:
    """The closed outline of a ribbon along an open polyline, (2 k, 2); it may taper."""
    middle = np.asarray(points, dtype=np.float64)
    along = np.gradient(middle, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = along[:, ::-1] * (-1, 1)
    half = np.linspace(width, width if end_width is None else end_width, len(middle))[:, None] / 2
    return np.concatenate([middle + across * half, (middle - across * half)[::-1]])


def resampled(points: Points, count: int) -> Points:
    """`count` points at equal distances along a polyline."""
    at = length_along(points)
    want = np.linspace(0, at[-1], count)
    return np.stack([np.interp(want, at, points[:, k]) for k in (0, 1)], axis=1)


def length_along(points: Points) -> NDArray[np.float64]:
    """Length from the start of a polyline to each of its points, (k,)."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def shade(colour: Colour, by: float) -> Colour:
    """A darker (`by` < 1) or lighter (`by` > 1) colour."""
    made = np.multiply(colour, by) if by <= 1 else 255 - np.subtract(255, colour) * (2 - by)
    return (round(made[0]), round(made[1]), round(made[2]))


def cut(outline: Points, start: Any, end: Any, bulge: float = 0.0) -> Points:
    """The part of a polygon to the left of the line from `start` to `end`.

    The new edge is bent outwards by `bulge` times its length. The line should cross
    the polygon twice; (m, 2).
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    along = b - a
    side = (outline - a) @ np.array([-along[1], along[0]])
    n = len(outline)
    kept: list[Points] = []
    ends: list[int] = []
    for i in range(n):
        j = (i + 1) % n
        if side[i] >= 0:
            kept.append(outline[i])
        if (side[i] >= 0) != (side[j] >= 0):
            ends.append(len(kept))
            share = side[i] / (side[i] - side[j])
            kept.append(outline[i] + share * (outline[j] - outline[i]))
    made = np.array(kept)
    if len(ends) != 2 or not bulge:
        return made
    leave = ends[0] if side[0] >= 0 else ends[1]  # where the walk leaves the kept side
    turned = np.roll(made, -(leave + 1) % len(made), axis=0)
    back, out = turned[0], turned[-1]
    chord = back - out
    normal = np.array([chord[1], -chord[0]]) * bulge
    t = np.linspace(0, 1, 14)[1:-1, None]
    away = normal if normal @ np.array([along[1], -along[0]]) >= 0 else -normal
    arc = out + chord * t + np.sign(bulge) * away * (4 * t * (1 - t))
    return np.concatenate([turned, arc])


def softened(polygon: Any, radius: float) -> Points:
    """A closed polygon with every corner rounded off, (6 k, 2)."""
    corner = np.asarray(polygon, dtype=np.float64)
    t = np.linspace(0, 1, 6)[None, :, None]
    ends = []
    for shift in (1, -1):
        side = np.roll(corner, shift, axis=0) - corner
        size = np.linalg.norm(side, axis=1, keepdims=True)
        ends.append((corner + side * np.minimum(radius / np.maximum(size, 1e-9), 0.5))[:, None])
    middle = corner[:, None]
    made = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
    return np.asarray(made.reshape(-1, 2), dtype=np.float64)


def shifted(points: Points, x: float, y: float) -> Points:
    """Points (..., 2) moved by x and y."""
    return np.asarray(points + np.array([x, y]), dtype=np.float64)


def pick(rng: Generator, choices: Sequence[Colour]) -> Colour:
    """One colour of several."""
    return choices[int(rng.integers(len(choices)))]


def dashes(points: Points, dash: float) -> list[Points]:
    """A polyline cut into dashes of this length with equal gaps; whole when `dash` is 0."""
    if not dash:
        return [points]
    at = length_along(points)
    starts = np.arange(0, at[-1] - dash / 2, 2 * dash)
    pieces = []
    for start in starts:
        want = np.linspace(start, min(start + dash, at[-1]), 4)
        pieces.append(np.stack([np.interp(want, at, points[:, k]) for k in (0, 1)], axis=1))
    return pieces
