"""The shapes and paths of an SVG as points."""

from __future__ import annotations

import cmath
import itertools
import math
import re
from collections.abc import Mapping

import numpy as np

Points = list[tuple[float, float]]
"""Of x and y, joined in their order."""

_NUMBER_LENGTH = 64  # digits of a number, at most: more are no coordinate
_STEPS = 32  # points that a curve is drawn with
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NEXT = re.compile(rf"[\s,]*({_NUMBER.pattern})")
_FLAG = re.compile(r"[\s,]*([01])")
_COMMAND = re.compile(r"[\s,]*([MmZzLlHhVvCcSsQqTtAa])")
_UNITS = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}


def number(text: str, otherwise: float) -> float:
    """The number that a text begins with, in pixels where it has a unit."""
    found = _NUMBER.match(text.lstrip())
    if found is None or len(found[0]) > _NUMBER_LENGTH:
        return otherwise
    return float(found[0]) * _UNITS.get(text.strip()[found.end() :].strip(), 1.0)


def length(attributes: Mapping[str, str], key: str, otherwise: float = 0.0) -> float:
    """An attribute that is a length, in pixels."""
    return number(attributes.get(key, ""), otherwise)


def numbers(text: str) -> list[float]:
    """All numbers of a list, up to the first that is none."""
    found = []
    for match in _NUMBER.finditer(text):
        if len(match[0]) > _NUMBER_LENGTH:
            break
        found.append(float(match[0]))
    return found


def _rectangle(attributes: Mapping[str, str]) -> Points:
    x, y, width, height = (length(attributes, key) for key in ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        return []
    rx, ry = (length(attributes, key, -1) for key in ("rx", "ry"))
    rx, ry = (rx if rx >= 0 else max(ry, 0)), (ry if ry >= 0 else max(rx, 0))
    rx, ry = min(rx, width / 2), min(ry, height / 2)
    right, low = x + width, y + height
    if rx == 0 or ry == 0:
        return [(x, y), (right, y), (right, low), (x, low), (x, y)]
    corners = ((right - rx, y + ry), (right - rx, low - ry), (x + rx, low - ry), (x + rx, y + ry))
    points = [
        point
        for (cx, cy), start in zip(corners, (-90, 0, 90, 180), strict=True)
        for point in _round(cx, cy, rx, ry, start)
    ]
    return [*points, points[0]]


def _ellipse(attributes: Mapping[str, str]) -> Points:
    r = length(attributes, "r", -1)
    rx, ry = (length(attributes, key, r) for key in ("rx", "ry"))
    if rx <= 0 or ry <= 0:
        return []
    cx, cy = length(attributes, "cx"), length(attributes, "cy")
    points = [point for start in (0, 90, 180, 270) for point in _round(cx, cy, rx, ry, start)]
    return [*points, points[0]]


def _round(cx: float, cy: float, rx: float, ry: float, start: float) -> Points:
    """A quarter of an ellipse from an angle on, degrees."""
    angles = np.radians(start + 90 * np.arange(_STEPS + 1) / _STEPS)
    x, y = cx + rx * np.cos(angles), cy + ry * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _straight(attributes: Mapping[str, str]) -> Points:
    x1, y1, x2, y2 = (length(attributes, key) for key in ("x1", "y1", "x2", "y2"))
    return [(x1, y1), (x2, y2)]


def _polyline(attributes: Mapping[str, str]) -> Points:
    n = numbers(attributes.get("points", ""))
    return list(zip(n[::2], n[1::2], strict=False))


def _polygon(attributes: Mapping[str, str]) -> Points:
    points = _polyline(attributes)
    return [*points, *points[:1]]


SHAPES = {
    "rect": _rectangle,
    "circle": _ellipse,
    "ellipse": _ellipse,
    "line": _straight,
    "polyline": _polyline,
    "polygon": _polygon,
}
_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def path_lines(text: str, most: int) -> list[Points]:
    """The lines of a path, a new one at every move of the pen, up to where it cannot be read.

    Args:
        text: its attribute `d`.
        most: points after which it stops.
    """
    lines: list[Points] = []
    command = before = ""
    place = count = 0
    here = first = control = (0.0, 0.0)
    while count <= most and (found := _command(text, place, command)):
        command, n, place = found
        kind = command.upper()
        if kind != "M" and not lines:
            break
        if command.islower():
            n = [v + here[i % 2] for i, v in enumerate(n)] if kind not in "HVA" else n
            n = [n[0] + here[kind == "V"]] if kind in "HV" else n
            n = [*n[:5], n[5] + here[0], n[6] + here[1]] if kind == "A" else n
        if kind == "M":
            lines.append([])
            new, first = [(n[0], n[1])], (n[0], n[1])
            command = "l" if command == "m" else "L"  # for what follows without a letter
        elif kind == "Z":
            new = [first]
        elif kind in "HV":
            new = [(n[0], here[1]) if kind == "H" else (here[0], n[0])]
        elif kind == "L":
            new = [(n[0], n[1])]
        elif kind == "A":
            new = _arc(here, n)
        else:
            # S and T go on as the curve before them came in.
            smooth = before in ("CS" if kind == "S" else "QT")
            mirrored = (2 * here[0] - control[0], 2 * here[1] - control[1]) if smooth else here
            n = [*mirrored, *n] if kind in "ST" else n
            control = (n[-4], n[-3])
            new = _bezier([here, *zip(n[::2], n[1::2], strict=True)])
        if before == "Z" and kind != "M":
            lines.append([here])
        lines[-1].extend(new)
        here, before, count = new[-1], kind, count + len(new)
    return lines


def _command(text: str, place: int, last: str) -> tuple[str, list[float], int] | None:
    """The next command of a path, its numbers and the place behind them; None at the end."""
    found = _COMMAND.match(text, place)
    if found:
        last, place = found[1], found.end()
    elif last in ("", "Z", "z"):
        return None
    numbers = []
    for position in range(_ARGUMENTS[last.upper()]):
        # The two flags of an arc may stand without a gap.
        number = (_FLAG if last in "Aa" and position in (3, 4) else _NEXT).match(text, place)
        if number is None or len(number[1]) > _NUMBER_LENGTH:
            return None
        numbers.append(float(number[1]))
        place = number.end()
    return last, numbers, place


def _bezier(controls: Points) -> Points:
    """A curve of degree 2 or 3, without its start."""
    t = (np.arange(1, _STEPS + 1) / _STEPS)[:, None]
    points = [np.array(c) for c in controls]
    while len(points) > 1:  # de Casteljau
        points = [a + (b - a) * t for a, b in itertools.pairwise(points)]
    return [(x, y) for x, y in points[0].tolist()]


def _arc(here: tuple[float, float], n: list[float]) -> Points:
    """An elliptical arc from `here`, without its start (SVG 2, appendix B.2.4)."""
    rx, ry, lean, large, sweep, x, y = n
    rx, ry = abs(rx), abs(ry)
    if rx == 0 or ry == 0 or here == (x, y):
        return [(x, y)]
    turn = cmath.exp(1j * math.radians(lean))
    start, end = complex(*here), complex(x, y)
    half = (start - end) / 2 / turn
    u = complex(half.real / rx, half.imag / ry)
    grow = max(1.0, abs(u))  # radii that are too small grow until the arc reaches its end
    rx, ry, u = rx * grow, ry * grow, u / grow
    middle = u * 1j * math.sqrt(max(0.0, 1 / abs(u) ** 2 - 1)) * (1 if large == sweep else -1)
    angles = cmath.phase(u - middle), cmath.phase(-u - middle)
    span = (angles[1] - angles[0]) % math.tau - (0 if sweep else math.tau)
    steps = angles[0] + span * np.arange(1, _STEPS + 1) / _STEPS
    centre = complex(middle.real * rx, middle.imag * ry) * turn + (start + end) / 2
    points = (rx * np.cos(steps) + 1j * ry * np.sin(steps)) * turn + centre
    points[-1] = end
    return list(zip(points.real.tolist(), points.imag.tolist(), strict=True))
