"""Chairs, from the front, a little from one side and from above: dining, office, arm, stool."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.colours import DARK, FABRIC, STEEL, WOOD, Colour, shade
from cdim.data.synthetic.product import FINE, USUAL, Product, Solid, around
from cdim.data.synthetic.shapes import arch, ellipse, mirrored, shifted, shrunk, softened

Place = Callable[[float, float], tuple[float, float, float]]
"""Where a spot of a back is in space, from its place across (-1 to 1) and upwards (0 to 1)."""


class _Framed(Solid):
    """A chair of wood, in the share `wooden` of the cases, else of steel."""

    palette, wooden = WOOD, 0.0

    def pick_main(self) -> Colour:
        return super().pick_main() if self.chance(self.wooden) else STEEL


class Dining(_Framed):
    """Four legs, a seat and one of seven backs; arms and stretchers on some."""

    kind, wooden = "dining chair", 0.8
    thick: float
    cloth: Colour

    def _build(self) -> None:
        wood = self.main
        cloth = self.pick(*FABRIC) if self.chance(0.6) else shade(wood, 1.08)
        w, d, h, back, rake = self.sizes((42, 52), (38, 46), (82, 96), (84, 136), (8, 22))
        splay, thick = self.sizes((0, 14), (6, 9))
        slim, bow = thick * self.size(0.45, 1.0), float(self.rng.choice([0, 0, self.size(5, 9)]))
        seat = h + self.size(6, 17)

        def legs(end: int, colour: Colour) -> None:
            for side in self.sides:
                top = (side * (w - 4), h, end * (d - 4))
                foot = (side * (w - 4 + splay), 0, end * (d - 4 + splay))
                self.leg(top, foot, colour, thick, slim, bow)

        legs(-1, shade(wood, 0.8))
        if self.chance(0.45):
            self._stretchers(w - 4, d - 4, h, splay)
        legs(1, wood)
        self.thick, self.cloth = thick, cloth
        self._back(w, d, seat, back, rake)
        self.block((-w, h - 7, -d), (w, h, d), wood)
        grow = self.size(-3, 3)
        low, high = (-w - grow, h, -d), (w + grow, seat, d + grow)
        self.block(low, high, cloth, self.size(4, 14), puff=0.5, grain=0.6)
        if self.chance(0.3):
            up = seat + self.size(28, 42)
            for side in self.sides:
                self.leg((side * w, up, d * 0.55), (side * w, h, d * 0.6), wood, thick, thick)
                arm = [(w - 1, up, -d - rake * 0.3), (w + 4, up + 2, 0), (w, up, d * 0.7)]
                self.cord(np.multiply(arm, (side, 1, 1)), thick + 2, shade(wood, 1.05), puff=0.7)

    def _stretchers(self, w: float, d: float, h: float, splay: float) -> None:
        high, kind = self.size(0.2, 0.6), self.number(0, 3)
        out = splay * (1 - high)
        x, z, y = w + out, d + out, h * high
        turned = -1 if kind == 2 else 1  # crossed
        bars = [((-x, y, -z), (-x * turned, y, z)), ((x, y, -z), (x * turned, y, z))]
        if kind == 1:
            bars.append(((-x, y, 0), (x, y, 0)))
        for bar in bars:
            self.rod(bar, 5, shade(self.main, 0.9), puff=0.7, lift=0.1)

    def _back(self, w: float, d: float, low: float, tall: float, rake: float) -> None:
        lean = self.size(-5, 6)

        def at(u: float, v: float) -> tuple[float, float, float]:
            return (u * (w - 4 + lean * v), low + v * tall, -d + 4 - rake * v * v)

        kind = self.number(0, 7)
        if kind < 3:
            (self._padded, self._medallion, self._hoop)[kind](at)
        else:
            self._posts(at, 1.0)
            self._filling(at, kind)

    def _posts(self, at: Place, high: float) -> None:
        for u in (-1, 1):
            post = [at(u, 0), at(u, high / 2), at(u, high)]
            self.rod(post, self.thick, self.main, puff=0.8, gloss=0.3, lift=0.1)

    def _padded(self, at: Place) -> None:
        low, crown = self.sizes((0.0, 0.3), (1.0, 1.1))
        self._posts(at, low + 0.08)
        face = self.seen(mirrored(at(1, low), at(1, 0.96), at(0, crown)))
        self.panel(shifted(face, self.near * -4, 4), 12, shade(self.cloth, 0.7), puff=0.4)
        self.panel(face, 14, self.cloth, puff=0.6, grain=0.6, lift=0.2)
        if self.chance(0.6):
            for u in np.linspace(-0.6, 0.6, self.number(2, 5)):
                for v in (0.5, 0.78):
                    look = {"puff": 0.2, "lift": 0, "detail": USUAL}
                    self.oval(at(u, v), 2.4, 2.4, shade(self.cloth, 0.5), 10, **look)

    def _medallion(self, at: Place) -> None:
        for u in (-1, 1):
            self.rod([at(u, 0), at(u * 0.7, 0.3)], self.thick, self.main, puff=0.8, lift=0.1)
        turns = np.linspace(0, 2 * np.pi, 28)[:-1]
        rim = [at(0.92 * np.cos(t), 0.6 + 0.42 * np.sin(t)) for t in turns]
        frame = self.part(rim, self.main, puff=0.6, gloss=0.3)
        self.part(shrunk(frame, 0.8), self.cloth, puff=0.7, grain=0.6, lift=0.2)

    def _hoop(self, at: Place) -> None:
        look = {"puff": 0.8, "gloss": 0.3, "lift": 0.1}
        for u in np.linspace(-0.72, 0.72, self.number(4, 9)):
            rod = [at(u * 0.85, 0), at(u, 1.02 - 0.22 * u * u - 0.1 * abs(u))]
            self.rod(rod, 3.6, shade(self.main, 0.9), **look)
        hoop = arch(at(1, 0), at(0.98, 0.5), at(0.62, 0.93), at(0, 1.05))
        self.cord(hoop, self.thick, self.main, **look)

    def _filling(self, at: Place, kind: int) -> None:
        wood, wooden = self.main, {"puff": 0.6, "gloss": 0.3, "lift": 0.1, "grain": 0.2}
        low, rail, crown = self.sizes((0.1, 0.3), (0.1, 0.2), (0, 0.09))

        def board(v0: float, v1: float, rise: float, colour: Colour, **look: Any) -> None:
            top, bottom = arch(at(1, v1), at(0, v1 + rise)), arch(at(1, v0), at(0, v0 + rise * 0.7))
            self.blob([*top, *bottom[::-1]], colour, (0, 2, 3, 5), **{**wooden, **look})

        if kind == 3:  # upright slats
            n, wide = self.number(2, 8), self.size(4, 9)
            for u in np.linspace(-1, 1, n + 2)[1:-1]:
                self.rod([at(u, low - 0.05), at(u, 0.95)], wide, shade(wood, 0.92), **wooden)
        elif kind == 4:  # ladder
            for v in np.linspace(low + 0.1, 1 - rail - 0.1, self.number(1, 5)):
                board(v - 0.05, v + 0.05, crown, shade(wood, 0.95))
        elif kind == 5:  # cross
            for u in (-1, 1):
                bar = [at(-u, low), at(0, (low + 1) / 2 - 0.04), at(u, 1 - rail)]
                self.rod(bar, 7, shade(wood, 0.93), **wooden)
        else:  # one middle board, plain or like a vase
            waist = self.size(0.16, 0.5)
            vase = mirrored(at(0.42, 0.95), at(waist, 0.5), at(0.36, 0))
            self.blob(vase, shade(wood, 0.94), (0, 1, 3, 4), **wooden)
        if kind in (3, 5):
            board(low - 0.06, low + 0.02, 0, wood)
        board(1 - rail, 1.0, crown, wood if self.chance(0.7) else self.cloth, lift=0.2)
        for u in (-1, 1):
            if self.chance(0.35) and kind != 5:
                self.oval(at(u, 1.04), self.thick * 0.7, self.thick * 0.8, wood, 18, puff=0.8)


class Office(Solid):
    """On castors, with a column, a cushion, a curved back and perhaps arms and a headrest."""

    kind, palette = "office chair", (*FABRIC, DARK, DARK)

    def _build(self) -> None:
        cloth, metal = self.main, STEEL if self.chance(0.5) else DARK
        h, w, d = self.sizes((84, 104), (42, 52), (38, 46))
        n, reach, start = int(self.rng.choice([4, 5, 5])), self.size(48, 58), self.size(0, 1.2)
        spokes = start + np.arange(n) * 2 * np.pi / n
        for t in sorted(spokes, key=lambda t: float(np.sin(t - self.yaw))):
            self.oval(around(t, reach, 6), 6, 7, DARK, 18, puff=0.7, gloss=0.6)
            self.rod([(0, 24, 0), around(t, reach, 13)], 10, metal, 6, puff=0.8, gloss=0.6)
        for low, wide, light in ((20, 11, 0.8), (h * 0.6, 16, 0.9)):
            self.rod([(0, low, 0), (0, h, 0)], wide, shade(metal, light), puff=0.9, gloss=0.8)
        tall, lift, waist, crown = self.sizes((86, 124), (8, 26), (0.72, 1.05), (0.6, 1.0))
        y, z = h + 18 + lift, -d
        top, head = y + tall, self.chance(0.4)
        self.rod([(0, h, z + 18), (0, h + 6, z - 10), (0, y + 26, z - 8)], 13, metal, puff=0.8)
        if head:
            self.rod([(0, y + tall * 0.9, z - 14), (0, top + 20, z - 14)], 9, metal)
            cap = mirrored((w * 0.5, top + 9, z - 10), (w * 0.55, top + 34, z - 12))
            self.panel(cap, 12, cloth, puff=0.7, grain=0.8)
        middle = (w * 0.98, y + tall * 0.55, z - 10)
        rim = mirrored((w * waist * 0.9, y, z), middle, (w * crown, top, z - 14))
        panel = softened(self.seen(rim), self.size(12, 30))
        self.part(shifted(panel, -3 * self.near, 3), shade(cloth, 0.6))
        self.part(panel, cloth, puff=0.6, grain=0.9)
        style = self.number(0, 3)
        if style == 0:  # seams
            for v in np.linspace(0.2, 0.85, self.number(2, 6)):
                seam = arch((w * 0.9, y + tall * v, z - 8), (0, y + tall * v - 3, z - 8))
                self.seam(seam, shade(cloth, 0.55), width=1.6)
        elif style == 1:  # a field
            self.part(shrunk(panel, 0.8), shade(cloth, 0.8), puff=0.3, lift=0, grain=1.0)
        self._seat(w, d, h, metal)

    def _seat(self, w: float, d: float, h: float, metal: Colour) -> None:
        pad, arms = self.size(13, 20), self.number(0, 3)

        def arm(side: int) -> None:
            up, out = h + self.size(44, 47), w + 7
            shape = self.rod
            if arms == 1:  # T
                frame = [(w - 6, h, 4), (out, h + 6, 4), (out, up, 0)]
            else:  # loop
                frame = [(w, h, -20), (out, h + 8, -28), (out, up - 4, -28), (out, up, 8)]
                frame += [(out, up - 12, 26), (w, h, 20)]
                shape = self.cord
            shape(np.multiply(frame, (side, 1, 1)), 8, metal, puff=0.7)
            self.rod([(side * out, up + 2, -26), (side * out, up + 3, 24)], 13, DARK, puff=0.7)

        if arms:
            arm(-self.near)
        self.block((-w, h, -d), (w, h + pad, d), self.main, 16, puff=0.6, grain=0.8)
        if arms:
            arm(self.near)


class Armchair(Solid):
    """Upholstered, with thick arms, a loose cushion and short legs."""

    kind, palette = "armchair", FABRIC

    def _build(self) -> None:
        cloth, wood = self.main, self.pick(*WOOD)
        w, d, foot = self.sizes((40, 56), (42, 50), (8, 34))
        seat, arm = foot + self.size(34, 46), self.size(13, 24)
        high, back = seat + self.size(18, 40), seat + self.size(62, 122)
        soft, taper = self.sizes((4, 16), (0.4, 1))
        look = {"puff": 0.6, "grain": 0.7, "lift": 0.25}
        for end in (-1, 1):
            for side in self.sides:
                top = (side * (w + arm - 6), foot + 6, end * (d - 6))
                self.leg(top, (side * (w + arm - 4), 0, end * (d - 2)), wood, 9, 9 * taper)
        wing, crown = self.chance(0.3), self.size(0, 16)
        x = w + arm * (0.2 if wing else self.size(0.1, 0.95))
        rim = mirrored((x, seat - 10, -d + 14), (x, back, -d - 2), (0, back + crown, -d - 2))
        self.panel(shifted(self.seen(rim), -10 * self.near, 7), soft + 8, shade(cloth, 0.7), **look)
        self.panel(rim, soft + 8, cloth, **look)
        self._tufting(w, d, seat, back)
        roll = self.chance(0.4)

        def rest(side: int) -> None:
            inner, outer = sorted((side * w, side * (w + arm)))
            self.block((inner, foot, -d), (outer, high, d), cloth, soft, **look)
            if roll:
                middle = self.seen((side * (w + arm / 2), high - 3, d + 1))
                self.oval(middle, arm * 0.66, arm * 0.62, shade(cloth, 0.95), 26, **look)
                spiral = ellipse(middle, arm * 0.3, arm * 0.28, 20)
                self.line(spiral, shade(cloth, 0.55), detail=FINE)

        rest(-self.near)
        self.block((-w, foot, -d), (w, seat - 12, d), shade(cloth, 0.92), 3, **look)
        cushion = (-w, seat - 12, -d + 10), (w, seat + 4, d + 3)
        self.block(*cushion, shade(cloth, 1.05), 8, **look)
        if self.chance(0.3):
            middle = [(0, seat + 4, -d + 12), (0, seat + 4, d + 3), (0, seat - 12, d + 3)]
            self.line(middle, shade(cloth, 0.5), width=1.5)
        rest(self.near)
        if wing:
            tip, rear = (x + 6, (high + back) / 2, -d + 40), (x, back, -d - 2)
            ear = [(x, high, -d + 10), (x + 4, high, -d + 38), tip, (x, back, -d + 8), rear]
            for side in self.sides:
                self.panel(np.multiply(ear, (side, 1, 1)), 10, shade(cloth, 0.86), **look)

    def _tufting(self, w: float, d: float, seat: float, back: float) -> None:
        kind, z, dark = self.number(0, 4), -d + 6, shade(self.main, 0.5)
        if kind == 0:  # buttons
            rows = np.linspace(seat + 24, back - 16, 2 if back - seat < 90 else 3)
            for i, y in enumerate(rows):
                for u in np.linspace(-0.66, 0.66, 3 + i % 2):
                    self.oval((u * w, y, z), 2.6, 2.6, dark, 12, puff=0.3, lift=0, detail=USUAL)
        elif kind == 1:  # seams
            for u in np.linspace(-1, 1, self.number(1, 6) + 2)[1:-1]:
                self.line([(u * w, seat, z), (u * w, back - 8, z - 6)], dark, width=1.6)
        elif kind == 2:  # pillow
            low = [(-w * 0.6, seat + 4, z + 14), (w * 0.6, seat + 2, z + 14)]
            pillow = [*low, (w * 0.66, seat + 42, z + 4), (-w * 0.6, seat + 40, z + 4)]
            self.panel(pillow, 8, self.pick(*FABRIC), puff=0.9, grain=0.8, lift=0.4)


class Stool(_Framed):
    """Round or square seat on three or four legs, with a foot ring, perhaps a low back."""

    kind, wooden = "stool", 0.6

    def _build(self) -> None:
        wood = self.main
        cover = self.pick(*FABRIC) if self.chance(0.6) else shade(wood, 1.1)
        h, r, n = self.size(80, 190), self.size(34, 46), int(self.rng.choice([3, 4, 4]))
        splay, thick, pad = self.sizes((0, 16), (5, 8), (6, 20))
        turns = self.yaw + np.pi / 4 + np.arange(n) * 2 * np.pi / n + self.size(-0.3, 0.3)
        back_first = sorted(turns, key=lambda t: float(np.sin(t - self.yaw)))
        rings = [self.size(0.18, 0.5)] if self.chance(0.75) else []
        rings += [rings[0] + 0.25] if rings and self.chance(0.3) else []
        top = r * 0.72

        def legs(turns: list[float]) -> None:
            for t in turns:
                leg = [around(t, top, h), around(t, top + splay, 0)]
                self.rod(leg, thick, wood, thick * 0.75, puff=0.8, gloss=0.4, lift=0.1)

        legs(back_first[: n // 2])
        curved = self.chance(0.5)
        for share in rings:
            t = np.linspace(0, 2 * np.pi, 40) if curved else np.array([*turns, turns[0]])
            ring = self.seen(around(t, top + splay * (1 - share), h * share))
            if curved:
                self.line(ring, shade(wood, 0.8), width=2.4, detail=0)
            for bar in () if curved else pairwise(ring):
                self.rod(bar, 4.5, shade(wood, 0.85), puff=0.7, lift=0.1)
        legs(back_first[n // 2 :])
        if self.chance(0.35):
            self._back(h, h + pad + self.size(30, 60), r)
        seat = h + pad
        if self.chance(0.7):
            (x, y), deep = self.seen((0, seat, 0)), r * np.sin(self.pitch)
            t = np.linspace(np.pi, 2 * np.pi, 18)
            lower = y - pad * np.cos(self.pitch) + deep * np.sin(t)
            wall = [*np.stack([x + r * np.cos(t), lower], axis=1), (x + r, y), (x - r, y)]
            self.part(wall, shade(cover, 0.82), lift=0.2)
            self.oval((x, y), r, deep, shade(cover, 1.04), 40, puff=0.4, grain=0.5, lift=0)
        else:
            corners = (-r, h, -r), (r, seat, r)
            self.block(*corners, cover, self.size(3, 12), puff=0.5, grain=0.5)

    def _back(self, h: float, top: float, r: float) -> None:
        for x in np.linspace(-r * 0.75, r * 0.75, self.number(2, 6)):
            z = -np.sqrt(r * r - x * x) * 0.8
            self.rod([(x, h, z), (x, top, z - 4)], 4, shade(self.main, 0.9), puff=0.7)
        x = np.linspace(-r, r, 9)
        z = -np.sqrt(np.maximum(0, r * r - x * x)) * 0.9 - 4
        self.cord(np.stack([x, np.full(9, top), z], axis=1), 11, self.main, puff=0.6, lift=0.2)


def chair(rng: Generator) -> Product:
    """A chair of some kind, not drawn yet."""
    yaw = rng.uniform(0.35, 0.66) * (1 if rng.random() < 0.5 else -1)
    pitch = rng.uniform(0.22, 0.36)
    kind = int(np.searchsorted((0.4, 0.62, 0.84), rng.random()))
    return (Dining, Office, Armchair, Stool)[kind](rng, yaw, pitch)
