"""Bags, from the front: totes, satchels, backpacks."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.colours import GOLD, HIDE, SILVER, Colour, shade
from cdim.data.synthetic.product import FINE, USUAL, Product
from cdim.data.synthetic.shapes import Points, arch, ellipse, mirrored, shifted, shrunk, softened


class Tote(Product):
    """An open top, two handles, and something on the front."""

    kind, palette = "tote", HIDE

    def _build(self) -> None:
        main = self.main
        trim = self.pick(*HIDE, shade(main, 0.7), shade(main, 0.7))
        metal = self.pick(GOLD, SILVER)
        w, h, flare, sag = self.sizes((66, 100), (100, 150), (-14, 24), (0, 10))
        x, tall, wide = w * self.size(0.3, 0.62), self.size(36, 104), self.size(7, 12)
        peak, rim = self.size(0.35, 0.95), w + flare

        def handle(right: float, top: float, low: float) -> Points:
            half = (x, low), (x, h + 6), (x * peak, top - 10), (0, top)
            return shifted(arch(*half), right, 0)

        self.cord(handle(5, h + tall + 9, h - 12), wide, shade(trim, 0.7), puff=0.7)
        far = [*arch((rim, h), (0, h + self.size(5, 11))), (0, h - sag - 12)]
        self.blob(far, shade(main, 0.45), (0, 2), puff=0.1)
        side = arch((w, 6), (w + flare * 0.5, h * 0.5), (rim, h), (0, h - sag))
        body = self.blob([*side, (0, 0)], main, (0, 2, 4, 6), puff=0.6, grain=0.8)
        if self.chance(0.4):
            y = h * self.size(0.18, 0.4)
            self.patch(body, (300, y), (-300, y), trim, puff=0.4, lift=0.15)
        self._front(w, h, flare, sag, trim, metal)
        low = h - self.size(14, 0.5 * h)
        self.cord(handle(0, h + tall, low), wide, trim, puff=0.7, gloss=0.3, lift=0.35)
        for at in (-x, x):
            if self.chance(0.6):
                left, right = at - wide * 0.9, at + wide * 0.9
                self.plate(left, low - 8, right, low + 12, 3, shade(trim, 0.85), puff=0.4)
            self.oval((at, low + 3), 3, 3, metal, 12, gloss=0.9, lift=0, detail=USUAL)
        top = arch((rim - 2, h - 7), (0, h - sag - 7))
        self.seam(top, shade(main, 0.55), dash=3, detail=FINE)

    def _front(
        self, w: float, h: float, flare: float, sag: float, trim: Colour, metal: Colour
    ) -> None:
        kind = self.number(0, 6)
        if kind == 0:  # pocket
            x, high = w * self.size(0.4, 0.7), h * self.size(0.42, 0.64)
            pocket = mirrored((x, h * 0.14), (x, high))
            self.panel(pocket, self.size(2, 16), shade(trim, 0.95), puff=0.4, grain=0.8)
            self.line(arch((x - 3, high - 6)), shade(trim, 0.5), dash=3, detail=FINE)
        elif kind == 1:  # bands across
            for y in np.linspace(0.2, 0.72, self.number(1, 4)) * h:
                across = arch((w + flare * y / h, y), (0, y - sag * 0.6))
                self.rod(across, self.size(9, 15), trim, puff=0.3, lift=0.1)
        elif kind == 2:  # tab with a clasp
            self.panel(mirrored((13, h + 4), (11, h - 42)), 8, trim, lift=0.4)
            self.oval((0, h - 33), 5, 5, metal, 18, gloss=0.9)
        elif kind == 3:  # round badge
            r, middle = self.size(15, 26), (0, h * 0.42)
            self.oval(middle, r, r, trim, puff=0.3, lift=0.15)
            self.oval(middle, r * 0.55, r * 0.55, metal, 24, gloss=0.7, detail=USUAL)
        elif kind == 4:  # two upright seams
            upright = np.array([(w * 0.5, 3), (w * 0.58, h * 0.5), (w * 0.5, h - sag)])
            for side in (-1, 1):
                self.seam(upright * (side, 1), shade(trim, 0.6), width=1.6)
        else:  # tassel
            x = -w * 0.35
            self.line([(x, h - 4), (x - 3, h - 34)], shade(trim, 0.7), width=1.6)
            tuft = [(x - 8, h - 32), (x + 3, h - 32), (x + 8, h - 74), (x - 14, h - 74)]
            self.panel(tuft, 3, trim, puff=0.8)


class Satchel(Product):
    """A flap with straps or a clasp, a top handle or a shoulder strap."""

    kind, palette = "satchel", HIDE

    def _build(self) -> None:
        main, metal = self.main, self.pick(GOLD, SILVER)
        trim = self.pick(shade(main, 0.72), shade(main, 0.72), *HIDE)
        w, h, soft, pinch = self.sizes((84, 112), (86, 136), (4, 26), (-10, 12))
        hang = self.number(0, 3)
        if hang != 1:  # long strap
            strap = arch((w - 2, h - 14), (w * 0.86, h + 26), (0, h + self.size(70, 130)))
            self.cord(strap, self.size(6, 10), trim, puff=0.6)
        if hang != 0:  # handle
            x, tall, wide = self.sizes((24, 46), (20, 44), (8, 13))
            grip = arch((x, h - 4), (x - 3, h + tall - 8), (0, h + tall))
            self.cord(grip, wide, shade(trim, 0.9), puff=0.8, gloss=0.4)
        gusset = [(w - 6, 8), (w + 9, 14), (w + 7 - pinch, h - 12), (w - 10 - pinch, h - 2)]
        for side in (-1, 1):
            self.panel(np.multiply(gusset, (side, 1)), 5, shade(main, 0.65), puff=0.4)
            self.oval((side * (w - 1), h - 14), 6, 7, metal, 18, gloss=0.9, detail=USUAL)
        self.panel(mirrored((w, 0), (w - pinch, h)), soft, shade(main, 0.94), grain=0.6)
        if self.chance(0.5):
            inset = softened(mirrored((w - 8, 8), (w - 8, h * 0.5)), soft)
            self.seam(inset[6:18], shade(main, 0.5), dash=3, detail=FINE)
        if self.chance(0.4):
            high, n = self.size(0.3, 0.5) * h, self.number(1, 3)
            for i in range(n):
                x0, x1 = (-w * 0.82 + k * 1.64 * w / n for k in (i, i + 1))
                self.plate(x0 + 3, 7, x1 - 3, high, 8, shade(main, 0.98), grain=0.6)
        self._fastening(w, h, self._flap(w, h, pinch, soft), trim, metal)

    def _flap(self, w: float, h: float, pinch: float, soft: float) -> float:
        """Returns the height of its lower edge in the middle."""
        kind, low = self.number(0, 4), h * self.size(0.3, 0.68)
        main, (x, top) = self.main, (w - pinch + 2, h + 3)
        look = {"puff": 0.6, "gloss": 0.25, "lift": 0.45, "grain": 0.6}
        if kind == 0:  # straight
            corners = mirrored((x, top), (x + pinch * 0.5, low))
            shape = self.panel(corners, max(8, soft * 0.8), main, **look)
        elif kind == 1:  # one curve
            side, edge = low + (h - low) * self.size(0.35, 0.7), (w * 0.6, low + 7)
            around = [*arch((x, side), (x, top)), *arch(edge, (0, low))[::-1]]
            shape = self.blob(around, main, (0, 1, 2, 3), **look)
        elif kind == 2:  # pointed
            side = low + (h - low) * self.size(0.5, 0.8)
            shape = self.panel(mirrored((x, top), (x, side), (0, low - 6)), 7, main, **look)
        else:  # stepped tongue
            side = low + (h - low) * 0.5
            tongue = (w * 0.42, side - 4), (w * 0.34, low)
            shape = self.panel(mirrored((x, top), (x, side), *tongue), 9, main, **look)
        if self.chance(0.6):
            self.line(shrunk(shape, (0.95, 0.9)), shade(main, 0.5), dash=3, detail=FINE)
        return low

    def _fastening(self, w: float, h: float, low: float, trim: Colour, metal: Colour) -> None:
        kind = self.number(0, 4)
        if kind <= 1:  # one or two straps
            wide, foot = self.size(12, 19), max(8.0, low - self.size(16, 34))
            for x in (0.0,) if kind else (-w * 0.48, w * 0.48):
                self._buckled(x, h, wide, foot, low + 4, trim, metal)
        elif kind == 2:  # turn lock
            r = self.size(9, 15)
            self.plate(-r * 1.3, low + 2, r * 1.3, low + 6 + r, 4, metal, gloss=0.9)
            self.oval((0, low + 4 + r / 2), r * 0.5, r * 0.35, shade(metal, 0.6), 18, detail=USUAL)
        else:  # ring
            r = self.size(11, 20)
            ring = ellipse((0, low + 12), r, r, 36)
            self.rod([*ring, ring[0]], 5, metal, puff=0.8, gloss=0.9)

    def _buckled(
        self, x: float, h: float, wide: float, foot: float, y: float, trim: Colour, metal: Colour
    ) -> None:
        strap = mirrored((wide / 2, h + 3), (wide / 2, foot), (0, foot - 7))
        self.panel(shifted(strap, x, 0), 3, trim, gloss=0.3, lift=0.4)
        out, half = wide * 0.8, wide * 0.5
        self.plate(x - out, y - 9, x + out, y + 9, 3, metal, puff=0.4, gloss=0.9)
        self.plate(x - half, y - 5, x + half, y + 5, 2, trim, puff=0.3, lift=0, detail=USUAL)
        for hole in (16, 24):
            self.oval((x, y + hole), 1.7, 1.7, shade(trim, 0.3), 10, puff=0, lift=0, detail=FINE)


class Backpack(Product):
    """Round-topped, with pockets, zips, a loop and straps."""

    kind, palette = "backpack", HIDE

    def _build(self) -> None:
        main = self.main
        trim = self.pick(shade(main, 0.7), *HIDE)
        w, h, dome, bulge = self.sizes((58, 78), (150, 196), (0.25, 0.7), (0.92, 1.12))
        wide = w * bulge
        for side in (-1, 1):
            out = wide + self.size(10, 24)
            strap = [(w * 0.4, h - 6), (out - 8, h * 0.78), (out, h * 0.42), (w * 0.9, h * 0.08)]
            self.cord(np.multiply(strap, (side, 1)), 13, shade(trim, 0.8), 7, puff=0.7)
        x, tall = self.sizes((10, 20), (12, 26))
        self.cord(arch((x, h - 6), (x * 0.8, h + tall - 5), (0, h + tall)), 7, trim, puff=0.8)
        if self.chance(0.5):
            for side in (-1, 1):  # nets
                high = h * self.size(0.34, 0.4)
                net = [(w * 0.8, 6), (wide + 15, 12), (wide + 13, high), (w * 0.8, high + 6)]
                self.panel(np.multiply(net, (side, 1)), 7, shade(trim, 0.9), puff=0.7, grain=0.9)
        belly = (w * 0.94, 4), (wide, h * 0.4), (w * 0.96, h * 0.74), (w * dome, h * 0.97), (0, h)
        body = self.blob([*arch(*belly), (0, 0)], main, (0, 8), puff=0.8, gloss=0.15, grain=0.9)
        if self.chance(0.4):
            self.patch(body, (300, h * 0.14), (-300, h * 0.14), trim, puff=0.4, lift=0.1)
        if self.chance(0.45):
            self._lid(w, h, dome, trim)
        else:
            y, shoulder = h * self.size(0.56, 0.66), (w * dome * 0.9, h * 0.9)
            zipper = arch((w * 0.88, y - 10), (w * 0.84, h * 0.74), shoulder, (0, h * 0.93))
            self.seam(zipper, shade(main, 0.35), width=2.2)
            look = {"puff": 0.4, "gloss": 0.9, "detail": USUAL}
            self.plate(w * 0.82, y - 24, w * 0.92, y - 8, 2, SILVER, **look)
        self._pocket(w, h, trim)

    def _lid(self, w: float, h: float, dome: float, trim: Colour) -> None:
        low = h * self.size(0.56, 0.68)
        top = arch((w * 0.98, h * 0.74), (w * dome, h * 0.99), (0, h + 2))
        edge = arch((w * 0.86, low + 4), (0, low))[::-1]
        self.blob([*top, *edge], shade(self.main, 0.92), (0, 4), puff=0.8, lift=0.45, grain=0.8)
        for x in (0.0,) if self.chance(0.5) else (-w * 0.45, w * 0.45):
            self.plate(x - 7, low - 22, x + 7, low + 34, 3, trim, lift=0.35)
            self.plate(x - 10, low - 10, x + 10, low + 4, 2, GOLD, puff=0.4, gloss=0.9)

    def _pocket(self, w: float, h: float, trim: Colour) -> None:
        main, kind = self.main, self.number(0, 4)
        x, top = w * self.size(0.6, 0.84), h * self.size(0.34, 0.48)
        if kind == 3:  # two side by side
            for x0, x1 in ((-w * 0.82, -w * 0.06), (w * 0.06, w * 0.82)):
                self.plate(x0, 12, x1, top, 9, shade(trim, 1.02), puff=0.6, lift=0.35, grain=0.8)
                self.line([(x0 + 3, top - 13), (x1 - 3, top - 13)], shade(trim, 0.4), width=1.5)
            return
        colour = trim if self.chance(0.4) else shade(main, 0.96)
        self.plate(-x, 11, x, top, (6, 18, 40)[kind], colour, puff=0.7, lift=0.4, grain=0.8)
        if kind == 0:  # with a flap
            flap = mirrored((x + 2, top + 3), (x + 2, top * 0.72), (0, top * 0.6))
            self.panel(flap, 7, shade(main, 0.85), lift=0.4)
            self.oval((0, top * 0.7), 5, 5, GOLD, 16, gloss=0.9)
        else:  # with a zip
            self.seam(arch((x - 4, top - 22), (0, top - 15)), shade(main, 0.35), width=2.0)
            self.plate(x - 16, top - 36, x - 11, top - 20, 2, SILVER, gloss=0.9, detail=USUAL)
        if self.chance(0.4):
            tag = mirrored((11, top + 22), (11, top + 36))
            self.panel(tag, 3, shade(trim, 0.8), puff=0.3, detail=USUAL)


def bag(rng: Generator) -> Product:
    """A bag of some kind, not drawn yet."""
    return (Tote, Satchel, Backpack)[int(rng.integers(3))](rng)
