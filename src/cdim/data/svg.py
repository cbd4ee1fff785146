"""An SVG as lines: the outlines of its paths and shapes, as they lie after all transforms.

A small reader of what drawings are made of: paths, lines, shapes, groups, clones (`use`) and
transforms. Style sheets, fonts, filters and embedded pictures are passed over. Nothing outside the
file is opened. The time it takes grows with the size of the file, and what could make a drawing
grow (entities, clones of clones) is bounded while it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from cdim.data.svg_shapes import SHAPES, Points, length, number, numbers, path_lines
from cdim.errors import ImageError

Line = NDArray[np.float64]
"""Points (k, 2) of x and y, joined in their order."""
Colour = tuple[int, int, int]
Matrix = tuple[float, float, float, float, float, float]
"""a to f of SVG's matrix(a, b, c, d, e, f)."""

MAX_ELEMENTS = 50_000
"""Most elements that are drawn, clones counted each time."""
_DEEPEST = 200  # elements inside each other
_ENTITIES, _ENTITY = 50, 200  # that may be declared, and the longest of them in characters
_AT_EDGE = 0.03  # of the sheet's side: what is nearer to its edges is a frame

_TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)")
_GROUPS = ("svg", "g", "a", "switch")
_TODO = "export the drawing again, as plain paths or strokes"


@dataclass(frozen=True)
class _Element:
    tag: str
    attributes: Mapping[str, str]
    children: list[_Element] = field(default_factory=list)


@dataclass(frozen=True)
class _Style:
    """What children inherit."""

    fill: str = "black"
    stroke: str = "none"
    color: str = "black"
    width: float = 1.0
    visible: bool = True
    fill_opacity: float = 1.0
    stroke_opacity: float = 1.0
    opacity: float = 1.0


@dataclass(frozen=True)
class _Shape:
    """One shape: its lines, and the colours that it is painted in."""

    lines: list[Line]
    fill: Colour | None
    stroke: Colour | None

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """Its least and greatest x and y, (2, 2)."""
        points = np.concatenate(self.lines)
        return np.stack([points.min(0), points.max(0)])

    def is_rectangle(self) -> bool:
        """Whether it is one closed line along the edges of its box."""
        if len(self.lines) != 1 or len(self.lines[0]) not in (4, 5):
            return False
        (low, high), points = self.box, self.lines[0]
        at_edges = np.isclose(points, low) | np.isclose(points, high)
        return bool(at_edges.all()) and len({tuple(p) for p in points.tolist()}) == 4

    def shows(self, paper: Colour) -> bool:
        """Whether it leaves a trace on paper of a colour."""
        return any(colour not in (None, paper) for colour in (self.fill, self.stroke))


def read_lines(data: bytes, name: str, most: int) -> list[Line]:
    """The lines that an SVG shows.

    A rectangle that fills the sheet is paper, whatever its colour, and an empty one along its
    edges a frame: neither is drawn. What lies beyond the sheet is cut off.

    Args:
        data: content of the file.
        name: what error messages call it.
        most: points, at most.

    Raises:
        ImageError: no SVG, nested too deep, too many elements or points, or with entities that
            could grow.
    """
    root = _parse(data, name)
    if root.tag != "svg":
        raise ImageError(f"{name} is no SVG (<{root.tag}>)", "a whole SVG is needed", _TODO)
    sheet = _sheet(root)
    shapes = list(_Painter(root, name, most).shapes())
    if not shapes:
        return []
    extent = np.concatenate([line for shape in shapes for line in shape.lines])
    whole = np.stack([extent.min(0), extent.max(0)]) if sheet is None else sheet
    paper: Colour = (255, 255, 255)
    drawn: list[_Shape] = []
    for shape in shapes:
        if len(shapes) > 1 and shape.is_rectangle():
            if shape.fill and not drawn and _covers(shape.box, whole):
                paper = shape.fill
                continue
            if shape.fill is None and sheet is not None and _frames(shape.box, sheet):
                continue
        drawn.append(shape)
    # White lines on no sheet at all are meant to be seen.
    shown = [shape for shape in drawn if shape.shows(paper)] or drawn
    lines = [line for shape in shown for line in shape.lines]
    return [part for line in lines for part in _cut(line, sheet)] or lines


def _parse(data: bytes, name: str) -> _Element:
    """The elements of the file.

    Raises:
        ImageError: no XML, or it could grow.
    """
    top = _Element("", {})
    inside, count, entities = [top], 0, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        element = _Element(tag.rpartition(":")[2], attributes)
        inside[-1].children.append(element)
        inside.append(element)
        if len(inside) > _DEEPEST:
            raise ImageError(f"{name} is nested too deep", f"{_DEEPEST} levels at most", _TODO)
        if count > MAX_ELEMENTS:
            raise _too_much(name, f"more than {MAX_ELEMENTS} elements")

    def end(_tag: str) -> None:
        inside.pop()

    def entity(_name: str, parameter: int, value: str | None, *_outside: Any) -> None:
        nonlocal entities
        entities += 1
        plain = value is not None and len(value) <= _ENTITY and not set("&<%") & set(value)
        if parameter or not plain or entities > _ENTITIES:
            raise ImageError(
                f"{name} declares entities that grow or lie outside", "an SVG needs none", _TODO
            )

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ImageError(f"{name} is no SVG ({error})", "a whole SVG is needed", _TODO) from None
    return top.children[0]


class _Painter:
    """Walks over the elements, and over those that `use` clones.

    Args:
        root: the outermost element.
        name: what error messages call the file.
        most: points, at most.
    """

    def __init__(self, root: _Element, name: str, most: int) -> None:
        self.root, self.name, self.most = root, name, most
        self.left, self.elements = most, 0
        self.named: dict[str, _Element] = {}
        waiting = [root]
        while waiting:
            element = waiting.pop()
            self.named.setdefault(element.attributes.get("id", ""), element)
            waiting.extend(element.children)

    def shapes(self) -> Iterator[_Shape]:
        """The shapes that are painted, in their order."""
        yield from self._walk(self.root, _squeeze(self.root), _Style(), ())

    def _walk(
        self,
        element: _Element,
        matrix: Matrix,
        above: _Style,
        clones: tuple[int, ...],
    ) -> Iterator[_Shape]:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise _too_much(self.name, f"more than {MAX_ELEMENTS} elements")
        told = {**element.attributes, **_declarations(element.attributes.get("style", ""))}
        style = _style(told, above)
        if told.get("display", "").strip() == "none" or style.opacity == 0:
            return
        matrix = _times(matrix, _transform(element.attributes.get("transform", "")))
        if element.tag in _GROUPS or (element.tag == "symbol" and clones):
            if element.tag in ("svg", "symbol") and element is not self.root:
                matrix = _times(matrix, _view(element.attributes))
            for child in element.children:
                yield from self._walk(child, matrix, style, clones)
        elif element.tag == "use":
            attributes = element.attributes
            wanted = attributes.get("href") or attributes.get("xlink:href") or ""
            found = self.named.get(wanted.removeprefix("#")) if wanted.startswith("#") else None
            if found is not None and id(found) not in clones and len(clones) < _DEEPEST:
                offset = _moved(length(attributes, "x"), length(attributes, "y"))
                yield from self._walk(found, _times(matrix, offset), style, (*clones, id(found)))
        elif (element.tag == "path" or element.tag in SHAPES) and style.visible:
            yield from self._shape(element, matrix, style)

    def _shape(self, element: _Element, matrix: Matrix, style: _Style) -> Iterator[_Shape]:
        told = element.attributes
        turn = np.array([matrix[:2], matrix[2:4]])
        lines = []
        path = element.tag == "path"
        drawn: list[Points] = (
            path_lines(told.get("d", ""), self.left) if path else [SHAPES[element.tag](told)]
        )
        for points in drawn:
            self.left -= len(points)
            if self.left < 0:
                raise _too_much(self.name, f"more than {self.most} points")
            if len(points) > 1:
                lines.append(np.array(points) @ turn + matrix[4:])
        fill = _colour(style.fill, style, style.fill_opacity)
        stroke = _colour(style.stroke, style, style.stroke_opacity) if style.width > 0 else None
        if lines and (fill or stroke):
            yield _Shape(lines, fill, stroke)


def _too_much(name: str, given: str) -> ImageError:
    return ImageError(
        f"{name} has {given}", "a drawing has no more", "simplify it, or export it as a picture"
    )


def _style(told: Mapping[str, str], above: _Style) -> _Style:
    """What an element says of its paint, and what it inherits."""
    if not told:
        return above
    visibility = told.get("visibility", "").strip()
    return _Style(
        told.get("fill", above.fill).strip(),
        told.get("stroke", above.stroke).strip(),
        told.get("color", above.color).strip(),
        number(told.get("stroke-width", ""), above.width),
        visibility == "visible" or (above.visible and visibility not in ("hidden", "collapse")),
        _share(told.get("fill-opacity", ""), above.fill_opacity),
        _share(told.get("stroke-opacity", ""), above.stroke_opacity),
        above.opacity * _share(told.get("opacity", ""), 1.0),
    )


def _declarations(text: str) -> dict[str, str]:
    """The attribute `style`, such as "fill:none;stroke:red"."""
    pairs = (part.partition(":") for part in text.split(";"))
    return {
        key.strip(): value.partition("!")[0].strip() for key, _, value in pairs if value.strip()
    }


def _colour(text: str, style: _Style, opacity: float) -> Colour | None:
    """The colour of a paint; None for one that leaves no trace."""
    if text.lower() == "currentcolor":
        text = style.color
    if text.lower() in ("none", "transparent") or opacity == 0:
        return None
    if text.lower().startswith(("rgba(", "hsla(")):
        parts = [part.strip() for part in text[5:].rstrip(") ").replace("/", ",").split(",")]
        if _share(parts[-1], 1.0) == 0:
            return None
        text = f"{text[:3]}({','.join(parts[:3])})"
    try:
        found = ImageColor.getrgb(text)
    except ValueError:  # a gradient, a pattern, a colour of a later standard: some paint
        return (0, 0, 0)
    return None if len(found) > 3 and found[3] == 0 else found[:3]


def _share(text: str, otherwise: float) -> float:
    """An opacity, 0 to 1 or in percent."""
    value = number(text, otherwise)
    return min(1.0, max(0.0, value / 100 if text.strip().endswith("%") else value))


_SAME: Matrix = (1, 0, 0, 1, 0, 0)


def _times(m: Matrix, n: Matrix) -> Matrix:
    """The matrix that does `n` first, then `m`."""
    if n == _SAME:
        return m
    return (
        m[0] * n[0] + m[2] * n[1],
        m[1] * n[0] + m[3] * n[1],
        m[0] * n[2] + m[2] * n[3],
        m[1] * n[2] + m[3] * n[3],
        m[0] * n[4] + m[2] * n[5] + m[4],
        m[1] * n[4] + m[3] * n[5] + m[5],
    )


def _moved(x: float, y: float) -> Matrix:
    return (1, 0, 0, 1, x, y)


def _transform(text: str) -> Matrix:
    """The attribute `transform`; what cannot be read changes nothing."""
    matrix = _SAME
    for kind, inside in _TRANSFORM.findall(text):
        n = numbers(inside)
        if kind == "matrix" and len(n) == 6:
            matrix = _times(matrix, (n[0], n[1], n[2], n[3], n[4], n[5]))
        elif kind == "translate" and n:
            matrix = _times(matrix, _moved(n[0], n[1] if len(n) > 1 else 0))
        elif kind == "scale" and n:
            matrix = _times(matrix, (n[0], 0, 0, n[1] if len(n) > 1 else n[0], 0, 0))
        elif kind == "rotate" and n:
            cos, sin = math.cos(math.radians(n[0])), math.sin(math.radians(n[0]))
            x, y = n[1:3] if len(n) > 2 else (0.0, 0.0)
            turn = _times(_times(_moved(x, y), (cos, sin, -sin, cos, 0, 0)), _moved(-x, -y))
            matrix = _times(matrix, turn)
        elif kind in ("skewX", "skewY") and n:
            lean = math.tan(math.radians(n[0]))
            skew = (1.0, 0.0, lean, 1.0) if kind == "skewX" else (1.0, lean, 0.0, 1.0)
            matrix = _times(matrix, (*skew, 0, 0))
    return matrix


def _box(attributes: Mapping[str, str]) -> tuple[float, float, float, float] | None:
    """The view box: x, y, width and height; None where there is none."""
    n = numbers(attributes.get("viewBox", ""))
    return (n[0], n[1], n[2], n[3]) if len(n) == 4 and n[2] > 0 and n[3] > 0 else None


def _squeeze(root: _Element) -> Matrix:
    """Of the outermost element only what changes proportions: a drawing is scaled anyway."""
    width, height = (length(root.attributes, key) for key in ("width", "height"))
    box = _box(root.attributes)
    squeezed = root.attributes.get("preserveAspectRatio", "").strip().startswith("none")
    if box is None or not squeezed or width <= 0 or height <= 0:
        return _SAME
    return (width / box[2], 0, 0, height / box[3], 0, 0)


def _view(attributes: Mapping[str, str]) -> Matrix:
    """Where an inner `svg` or a `symbol` puts what it holds."""
    x, y = length(attributes, "x"), length(attributes, "y")
    box = _box(attributes)
    if box is None:
        return _moved(x, y)
    width, height = (
        length(attributes, key, side) for key, side in (("width", box[2]), ("height", box[3]))
    )
    scale = min(width / box[2], height / box[3])
    x += (width - scale * box[2]) / 2 - scale * box[0]
    y += (height - scale * box[3]) / 2 - scale * box[1]
    return (scale, 0, 0, scale, x, y)


def _sheet(root: _Element) -> NDArray[np.float64] | None:
    """The corners (2, 2) of what is seen of a drawing; None where the file does not say."""
    box = _box(root.attributes)
    width, height = (length(root.attributes, key) for key in ("width", "height"))
    if box is None:
        return np.array([[0, 0], [width, height]]) if width > 0 and height > 0 else None
    corners = np.array([[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]])
    across, _, _, down, _, _ = _squeeze(root)
    return corners * [across, down]


def _covers(box: NDArray[np.float64], sheet: NDArray[np.float64]) -> bool:
    """Whether a shape reaches over the sheet, but for a hundredth."""
    slack = 0.01 * (sheet[1] - sheet[0])
    return bool((box[0] <= sheet[0] + slack).all() and (box[1] >= sheet[1] - slack).all())


def _frames(box: NDArray[np.float64], sheet: NDArray[np.float64]) -> bool:
    """Whether a shape runs along the edges of the sheet."""
    return bool((np.abs(box - sheet) <= _AT_EDGE * (sheet[1] - sheet[0])).all())


def _cut(line: Line, sheet: NDArray[np.float64] | None) -> Iterator[Line]:
    """The parts of a line that lie on the sheet (Liang and Barsky's way to clip)."""
    if sheet is None or ((line >= sheet[0]) & (line <= sheet[1])).all():
        yield line
        return
    start, step = line[:-1], np.diff(line, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = np.stack([(sheet[0] - start) / step, (sheet[1] - start) / step])
    still = step == 0
    outside = still & ((start < sheet[0]) | (start > sheet[1]))
    first = np.where(still, -np.inf, hits.min(0)).max(1).clip(0, None)
    last = np.where(still, np.inf, hits.max(0)).min(1).clip(None, 1)
    seen = (first < last) & ~outside.any(1)
    points: list[NDArray[np.float64]] = []
    for row in np.flatnonzero(seen):
        enter, leave = (start[row] + share * step[row] for share in (first[row], last[row]))
        if not points or first[row] > 0 or not seen[row - 1]:
            if len(points) > 1:
                yield np.array(points)
            points = [enter]
        points.append(leave)
        if last[row] < 1:
            yield np.array(points)
            points = []
    if len(points) > 1:
        yield np.array(points)
