"""Drawings as strokes in drawing order: open them, cut them short, draw them.

Coordinates are float32 (x, y) on a canvas of 256 x 256, y downwards. Two released
files are understood: QMUL-ChairV2 (already on such a canvas) and Quick, Draw!
(drawings pushed into the top-left corner, which are centred here with the margin
that QMUL sketches have).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cdim.data.arrays import read_npz
from cdim.errors import DataError

CANVAS = 256
# Measured on the QMUL v1 sketches: lines of about one pixel, drawings that fill
# 225 of 256 pixels and sit in the middle.
LINE_WIDTH = 1.0
DRAWING_SIZE = 225
_SUPERSAMPLING = 2

CHAIR_KEYS = {"keys", "offsets", "points"}
QUICKDRAW_KEYS = {"points", "stroke_len", "drawing_first_stroke", "label", "categories", "key_id"}


@dataclass(frozen=True, eq=False)
class Strokes:
    """One drawing.

    Raises:
        DataError: no strokes, or a stroke that is not (k, 2) finite numbers.
    """

    # strokes in drawing order, each (k, 2) of x, y in 0 to 256, k >= 1
    lines: Sequence[NDArray[np.float32]]

    def __post_init__(self) -> None:
        lines = tuple(np.asarray(line, dtype=np.float32) for line in self.lines)
        if not lines:
            raise DataError("no strokes", "a drawing has at least one", "leave the drawing out")
        for line in lines:
            if line.ndim != 2 or line.shape[1] != 2 or not len(line):
                raise DataError(
                    f"a stroke of shape {line.shape}",
                    "a stroke is (k, 2): x and y of k >= 1 points",
                    "check the drawing",
                )
        if not np.isfinite(np.concatenate(lines)).all():
            raise DataError(
                "a stroke with a coordinate that is no number",
                "coordinates are finite",
                "check the drawing",
            )
        object.__setattr__(self, "lines", lines)

    def upto(self, share: float) -> Strokes:
        """The drawing after a share of its points (above 0 to 1), in drawing order, at least one.

        Raises:
            DataError: a share outside that range.
        """
        if not 0 < share <= 1:
            raise DataError(
                f"the share {share} of a drawing",
                "a share is above 0 and at most 1",
                "use for example 0.5 for half of the points",
            )
        left = math.ceil(share * sum(len(line) for line in self.lines))
        kept = []
        for line in self.lines:
            if left <= 0:
                break
            kept.append(line[:left])
            left -= len(line)
        return Strokes(kept)


def draw(strokes: Strokes, size: int = CANVAS, width: float = LINE_WIDTH) -> NDArray[np.uint8]:
    """Draws black lines on white, antialiased: uint8 (size, size), 255 = white.

    Coordinates are of 0 to 256 whatever `size` is, and `width` is in pixels of a 256 x 256 image.
    """
    scale = _SUPERSAMPLING * size / CANVAS
    pixels = max(1, round(width * scale))
    canvas = Image.new("L", (size * _SUPERSAMPLING,) * 2, 255)
    pen = ImageDraw.Draw(canvas)
    radius = pixels / 2
    for line in strokes.lines:
        points = (line * scale).tolist()
        pen.line([(x, y) for x, y in points], fill=0, width=pixels)
        # Thin lines need no round joints, and dots only where a stroke is one point.
        for x, y in points if pixels > 3 or len(points) == 1 else ():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(canvas.reduce(_SUPERSAMPLING), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class StrokeFile:
    """The drawings of one `.npz` file, by key."""

    rows: Mapping[str, int]  # number of each key's drawing
    points: NDArray[Any]  # float32 or uint8 (p, 2), all drawings in order
    ends: NDArray[np.int64]  # int (s + 1,) where each stroke starts in `points`, and the end
    first: NDArray[np.int64]  # int (n + 1,) each drawing's first stroke, and the end
    centred: bool  # whether drawings are moved to the middle of the canvas
    category: NDArray[np.str_]  # what each drawing shows, (n,); "" where the file does not say

    def __getitem__(self, key: str) -> Strokes:
        if key not in self.rows:
            raise DataError(
                f"no drawing {key!r}",
                f"the file has {len(self.rows)} drawings, such as {next(iter(self.rows))!r}",
                "check the key behind the #",
            )
        row = self.rows[key]
        ends = self.ends[self.first[row] : self.first[row + 1] + 1]
        points = self.points[ends[0] : ends[-1]].astype(np.float32)
        if self.centred:
            low, high = points.min(0), points.max(0)
            scale = DRAWING_SIZE / max(float((high - low).max()), 1.0)
            points = (points - (low + high) / 2) * scale + CANVAS / 2
        return Strokes(np.split(points, ends[1:-1] - ends[0]))


def open_file(file: str | os.PathLike[str] | bytes, name: str) -> StrokeFile:
    """Opens an `.npz` of drawings, from its path or its bytes; error messages call it `name`.

    Raises:
        DataError: no such file, no `.npz`, or not the layout of ChairV2 or Quick, Draw!.
    """
    arrays = read_npz(file, name)
    try:
        if arrays.keys() >= QUICKDRAW_KEYS:
            return _quickdraw(arrays)
        if arrays.keys() >= CHAIR_KEYS:
            return _chair(arrays)
    except (IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"the arrays of {name} do not fit together ({error})",
            "offsets point into the points",
            "fetch the file again",
        ) from None
    raise DataError(
        f"{name} has the keys {', '.join(arrays)}",
        f"strokes need {', '.join(sorted(CHAIR_KEYS))} or {', '.join(sorted(QUICKDRAW_KEYS))}",
        "check the file",
    )


def only_drawing(data: bytes, name: str) -> Strokes:
    """The drawing of an `.npz` that holds one.

    Raises:
        DataError: several, or as `open_file`.
    """
    file = open_file(data, name)
    key = next(iter(file.rows), "key")
    if len(file.rows) != 1:
        raise DataError(
            f"{name} has {len(file.rows):,} drawings",
            "a query is one drawing",
            f"give its key behind the name, as in drawings.npz#{key}",
        )
    return file[key]


def _quickdraw(arrays: Mapping[str, NDArray[Any]]) -> StrokeFile:
    first = arrays["drawing_first_stroke"].astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(arrays["stroke_len"], dtype=np.int64)])
    _inside(ends, first, arrays["points"], len(arrays["key_id"]))
    rows = {str(key): row for row, key in enumerate(arrays["key_id"].tolist())}
    categories = arrays["categories"].astype(str)[arrays["label"]]
    return StrokeFile(rows, arrays["points"], ends, first, True, categories)


def _chair(arrays: Mapping[str, NDArray[Any]]) -> StrokeFile:
    points, offsets = arrays["points"], arrays["offsets"].astype(np.int64)
    # The third value is 1 at a stroke's last point. Some drawing's last point might
    # lack it, so that the drawings' own ends count too.
    ends = np.union1d(np.flatnonzero(points[:, 2] > 0.5) + 1, offsets)
    first = np.searchsorted(ends, offsets)
    _inside(ends, first, points[:, :2], len(arrays["keys"]))
    rows = {str(key): row for row, key in enumerate(arrays["keys"].tolist())}
    return StrokeFile(rows, points[:, :2], ends, first, False, np.full(len(arrays["keys"]), ""))


def _inside(
    ends: NDArray[np.int64], first: NDArray[np.int64], points: NDArray[Any], drawings: int
) -> None:
    whole = len(first) == drawings + 1 and first[0] == 0 and first[-1] == len(ends) - 1
    whole = whole and bool((np.diff(first) > 0).all()) and points.shape == (ends[-1], 2)
    whole = whole and points.dtype.kind in "biuf" and bool(np.isfinite(points).all())
    if not whole or ends[0] != 0 or not bool((np.diff(ends) > 0).all()):
        raise ValueError(f"{drawings} drawings, {len(ends) - 1} strokes, points {points.shape}")
