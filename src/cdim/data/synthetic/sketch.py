"""Draws a made-up product the way a person might: contours, in strokes, and not quite right.

Three levels: 0 careful, 1 quick, 2 very rough. The strokes come from the visible
contours of the product's parts, so that a sketch fits its own photo best.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cdim.data.synthetic.product import CANVAS, ESSENTIAL, UNDRAWN, Line, Part, Product
from cdim.data.synthetic.shapes import Points, dashes, length_along, resampled

STEP = 4.0  # pixels between the points of a stroke


class Hand(NamedTuple):
    """How somebody draws; lengths in pixels of the 256 x 256 canvas."""

    keeps: tuple[float, float, float]  # chance that essential, usual and fine details are drawn
    smooth: float  # how far corners are cut
    wobble: float  # size of the slow error along a stroke
    misplace: float  # how far a stroke as a whole lies from its place
    overshoot: float  # how far its ends are off, either way
    repeat: float  # chance that a part of a stroke is drawn again
    single: float  # ribbons narrower than this become one line
    bend: float  # size of the distortion of the whole drawing
    skew: float  # relative size of its errors in aspect, shear and turn
    extra: float  # chance of strokes that belong to nothing, each time


HANDS = (
    Hand((1.0, 0.97, 0.85), 1.5, 0.7, 0.5, 1.2, 0.06, 3.0, 1.5, 0.02, 0.15),
    Hand((0.98, 0.85, 0.30), 3.5, 1.3, 1.2, 2.5, 0.12, 5.5, 3.0, 0.035, 0.25),
    Hand((0.94, 0.35, 0.0), 6.0, 2.2, 2.2, 4.0, 0.16, 9.0, 4.5, 0.05, 0.35),
)
LEVELS = len(HANDS)


def sketch(
    product: Product, rng: Generator, level: int
) -> tuple[list[Points], NDArray[np.float64]]:
    """The strokes of one sketch in drawing order, and the width of each in pixels.

    The product is fitted to the canvas; `rng` is who draws, and how it turns out this time.
    """
    hand = HANDS[level]
    planned = [
        (detail + 0.002 * (CANVAS - _extent(line)) + rng.normal(0, 0.1), line)
        for detail, line in _chosen(product, rng, hand)
    ]
    planned.sort(key=lambda item: item[0])
    pen = rng.choice([1.0, 1.5, 2.0], p=(0.45, 0.35, 0.2))
    drawn = [stroke for _, line in planned for stroke in _by_hand(line, rng, hand)]
    drawn += _extras(drawn, rng, hand)
    placed = _distorted(drawn, rng, hand)
    return placed, np.clip(pen + rng.choice([-0.5, 0.0, 0.0, 0.5], len(placed)), 1.0, 2.5)


def _extent(line: Points) -> float:
    return float(np.ptp(line, axis=0).max())


def _chosen(product: Product, rng: Generator, hand: Hand) -> list[tuple[int, Points]]:
    """What gets drawn at all: visible pieces with their `detail`."""
    owner = owner_map(product)
    chosen: list[tuple[int, Points]] = []
    for number, item in enumerate(product.items, start=1):
        if item.detail == UNDRAWN:
            continue
        # What makes up the thing is never forgotten; small things on it can be.
        big = item.detail == ESSENTIAL and _extent(item.points) > 60
        if rng.random() > hand.keeps[item.detail] and not big:
            continue
        shortest = 10 if item.detail == ESSENTIAL and hand.single > 5 else 4
        for whole in _lines_of(item, rng, hand):
            for piece in visible(whole, owner, number):
                if length_along(piece)[-1] >= shortest:
                    chosen.extend((item.detail, part) for part in _lifted(piece, rng))
    return chosen


def owner_map(product: Product) -> NDArray[np.uint8]:
    """Number of the frontmost part on each half pixel, (512, 512); 0 where there is none."""
    canvas = Image.new("L", (2 * CANVAS, 2 * CANVAS), 0)
    pen = ImageDraw.Draw(canvas)
    for number, item in enumerate(product.items, start=1):
        if isinstance(item, Part) and item.detail != UNDRAWN:
            pen.polygon([tuple(p) for p in (item.points * 2).tolist()], fill=number)
    return np.asarray(canvas)


def _lines_of(item: Part | Line, rng: Generator, hand: Hand) -> list[Points]:
    if isinstance(item, Line):
        return dashes(item.points, 5.0) if item.dash and rng.random() < 0.6 else [item.points]
    spine = _spine(item.points, hand.single)
    return [np.concatenate([item.points, item.points[:1]]) if spine is None else spine]


def _spine(outline: Points, narrow: float) -> Points | None:
    """The middle line of a ribbon narrower than `narrow`; None for any other shape."""
    half = len(outline) // 2
    left, right = outline[:half], outline[half : 2 * half][::-1]
    across = np.linalg.norm(left - right, axis=1)
    middle = (left + right) / 2
    wide = float(across.mean())
    if len(outline) % 2 or wide > narrow or across.std() > 0.4 * wide:
        return None
    return middle if length_along(middle)[-1] > 2 * wide else None


def visible(line: Points, owner: NDArray[np.uint8], number: int) -> list[Points]:
    """The stretches of a line of the item `number` that no later part covers."""
    dense = resampled(line, max(2, int(length_along(line)[-1] / 1.5)))
    column, row = np.clip(np.round(dense * 2).astype(int), 0, 2 * CANVAS - 1).T
    seen = _without_gaps(owner[row, column] <= number)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(int), [0]])))
    runs = [dense[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
    closed = np.allclose(line[0], line[-1]) and len(runs) > 1 and bool(seen[0] and seen[-1])
    if closed:  # the seam of a closed contour is no place to lift the pen
        runs = [np.concatenate([runs[-1], runs[0]]), *runs[1:-1]]
    return runs


def _without_gaps(seen: NDArray[np.bool_], longest: int = 4) -> NDArray[np.bool_]:
    """Fills short gaps: where two parts share an edge, rounding hides some of its pixels."""
    reach = np.ones(longest + 1)
    grown = np.convolve(seen, reach) > 0  # each point also reaches `longest` points ahead
    missing = np.convolve(~grown, reach)[longest : longest + len(seen)] > 0
    return seen | ~missing


def _lifted(line: Points, rng: Generator) -> list[Points]:
    """A line as one or more strokes: people lift the pen at corners and in long curves."""
    count = max(2, int(length_along(line)[-1] / STEP))
    even = resampled(line, count)
    ahead = np.diff(even, axis=0)
    angle = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    turn = np.zeros(count)
    if count > 6:
        turn[2:-2] = np.abs(angle[3:] - angle[:-3])
    peak = (turn > 0.8) & (turn >= np.roll(turn, 1)) & (turn > np.roll(turn, -1))
    cuts = {int(i) for i in np.flatnonzero(peak) if rng.random() < 0.75}
    if count > 40 and rng.random() < 0.5:
        cuts.add(int(rng.integers(12, count - 12)))
    runs = [even[a : b + 1] for a, b in pairwise([0, *sorted(cuts), count - 1]) if b > a]
    return [run[::-1] if rng.random() < 0.25 else run for run in runs]


def _by_hand(line: Points, rng: Generator, hand: Hand) -> list[Points]:
    """One intended stroke as drawn, with a second go over a part of it now and then."""
    passes = [line]
    if len(line) > 8 and rng.random() < hand.repeat:
        a, b = np.sort(rng.integers(0, len(line), 2))
        if b - a > 4:
            passes.append(line[a : b + 1])
    return [_one_pass(stroke, rng, hand) for stroke in passes]


def _one_pass(line: Points, rng: Generator, hand: Hand) -> Points:
    total = length_along(line)[-1]
    count = max(3, int(total / STEP) + 1)
    small = min(1.0, total / 30)  # nobody misplaces a button by its own size
    stroke = _low_passed(resampled(line, count), hand.smooth * small / STEP)
    slow = _low_passed(rng.normal(size=(count + 24, 2)), 5.0)[12:-12]
    stroke = stroke + slow * 3.5 * hand.wobble * small + rng.normal(0, 0.12, (count, 2))
    middle = stroke.mean(axis=0)
    stroke = middle + (stroke - middle) * (1 + rng.normal(0, 0.015 * hand.misplace))
    stroke = stroke + rng.normal(0, hand.misplace * (0.4 + 0.6 * small), 2)
    return _ends_off(stroke, rng.normal(0.4, 0.8, 2) * hand.overshoot * small)


def _low_passed(points: Points, sigma: float) -> Points:
    """Points smoothed along the line; the ends stay where they are."""
    if sigma < 0.2 or len(points) < 4:
        return points
    reach = min(int(3 * sigma) + 1, len(points) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    before = 2 * points[:1] - points[reach:0:-1]
    after = 2 * points[-1:] - points[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, points, after])
    return np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], axis=1)


def _ends_off(stroke: Points, off: NDArray[np.float64]) -> Points:
    """Both ends lengthened (positive) or left short (negative) by so many pixels."""
    total = length_along(stroke)[-1]
    for end in off:
        stroke = stroke[::-1]
        if end > 0:
            way = stroke[-1] - stroke[-min(3, len(stroke))]
            size = max(float(np.linalg.norm(way)), 1e-9)
            stroke = np.concatenate([stroke, stroke[-1:] + way / size * end])
        elif -end < total * 0.3:
            at = length_along(stroke)
            keep = at < at[-1] + end
            stroke = stroke[keep] if keep.sum() > 1 else stroke
    return stroke


def _extras(drawn: list[Points], rng: Generator, hand: Hand) -> list[Points]:
    """Strokes that belong to nothing: hatching, a line for the ground, a slip."""
    low, high = _bounds(drawn)
    made: list[Points] = []
    if rng.random() < hand.extra:
        start = rng.uniform(low + 0.2 * (high - low), low + 0.7 * (high - low))
        for i in range(int(rng.integers(3, 7))):
            a = start + np.array([i * 5.0, rng.normal(0, 1.5)])
            made.append(np.array([a, a + rng.normal((-8, 14), (1.5, 2))]))
    if rng.random() < hand.extra * 0.5:
        left, right, y = low[0], high[0], high[1] + 2
        made.append(np.array([(left - 5, y), ((left + right) / 2, y + 2), (right + 5, y)]))
    if rng.random() < hand.extra:
        base = drawn[int(rng.integers(len(drawn)))]
        made.append(base[: max(2, len(base) // 2)] + rng.normal(0, 4.0, 2))
    return made


def _distorted(drawn: list[Points], rng: Generator, hand: Hand) -> list[Points]:
    """The whole drawing turned, sheared, stretched, bent, and set somewhere on the paper."""
    turn, shear, stretch = rng.normal(0, hand.skew, 3) * (1, 1, 1.4)
    across, up = [np.cos(turn), -np.sin(turn)], [np.sin(turn) + 0.5 * shear, np.cos(turn)]
    matrix = np.array([across, up]) * (np.exp(stretch), np.exp(-stretch))
    waves = rng.normal(size=(2, 2)) / 75
    phases, sizes = rng.uniform(0, 2 * np.pi, 2), rng.normal(0, hand.bend, (2, 2))
    size, shift = rng.uniform(196, 236), rng.normal(0, 4, 2)

    centred = [line - CANVAS / 2 for line in drawn]
    bent = [line @ matrix.T + np.sin(line @ waves + phases) @ sizes for line in centred]
    low, high = _bounds(bent)
    scale = size / float((high - low).max())
    room = (CANVAS - (high - low) * scale) / 2 - 2
    centre = CANVAS / 2 + np.clip(shift, -room, room)
    return [(line - (low + high) / 2) * scale + centre for line in bent]


def _bounds(lines: list[Points]) -> tuple[Points, Points]:
    every = np.concatenate(lines)
    return every.min(axis=0), every.max(axis=0)
