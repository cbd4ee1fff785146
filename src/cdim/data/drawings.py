"""Files of drawings: strokes as JSON, one drawing a file or a line (NDJSON), or an SVG.

    {"strokes": [[[x, y], ...], ...], "width": w, "height": h}     points on a canvas
    {"strokes": [[[x, y], ...], ...]}, or the list of strokes alone
    {"drawing": [[[x, ...], [y, ...]], ...]}                       columns, as Quick, Draw! has them

The shape of its strokes says whether a drawing holds points or columns. Where it fits both, as
[[1, 2], [3, 4]] does, `drawing` holds columns and the other two hold points. Third and fourth
values, such as pressure and time, are ignored. So are strokes without points.

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
from cdim.strict import shown

MAX_BYTES = 4 * 2**20
"""Largest file of a drawing that is read."""
MAX_POINTS = 100_000
"""Most points a drawing may have."""
_FARTHEST = 1e7  # a coordinate beyond it is a mistake, and would swallow the digits of the others
_VALUES = {2, 3, 4}  # of a point: x and y, perhaps pressure and time
_TODO = "export the drawing again, as plain paths or strokes"


class DrawingLines:
    """The drawings of a file that has one a line (NDJSON), by the number of the line, from 1.

    Args:
        data: content of the file.
        name: what error messages call it.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._lines = data.splitlines()
        self._name = name

    def __getitem__(self, key: str) -> Strokes:
        if not (key.isdecimal() and 1 <= int(key) <= len(self._lines)):
            raise ImageError(
                f"{self._name} has no drawing {key!r}",
                f"its lines are 1 to {len(self._lines)}",
                "check the number behind the #",
            )
        return read_json(self._lines[int(key) - 1], f"{self._name}#{key}")


def read_ndjson(data: bytes, name: str) -> Strokes:
    """The drawing of a file that has one drawing, on one line.

    Raises:
        ImageError: several, or as `read_json`.
    """
    lines = [line for line in data.splitlines() if line.strip()]
    if len(lines) > 1:
        raise ImageError(
            f"{name} has {len(lines):,} drawings, one a line",
            "a query is one drawing",
            "give the number of its line behind the name, as in drawings.ndjson#1",
        )
    return read_json(b"".join(lines), name)


def read_json(data: bytes, name: str) -> Strokes:
    """A drawing from the JSON that error messages call `name`, centred on the canvas.

    Raises:
        ImageError: too large, no JSON, or no drawing.
    """
    _check_size(data, name)
    try:
        return from_value(json.loads(data), name)
    except (ValueError, RecursionError) as error:
        first, _, more = data.strip().partition(b"\n")
        if more and _is_json(first):
            return read_ndjson(data, name)
        raise ImageError(f"{name} is no JSON ({error})", "strokes are JSON", _TODO) from None


def from_value(value: Any, name: str) -> Strokes:
    """A drawing from its JSON, in one of the three forms above, centred on the canvas.

    Raises:
        ImageError: no drawing.
    """
    named = value if isinstance(value, Mapping) else {"strokes": value}
    given = named.get("drawing", named.get("strokes"))
    strokes = [stroke for stroke in _listed(given, name) if not _is_empty(stroke)]
    if not strokes:
        raise ImageError(f"{name} has no points", "a drawing has at least one", _TODO)
    shapes = [_shape(stroke, name) for stroke in strokes]
    columns, points = ({shape[axis] for shape in shapes} for axis in (0, 1))
    if not (columns <= _VALUES or points <= _VALUES):
        wrong = [s for s, shape in zip(strokes, shapes, strict=True) if not _VALUES & {*shape}]
        raise _no_stroke((wrong or strokes)[0], name)
    # Where both forms fit: that whose strokes are alike, else that of the key.
    likely = len(columns) < len(points) or (len(columns) == len(points) and "drawing" in named)
    in_columns = columns <= _VALUES and (likely or not points <= _VALUES)
    if sum(shape[in_columns] for shape in shapes) > MAX_POINTS:
        _too_many(name)
    return centred([_points(stroke, in_columns, name) for stroke in strokes], name)


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


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _is_empty(stroke: Any) -> bool:
    tables = isinstance(stroke, list | tuple)
    return tables and all(isinstance(row, list | tuple) and not row for row in stroke)


def _shape(stroke: Any, name: str) -> tuple[int, int]:
    """The number of a stroke's rows, and of the values that each of them has."""
    rows = stroke if isinstance(stroke, list | tuple) else [stroke]
    widths = {len(row) if isinstance(row, list | tuple) else 0 for row in rows}
    if len(widths) != 1 or widths == {0}:
        raise _no_stroke(stroke, name)
    return len(rows), widths.pop()


def _points(stroke: Any, columns: bool, name: str) -> NDArray[np.float32]:
    """One stroke [[x, y, ...], ...], or [[x, ...], [y, ...], ...] in columns, as (k, 2)."""
    pairs = zip(stroke[0], stroke[1], strict=True) if columns else (point[:2] for point in stroke)
    try:
        return np.array([(_number(x), _number(y)) for x, y in pairs], dtype=np.float32)
    except ValueError:
        raise _no_stroke(stroke, name) from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    found = float(value) if abs(value) <= _FARTHEST else math.nan
    if not math.isfinite(found):
        raise ValueError
    return found


def _no_stroke(stroke: Any, name: str) -> ImageError:
    return ImageError(
        f"{name} has the stroke {shown(stroke)}",
        f"a stroke is points [x, y] or columns [[x, ...], [y, ...]], numbers up to {_FARTHEST:g}",
        _TODO,
    )


def _too_many(name: str) -> NoReturn:
    raise ImageError(
        f"{name} has more than {MAX_POINTS} points",
        "a drawing has no more",
        "simplify it, or export it as a picture",
    )
