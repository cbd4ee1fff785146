"""Files of one drawing: strokes as JSON, or an SVG.

    {"strokes": [[[x, y], ...], ...], "width": w, "height": h}     points on a canvas
    {"strokes": [[[x, y], ...], ...]}, or the list of strokes alone
    {"drawing": [[[x, ...], [y, ...]], ...]}                       Quick, Draw!

Of an SVG the outlines of paths, lines and shapes are drawn (`cdim.data.svg`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cdim.data.files import too_large
from cdim.data.strokes import CANVAS, DRAWING_SIZE, Strokes
from cdim.data.svg import read_lines
from cdim.errors import ImageError

MAX_BYTES = 4 * 2**20
"""Largest file of a drawing that is read."""
MAX_POINTS = 100_000
"""Most points a drawing may have."""
_FARTHEST = 1e7  # a coordinate beyond it is a mistake, and would swallow the digits of the others
_TODO = "export the drawing again, as plain paths or strokes"


def read_json(data: bytes, name: str) -> Strokes:
    """A drawing from the JSON that error messages call `name`, centred on the canvas.

    Raises:
        ImageError: too large, no JSON, or no drawing.
    """
    _check_size(data, name)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{name} is no JSON ({error})", "strokes are JSON", _TODO) from None
    return from_value(value, name)


def from_value(value: Any, name: str) -> Strokes:
    """A drawing from its JSON, in one of the three forms above, centred on the canvas.

    Raises:
        ImageError: no drawing.
    """
    if isinstance(value, Mapping) and "drawing" in value:
        lines = [_columns(stroke, name) for stroke in _listed(value["drawing"], name)]
    else:
        given = value.get("strokes") if isinstance(value, Mapping) else value
        lines = [_points(stroke, name) for stroke in _listed(given, name)]
    return centred(lines, name)


def read_svg(data: bytes, name: str) -> Strokes:
    """A drawing from an SVG, centred on the canvas.

    Args:
        data: content of the file.
        name: what error messages call it.

    Raises:
        ImageError: too large, broken, with nothing to draw, or with entities that grow.
    """
    _check_size(data, name)
    return centred(read_lines(data, name, MAX_POINTS), name)


def centred(lines: Sequence[NDArray[np.floating[Any]]], name: str) -> Strokes:
    """Strokes (k, 2) moved to the middle of the canvas and scaled to fill 225 of its 256 pixels.

    Raises:
        ImageError: no strokes, too many points, or coordinates that are not finite or far off.
    """
    if not lines:
        raise ImageError(f"{name} has no strokes", "a drawing has at least one", _TODO)
    points = np.concatenate(lines).astype(np.float64)
    if len(points) > MAX_POINTS:
        _too_many(name)
    if not (np.abs(points) <= _FARTHEST).all():
        raise ImageError(
            f"{name} has a coordinate of {np.abs(points).max():g}",
            f"they are numbers up to {_FARTHEST:g}",
            _TODO,
        )
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max())
    # A dot stays a dot.
    scale = DRAWING_SIZE / extent if extent > 0 else 1.0
    return Strokes([(line - (low + high) / 2) * scale + CANVAS / 2 for line in lines])


def _check_size(data: bytes, name: str) -> None:
    if len(data) > MAX_BYTES:
        raise too_large(name, len(data), MAX_BYTES)


def _listed(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise ImageError(
            f"{name} holds no strokes",
            'JSON of a drawing is {"strokes": [[[x, y], ...], ...]}, that list alone, or Quick, '
            'Draw!\'s {"drawing": [[[x, ...], [y, ...]], ...]}',
            _TODO,
        )
    return value


def _points(stroke: Any, name: str) -> NDArray[np.float32]:
    """One stroke [[x, y], ...] as (k, 2)."""
    try:
        pairs = [(_number(x), _number(y)) for x, y in stroke]
    except (TypeError, ValueError):
        raise _no_stroke(stroke, name) from None
    if not pairs:
        raise _no_stroke(stroke, name)
    return np.array(pairs, dtype=np.float32)


def _columns(stroke: Any, name: str) -> NDArray[np.float32]:
    """One stroke [[x, ...], [y, ...]], or with times as a third row, as (k, 2)."""
    try:
        x, y = stroke[:2]
        pairs = zip(x, y, strict=True)
    except (TypeError, ValueError):
        raise _no_stroke(stroke, name) from None
    return _points(pairs, name)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    found = float(value) if abs(value) <= _FARTHEST else math.nan
    if not math.isfinite(found):
        raise ValueError
    return found


def _no_stroke(stroke: Any, name: str) -> ImageError:
    said = repr(stroke)
    return ImageError(
        f"{name} has the stroke {said if len(said) <= 60 else said[:57] + '...'}",
        f"a stroke has one or more points of two numbers, each at most {_FARTHEST:g}",
        _TODO,
    )


def _too_many(name: str) -> NoReturn:
    raise ImageError(
        f"{name} has more than {MAX_POINTS} points",
        "a drawing has no more",
        "simplify it, or export it as a picture",
    )
