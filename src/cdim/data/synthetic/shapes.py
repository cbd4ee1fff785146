"""Plane geometry of the made-up products: curves, outlines, and what is done to them.

Points are float64 arrays (k, 2); an outline is a closed polygon whose first point is not
repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def arch(*half: Sequence[float]) -> list[Sequence[float]]:
    """A path from left to right that mirrors itself in x = 0, from its right half.

    Args:
        half: points in two or three dimensions, from the right end up to the middle.
    """
    sides = half[:-1] if half[-1][0] == 0 else half
    return [*((-x, *rest) for x, *rest in sides), *half[::-1]]


def mirrored(*half: Sequence[float]) -> list[Sequence[float]]:
    """An outline that mirrors itself in x = 0, from its right half; the first point is its left."""
    around = arch(*half)[::-1]
    return [around[-1], *around[:-1]]


def curve(points: Any, closed: bool = False, sharp: Sequence[int] = ()) -> Points:
    """A smooth curve through points (Catmull-Rom), with corners at the rising indices `sharp`.

    Returns:
        (m, 2) points, at most 9 a segment; the first is not repeated when closed.
    """
    given = np.asarray(points, dtype=np.float64)
    if not closed:
        cuts = [0, *(i for i in sharp if 0 < i < len(given) - 1), len(given) - 1]
        runs = [_spline(given[a : b + 1]) for a, b in pairwise(cuts)]
        return np.concatenate([*(run[:-1] for run in runs[:-1]), runs[-1]])
    if not sharp:
        return _between(np.concatenate([given[-1:], given, given[:2]]))
    start = sharp[0]
    turned = np.concatenate([given[start:], given[: start + 1]])
    return curve(turned, sharp=[i - start for i in sharp[1:]])[:-1]


def _spline(points: Points) -> Points:
    if len(points) == 2:
        return points
    before, after = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
    return np.concatenate([_between(np.concatenate([before, points, after])), points[-1:]])


def _between(around: Points, steps: int = 9) -> Points:
    """The curve from the second to the last but one point, without its end."""
    p0, p1, p2, p3 = (around[i : len(around) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    square = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
    cube = (3 * p1 - p0 - 3 * p2 + p3) * t**3
    made: Points = 0.5 * (2 * p1 + (p2 - p0) * t + square + cube)
    return made.reshape(-1, 2)


def ellipse(centre: Any, rx: float, ry: float, steps: int = 32) -> Points:
    """The outline of an ellipse around a point, (steps, 2)."""
    x, y = centre
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> Points:
    """The outline of a rectangle with round corners, (28, 2)."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    t = np.linspace(0, np.pi / 2, 7)
    quarter = np.stack([np.cos(t), np.sin(t)], axis=1) * r
    left, right = quarter[::-1] * (-1, 1), quarter[::-1] * (1, -1)
    low, high, near, far = x0 + r, x1 - r, y0 + r, y1 - r
    corners = (high, far, quarter), (low, far, left), (low, near, -quarter), (high, near, right)
    return np.concatenate([np.array([x, y]) + turn for x, y, turn in corners])


def band(points: Any, width: float, end: float) -> Points:
    """The outline of a ribbon along an open polyline, (2 k, 2), from one width to another."""
    middle = np.asarray(points, dtype=np.float64)
    along = np.gradient(middle, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = along[:, ::-1] * (-1, 1)
    half = np.linspace(width, end, len(middle))[:, None] / 2
    return np.concatenate([middle + across * half, (middle - across * half)[::-1]])


def softened(polygon: Any, radius: float) -> Points:
    """An outline with every corner rounded off, (6 k, 2)."""
    corner = np.asarray(polygon, dtype=np.float64)
    t = np.linspace(0, 1, 6)[None, :, None]
    ends = []
    for shift in (1, -1):
        side = np.roll(corner, shift, axis=0) - corner
        size = np.linalg.norm(side, axis=1, keepdims=True)
        ends.append((corner + side * np.minimum(radius / np.maximum(size, 1e-9), 0.5))[:, None])
    made: Points = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * corner[:, None] + t**2 * ends[1]
    return made.reshape(-1, 2)


def cut(outline: Points, start: Any, end: Any, bulge: float = 0.0) -> Points:
    """The part of an outline to the left of the line from `start` to `end`, (m, 2).

    The line should cross the outline twice. The new edge is bent outwards by `bulge` times its
    length.
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    along = b - a
    side = (outline - a) @ np.array([-along[1], along[0]])
    left, ahead = side >= 0, np.roll(outline, -1, axis=0) - outline
    crossed = left != np.roll(left, -1)
    share = np.divide(side, side - np.roll(side, -1), out=np.zeros_like(side), where=crossed)
    kept = np.stack([left, crossed], axis=1).ravel()
    made: Points = np.stack([outline, outline + share[:, None] * ahead], 1).reshape(-1, 2)[kept]
    if crossed.sum() != 2 or not bulge:
        return made
    leave = np.cumsum(kept)[1::2][crossed][0 if left[0] else 1] - 1  # the kept side's last point
    turned = np.roll(made, -(leave + 1) % len(made), axis=0)
    back, out = turned[0], turned[-1]
    chord = back - out
    normal = np.array([chord[1], -chord[0]]) * bulge
    t = np.linspace(0, 1, 14)[1:-1, None]
    away = normal if normal @ np.array([along[1], -along[0]]) >= 0 else -normal
    arc = out + chord * t + np.sign(bulge) * away * (4 * t * (1 - t))
    return np.concatenate([turned, arc])


def shifted(points: Any, x: float, y: float) -> Points:
    """Points moved by x and y."""
    return np.asarray(points + np.array([x, y]), dtype=np.float64)


def shrunk(outline: Points, by: Any) -> Points:
    """An outline `by` times as large around its middle; `by` may differ across and upwards."""
    middle = outline.mean(axis=0)
    return np.asarray(middle + (outline - middle) * by, dtype=np.float64)


def length_along(points: Points) -> Points:
    """Length from the start of a polyline to each of its points, (k,)."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def resampled(points: Points, count: int) -> Points:
    """`count` points at equal distances along a polyline."""
    at = length_along(points)
    return _at(points, at, np.linspace(0, at[-1], count))


def dashes(points: Points, dash: float) -> list[Points]:
    """A polyline cut into dashes of this length with equal gaps; whole when `dash` is 0."""
    if not dash:
        return [points]
    at = length_along(points)
    starts = np.arange(0, at[-1] - dash / 2, 2 * dash)
    return [_at(points, at, np.linspace(s, min(s + dash, at[-1]), 4)) for s in starts]


def _at(points: Points, at: Points, want: Points) -> Points:
    """Points of a polyline at the lengths `want`."""
    return np.stack([np.interp(want, at, points[:, k]) for k in (0, 1)], axis=1)
