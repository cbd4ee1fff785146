"""Shoes, side view, toe to the left: sneakers, boots, heels."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.colours import BLACK, CLOTH, LEATHER, METAL, WHITE, Colour, shade
from cdim.data.synthetic.product import FINE, USUAL, Look, Product
from cdim.data.synthetic.shapes import Points, arch, curve, cut, shifted


class Sneaker(Product):
    """Low or high, with eyelets, laces, caps and a mark on the side."""

    kind, palette = "sneaker", CLOTH

    def _build(self) -> None:
        main, trim = self.main, self.pick(*CLOTH, WHITE, WHITE, BLACK)
        sole = self.pick(WHITE, WHITE, BLACK, (206, 178, 132))
        high = self.chance(0.4)
        s0, s1, box, spring = self.sizes((12, 20), (15, 34), (22, 34), (0, 9))
        throat = np.array([self.size(60, 84), s0 + box + self.size(18, 26)])
        top = self.size(128, 165) if high else self.size(82, 100)
        front = np.array([self.size(112, 128) + 10 * high, top])
        back = top + self.size(-14, 12)
        dip = min(top, back) - (self.size(2, 12) if high else self.size(14, 30))
        toe = [(2, s0 + 12 + spring), (14, s0 + box + spring), (44, s0 + box + 8)]
        heel = [(209, back - 8), (205, s1 + 34), (213, s1 + 10), (208, s1 * 0.5)]
        rim = [throat, front, (front[0] + 16, top - 1), (162, dip), (198, back)]
        self._collar(front, back, trim)
        around = [(5, s0 * 0.5 + spring), *toe, *rim, *heel]
        upper = self.blob(around, main, (0, 5, 12), puff=0.75, gloss=0.15, grain=0.7)
        self._panels(upper, trim, s0, box)
        self._lacing(throat, front, trim)
        self._mark(trim if trim != main else shade(main, 0.5), s1)
        self._sole(sole, s0, s1, spring, trim)

    def _collar(self, front: Points, back: float, trim: Colour) -> None:
        tall, rim = self.size(10, 26), (165, (front[1] + back) / 2 - 3)
        inside = [front - (2, 24), shifted(front, 8, 2), rim, (199, back - 1)]
        inside += [(190, back - 30), (150, front[1] - 50)]
        self.blob(inside, shade(self.main, 0.6), puff=0.1)
        edge = [(-26, -26), (-16, tall - 4), (-8, tall + 2), (7, tall - 2), (10, -20)]
        self.blob(front + edge, trim, (0, 4), puff=0.6, grain=0.6)

    def _panels(self, upper: Points, trim: Colour, s0: float, box: float) -> None:
        kind = self.number(0, 3)
        if kind == 0:  # round rubber toe
            look = {"puff": 0.7, "gloss": 0.3, "grain": 0.1, "lift": 0.2}
            self.patch(upper, (self.size(28, 44), 0), (self.size(30, 44), 90), trim, 0.25, **look)
        elif kind == 1:  # mudguard along the front
            x, up = self.size(70, 105), s0 + box * self.size(0.7, 1.05)
            self.patch(upper, (x, s0), (0, up), trim, -0.12, lift=0.2, grain=0.2)
        else:  # creases
            for x in np.arange(self.number(1, 4)) * 12.0 + 30:
                crease = [(x, s0 + box + 6), (x + 5, s0 + box - 8)]
                self.line(crease, shade(self.main, 0.5), detail=FINE)
        if self.chance(0.7):
            x = self.size(172, 190)
            counter = cut(upper, (x + self.size(-10, 8), 200), (x, 0), self.size(-0.1, 0.12))
            if self.chance(0.5):
                counter = cut(counter, (240, self.size(62, 84)), (0, self.size(50, 80)))
            self.part(counter, trim, lift=0.2, grain=0.2, detail=USUAL)

    def _lacing(self, throat: Points, front: Points, trim: Colour) -> None:
        along, n = front - throat, self.number(3, 8)
        down = np.array([along[1], -along[0]]) / np.linalg.norm(along)
        low, high, wide = throat + along * 0.02, throat + along * 0.98, self.size(13, 19)
        stay = [high, low - down * 2, low + down * wide * 0.7 - along * 0.05, high + down * wide]
        self.blob(stay, shade(trim, 0.86), (0, 1, 3), puff=0.3, lift=0.2, detail=USUAL)
        lace, slip = WHITE if sum(trim) < 500 else BLACK, self.size(-0.05, 0.09)
        for share in np.linspace(0.1, 0.9, n):
            eye = throat + along * share + down * wide * 0.55
            over = throat + along * (share + slip) - down * self.size(5, 6)
            self.oval(eye, 2.6, 2.6, shade(trim, 0.4), 12, puff=0, lift=0, detail=USUAL)
            self.rod([over, eye], 6.0, lace, 5.0, lift=0.25, detail=USUAL)
        if self.chance(0.6):
            knot = shifted(front, -6, 2)
            for x, y in ((-24, -4), (-19, 11)):
                loop = [knot, shifted(knot, x, y + 5), shifted(knot, x * 0.9, y - 4), knot]
                self.seam(loop, lace, width=2.2)

    def _mark(self, colour: Colour, s1: float) -> None:
        flat: Look = {"puff": 0.2, "lift": 0.15}
        kind = self.number(0, 5)
        x, y = self.size(118, 138), s1 + self.size(14, 22)
        if kind == 0:  # stripes
            for i in range(self.number(2, 5)):
                self.rod([(x - 14 + 14 * i, y + 32), (x + 14 * i, y - 6)], 6, colour, **flat)
        elif kind == 1:  # swoosh
            swoosh = [(x - 34, y + 8), (x - 18, y - 3), (x + 44, y + 28), (x - 12, y + 11)]
            self.blob(swoosh, colour, (0, 2), **flat)
        elif kind == 2:  # star
            self.oval((x + 8, y + 16), 15, 15, colour, **flat)
            turns, radii = np.arange(10) * np.pi / 5 + np.pi / 2, np.tile([11.0, 5.0], 5)
            star = np.stack([x + 8 + radii * np.cos(turns), y + 16 + radii * np.sin(turns)], 1)
            self.part(star, WHITE if sum(colour) < 400 else BLACK, puff=0, lift=0, detail=USUAL)
        elif kind == 3:  # wave
            wave = [(x - 40, y + 12), (x - 14, y + 24), (x + 12, y + 4), (x + 52, y + 22)]
            self.cord(wave, 9, colour, 5, **flat)
        else:  # seams
            seam = curve([(x - 26, y - 12), (x - 18, y + 14), (x + 10, y + 34)])
            self.line(seam, shade(colour, 0.7), width=1.2)
            self.line(shifted(seam, 4, -1), shade(colour, 0.7), dash=3, detail=FINE)

    def _sole(self, colour: Colour, s0: float, s1: float, spring: float, trim: Colour) -> None:
        lip = curve([(0, s0 + spring), (60, s0 - 1), (120, s0 + 1), (217, s1)])
        under = [(219, 6), (206, 0), (60, 0), (20, spring * 0.4), (2, spring + 3)]
        whole = np.concatenate([lip, curve(under, sharp=(1,))])
        self.part(whole, colour, puff=0.45, gloss=0.25, grain=0.1)
        if self.chance(0.6):  # a line along it
            share = self.size(0.3, 0.7)
            ground = np.stack([lip[:, 0], np.interp(lip[:, 0], [0, 40], [spring, 0])], axis=1)
            ink = trim if abs(sum(trim) - sum(colour)) > 200 else shade(colour, 0.5)
            self.line((lip * (1 - share) + ground * share)[2:-2], ink, width=1.8)
        if self.chance(0.45):  # tread
            for x in np.arange(14, 212, self.size(9, 16)):
                groove = [(x, spring * max(0, 1 - x / 40)), (x + 1, 5)]
                self.line(groove, shade(colour, 0.4), width=1.6, detail=FINE)
        elif self.chance(0.6):  # cushions
            low, high = s1 * 0.3, s1 * 0.62
            for left in (168, 182, 196):
                self.plate(left - 4, low, left + 5, high, 3, trim, puff=0.3, lift=0, detail=USUAL)


class _Heeled(Product):
    """A shoe whose foot stands on a heel of the height `rise`."""

    rise: float

    def sole(self, thick: float) -> tuple[Points, Points]:
        """Upper and lower edge of the sole."""
        h = self.rise
        toe, ball = [(2, 5 + h * 0.03), (22, 0), (70, 0)], [(118, h * 0.34), (168, h * 0.9)]
        under = curve([*toe, *ball, (218, h)])
        return shifted(under, 0, thick), under

    def heel(self, colour: Colour, kinds: int) -> None:
        """What stands under the back: one of the first `kinds` of wedge, block, flared, thin."""
        h, kind = self.rise, self.number(0, kinds)
        start = self.size(74, 92) if kind == 3 else self.size(164, 180)
        _, under = self.sole(0)
        seat = under[(under[:, 0] >= start) & (under[:, 0] < 216)] + (0, 1.5)
        feet = (
            [(220, 0), (seat[0, 0] + 4, 0)],
            [(214, h * 0.5), (212, 0), (192, 0), (187, h * 0.5)],
            [(214, h * 0.6), (210, 0), (203, 0), (197, h * 0.55)],
            [(216, 0), (start, 0)],
        )
        foot = curve(feet[kind], sharp=(1, 2))
        self.part(np.concatenate([seat, [(219, h + 2)], foot]), colour, gloss=0.4, grain=0.1)


class Boot(_Heeled):
    """Ankle to knee; laces, zip, elastic or buckle; flat or on a heel."""

    kind, palette = "boot", LEATHER

    def _build(self) -> None:
        main = self.main
        h = self.rise = float(self.rng.choice(self.sizes((8, 18), (34, 62))))
        thick = self.size(5, 13)
        floor, tall = h + thick, h + self.size(105, 225)
        box, wide, slant, notch = *self.sizes((26, 38), (72, 92), (-16, 10)), self.chance(0.25)
        lip, under = self.sole(thick)
        x1 = 208 + self.size(-4, 6)
        x0, middle = x1 - wide, tall + slant / 2
        x = (x0 + x1) / 2
        rim = [(x1, tall + slant), (x, middle - (22 if notch else 2)), (x0, tall)]
        bend = np.array([112.0, h * 0.6 + thick + 72])
        back = [(219, floor + 18), (206, floor + 52), (x1 - 2, (tall + h + 70) / 2)]
        toe = [(62, thick + box + 14 + h * 0.12), (14, thick + box), (1, thick + 14)]
        sole = lip[::9]
        around = [*sole, *back, *rim, (x0 - 1, (tall + bend[1]) / 2 + 8), bend, *toe]
        corners = (0, 5, len(sole) + 3, len(sole) + 5)
        inner = [rim[2], (x, middle + 7), rim[0], (x, middle - 26)]
        self.blob(inner, shade(main, 0.45), (0, 2), puff=0.1)
        upper = self.blob(around, main, corners, puff=0.9, gloss=self.size(0.2, 0.6), grain=0.3)
        if self.chance(0.4):
            ends = (self.size(36, 50), 0), (self.size(34, 46), 90)
            self.patch(upper, *ends, shade(main, 0.8), 0.15, puff=0.8, gloss=0.5, lift=0.15)
        for _ in range(2):
            x, y = bend + self.sizes((2, 22), (2, 22)) * np.array([1, -1])
            self.seam([(x, y), (x + 16, y - 4), (x + 30, y + 4)], shade(main, 0.6), detail=FINE)
        self._closing(x0, x1, tall, floor, bend)
        self.heel(BLACK, 2)
        self.part(np.concatenate([lip, under[::-1]]), BLACK, puff=0.3, gloss=0.3)

    def _closing(self, x0: float, x1: float, tall: float, floor: float, bend: Points) -> None:
        x, kind = (x0 + x1) / 2, self.number(0, 4)
        if kind == 0:
            self._laces(x0, tall, bend)
        elif kind == 1:
            self._elastic(x + 6, tall, floor)
        elif kind == 2:
            self._straps(x0, x1, tall, floor, bend)
        else:  # zip
            middle = (x + 12, (tall + floor) / 2 + 10)
            zipper = curve([(x + 8, tall - 6), middle, (176, floor + 18)])
            self.line(zipper, (206, 200, 180), width=3.0)
            self.line(zipper, (70, 66, 60), width=1.2, dash=2, detail=FINE)
            left, top = zipper[0]
            self.plate(left - 3, top - 16, left + 3, top - 2, 2, METAL, puff=0.2, detail=USUAL)
        if self.chance(0.5):
            seam = [(x0 + 2, tall - 13), (x, tall - 17), (x1 - 2, tall - 12)]
            self.seam(seam, shade(self.main, 0.5), dash=3, detail=FINE)

    def _laces(self, x0: float, tall: float, bend: Points) -> None:
        shin = [(x0 + 8, (tall + bend[1]) / 2 + 8), (x0 + 9, tall - 8)]
        path = curve([(74, bend[1] - 26), shifted(bend, 6, 4), *shin])
        self.rod(path, 15, shade(self.main, 0.82), puff=0.3, lift=0.2)
        for share in np.linspace(0.06, 0.95, self.number(5, 10)):
            x, y = path[int(share * (len(path) - 1))]
            self.rod([(x - 7, y + 5), (x + 6, y - 1)], 5, (222, 206, 160), puff=0.4, lift=0.2)

    def _elastic(self, x: float, tall: float, floor: float) -> None:
        half, low = self.size(13, 20), max(floor + 44, tall - self.size(70, 100))
        right = (half, tall - 8), (half * 0.7, low + 20), (0, low)
        self.part(curve(shifted(arch(*right), x, 0)), (52, 50, 54), puff=0.2, lift=0.1, grain=0.8)
        for share in np.linspace(-0.5, 0.5, 5):
            thread = [(x + share * half, low + 24), (x + share * half * 1.4, tall - 10)]
            self.line(thread, (92, 90, 94), detail=FINE)

    def _straps(self, x0: float, x1: float, tall: float, floor: float, bend: Points) -> None:
        for y in np.linspace(floor + 48, tall - 26, self.number(1, 4)):
            x = np.interp(y, [bend[1] - 20, bend[1] + 14], [92, x0])
            strap = [(x, y + 5), ((x + x1) / 2, y - 3), (x1 - 1, y + 3)]
            self.cord(strap, 13, shade(self.main, 0.7), puff=0.4, lift=0.4)
            self.plate(x + 20, y - 11, x + 37, y + 10, 3, METAL, puff=0.3, gloss=0.8)
            look = {"puff": 0.2, "lift": 0, "detail": USUAL}
            self.plate(x + 24, y - 6, x + 33, y + 6, 2, shade(self.main, 0.5), **look)


class Heel(_Heeled):
    """Pumps and sandals on every kind of heel."""

    kind, palette = "heel", (*LEATHER, *CLOTH)

    def _build(self) -> None:
        main, lining = self.main, (214, 190, 160)
        h = self.rise = self.size(26, 98)
        plate = float(self.rng.choice([2, 3, self.size(8, 18)]))
        floor = h + plate
        lip, under = self.sole(plate)
        toe, box = self.size(-10, 6), self.size(20, 30) + plate
        mouth, low, back = self.size(52, 88), self.size(10, 26), floor + self.size(36, 58)
        instep = h * 0.45 + plate
        cup = [(222, floor + 14), (216, back - 6), (210, back), (203, back - 6)]
        waist = [(170, h * 0.9 + plate + low + 4), (126, instep + low)]
        front = [(mouth, box + 12 + h * 0.08), (mouth - 14, box + 15), (30, box + 2)]
        around = [*lip[::9], *cup, *waist, *front, (toe, plate + 9 + h * 0.03)]
        shell = curve(around, closed=True, sharp=(0, 5, 14))
        kind = self.number(0, 4)
        self.heel(shade(main, 0.8) if self.chance(0.6) else (150, 112, 74), 4)
        strap = self.chance(0.55)
        if kind == 3:
            self._sandal(lip, plate, lining)
        else:
            near = [(mouth - 6, box + 14), (126, instep + low + 9)]
            far = curve([*near, (172, h * 0.9 + plate + low + 10), (209, back)])
            self.part([*far, (200, floor), (90, plate)], lining, puff=0.1)
            look = {"puff": 0.9, "gloss": 0.6, "grain": 0.1}
            if kind == 2:  # open back
                ends = (self.size(128, 150), 0), (self.size(118, 140), 200)
                self.patch(shell, *ends, main, -0.1, **look)
                self.cord([(132, instep + low - 5), (176, back - 22), (214, back - 8)], 7, main)
            else:
                self.part(shell, main, **look)
            self._toe(mouth - 18, box + 10, shell)
        if strap:
            y = back + self.size(4, 34)
            self.cord([(206, back - 16), (208, y - 3), (207, y + 4)], 8, shade(main, 0.75))
            round_ankle = [(132, y - 4), (138, y + 6), (180, y + 8), (211, y)]
            self.cord([*round_ankle, (176, y - 8), (134, y - 5)], 6, main)
            look = {"puff": 0.4, "gloss": 0.8, "detail": USUAL}
            self.plate(160, y - 13, 172, y - 1, 2, METAL, **look)
        self.part(np.concatenate([lip, under[::-1]]), shade(main, 0.6), puff=0.3, gloss=0.3)

    def _toe(self, x: float, y: float, shell: Points) -> None:
        main, kind = self.main, self.number(0, 5)
        if kind == 0:  # bow
            for side in (-1, 1):
                wing = [(0, 0), (side * 20, 15), (side * 24, -2), (side * 17, -9)]
                self.blob(shifted(wing, x, y), shade(main, 0.8), (0,), puff=0.6, gloss=0.5)
            self.oval((x, y), 5, 6, shade(main, 0.7), 16, puff=0.6)
        elif kind == 1:  # buckle
            self.plate(x - 12, y - 12, x + 12, y + 8, 3, METAL, puff=0.4, gloss=0.9)
            self.plate(x - 6, y - 7, x + 6, y + 3, 2, main, puff=0.3, lift=0)
        elif kind == 2:  # cap
            ends = (self.size(22, 34), 0), (self.size(24, 34), 90)
            colour = BLACK if sum(main) > 250 else WHITE
            self.patch(shell, *ends, colour, 0.1, puff=0.9, gloss=0.6, lift=0.1)
        elif kind == 3:  # studs
            for i in range(3):
                self.oval((x - 13 * i, y - 2 - 3.5 * i), 4, 4, METAL, 14, gloss=0.9, detail=USUAL)

    def _sandal(self, lip: Points, plate: float, lining: Colour) -> None:
        h, floor = self.rise, self.rise + plate
        self.rod(shifted(lip, 0, 2), 5, lining, puff=0.2)
        cup = [(224, floor), (219, floor + 30), (212, floor + 52), (200, floor + 30)]
        self.blob([*cup, (176, h * 0.95 + plate)], self.main, (0, 4), puff=0.8, gloss=0.5)
        n = self.number(1, 5)
        lean, wide = self.size(-10, 18), self.size(9, 15) if n > 1 else self.size(26, 40)
        for x in np.linspace(24, 24 + 19 * (n - 1), n) + 12 * (n == 1):
            y = 28 + x * 0.22 + plate
            over = [(x - 4 + lean * 0.4, y - 4), (x + 8 + lean, y + 2)]
            strap = curve([(x - 12, plate + 1), *over, (x + 16, plate + 4)])
            self.rod(strap[:19], wide, self.main, puff=0.7, gloss=0.5)


def shoe(rng: Generator) -> Product:
    """A shoe of some kind, not drawn yet."""
    return (Sneaker, Boot, Heel)[int(rng.integers(3))](rng)
