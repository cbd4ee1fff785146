"""What a made-up product is: filled parts and drawn lines, back to front.

A kind of product is a class whose `_build` makes its items with random numbers, y upwards, in
units of its own; `draw` then moves them to the canvas, y downwards. The photo and the sketches
are made from the same items, which is why a sketch belongs to exactly one photo. A new kind
needs its class and its place in `shoe`, `chair` or `bag`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.colours import NAMES, Colour, shade
from cdim.data.synthetic.shapes import Points, band, curve, cut, ellipse, rounded, softened

CANVAS = 256
ESSENTIAL, USUAL, FINE, UNDRAWN = 0, 1, 2, 3
"""How soon a person leaves something out: never, in a rough sketch, in a quick one, always."""
Look = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A filled, shaded region; the strengths are from 0 to 1."""

    points: Points  # its outline, (k, 2)
    colour: Colour
    puff: float = 0.5  # how round the surface looks
    gloss: float = 0.2  # the highlight
    lift: float = 0.3  # the shadow thrown on what lies behind
    grain: float = 0.0  # the texture
    detail: int = ESSENTIAL


@dataclass(frozen=True)
class Line:
    """An open line on the surface: a seam, a lace, a crease; lengths in canvas pixels."""

    points: Points  # a polyline, (k, 2)
    colour: Colour
    width: float = 1.0
    dash: float = 0.0  # length of the dashes and of the gaps; 0 for a solid line
    detail: int = USUAL


class Product(ABC):
    """One product: its kind, its main colour and, once built, its items from back to front.

    Everything that draws takes `look` as in `Part` or `Line`, and puts the item in front of
    what is there.
    """

    kind: ClassVar[str]
    palette: ClassVar[tuple[Colour, ...]]

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.items: list[Part | Line] = []
        self.main = self.pick_main()

    def pick_main(self) -> Colour:
        """The colour that the product is called by."""
        return self.pick(*self.palette)

    @property
    def name(self) -> str:
        """Main colour and kind, such as "red boot"."""
        return f"{NAMES[self.main]} {self.kind}"

    def draw(self) -> None:
        """Draws itself, and moves the items to the canvas with a margin of 10 to 18 pixels."""
        self._build()
        margin, every = self.size(10, 18), np.concatenate([item.points for item in self.items])
        low, high = every.min(axis=0), every.max(axis=0)
        scale = np.array([1, -1]) * ((CANVAS - 2 * margin) / float((high - low).max()))
        moved = [(item.points - (low + high) / 2) * scale + CANVAS / 2 for item in self.items]
        self.items = [replace(i, points=p) for i, p in zip(self.items, moved, strict=True)]

    @abstractmethod
    def _build(self) -> None:
        """Makes the items, y upwards, in units of its own."""

    def size(self, low: float, high: float) -> float:
        """A random length or share."""
        return self.rng.uniform(low, high)

    def sizes(self, *ranges: tuple[float, float]) -> list[float]:
        """One random length or share for each range."""
        return [self.rng.uniform(low, high) for low, high in ranges]

    def number(self, low: int, high: int) -> int:
        """A random whole number of `low` or more and less than `high`."""
        return int(self.rng.integers(low, high))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.rng.random() < share

    def pick(self, *choices: Colour) -> Colour:
        """One colour of several."""
        return choices[int(self.rng.integers(len(choices)))]

    def seen(self, points: Any) -> Points:
        """Points as they are seen, (k, 2); things with depth are projected."""
        return np.asarray(points, dtype=np.float64)

    def part(self, outline: Any, colour: Colour, **look: Any) -> Points:
        """A part with this outline, which is returned."""
        self.items.append(Part(self.seen(outline), colour, **look))
        return self.items[-1].points

    def line(self, points: Any, colour: Colour, **look: Any) -> None:
        """A line along straight pieces."""
        self.items.append(Line(self.seen(points), colour, **look))

    def seam(self, points: Any, colour: Colour, **look: Any) -> None:
        """A smooth line."""
        self.line(curve(self.seen(points)), colour, **look)

    def patch(
        self, outline: Points, start: Any, end: Any, colour: Colour, bulge: float = 0, **look: Any
    ) -> None:
        """The part of an outline to the left of a line, as in `cut`."""
        self.part(cut(outline, start, end, bulge), colour, **look)

    def panel(self, corners: Any, radius: float, colour: Colour, **look: Any) -> Points:
        """A polygon with softened corners."""
        return self.part(softened(self.seen(corners), radius), colour, **look)

    def blob(self, points: Any, colour: Colour, sharp: tuple[int, ...] = (), **look: Any) -> Points:
        """A smooth outline with corners at the points `sharp`."""
        return self.part(curve(self.seen(points), closed=True, sharp=sharp), colour, **look)

    def plate(
        self, x0: float, y0: float, x1: float, y1: float, radius: float, colour: Colour, **look: Any
    ) -> None:
        """A rectangle with round corners."""
        self.part(rounded(x0, y0, x1, y1, radius), colour, **look)

    def oval(
        self, centre: Any, rx: float, ry: float, colour: Colour, steps: int = 32, **look: Any
    ) -> None:
        """An ellipse of so many points."""
        self.part(ellipse(self.seen(centre), rx, ry, steps), colour, **look)

    def rod(self, points: Any, width: float, colour: Colour, end: float = 0, **look: Any) -> None:
        """A ribbon along straight pieces, `end` wide at its end; 0 is `width`."""
        self.part(band(self.seen(points), width, end or width), colour, **look)

    def cord(self, points: Any, width: float, colour: Colour, end: float = 0, **look: Any) -> None:
        """A ribbon along a smooth line, `end` wide at its end; 0 is `width`."""
        self.rod(curve(self.seen(points)), width, colour, end, **look)


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


def around(turn: Any, radius: float, height: float) -> Points:
    """Places on a level circle."""
    places = radius * np.cos(turn), height, radius * np.sin(turn)
    return np.stack(np.broadcast_arrays(*places), axis=-1)
