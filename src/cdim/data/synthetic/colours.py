"""What products are made of, as colours, and what people call them."""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]

NAMES: dict[Colour, str] = {}
"""What a colour is called."""


def _named(**colours: Colour) -> tuple[Colour, ...]:
    NAMES.update({colour: name for name, colour in colours.items()})
    return tuple(colours.values())


# fmt: off
CLOTH = _named(
    black=(38, 40, 46), white=(225, 224, 220), red=(176, 36, 42), navy=(36, 62, 122),
    green=(58, 104, 74), amber=(214, 150, 44), grey=(122, 126, 134), pink=(205, 110, 128),
    teal=(70, 150, 168), yellow=(232, 198, 90),
)
LEATHER = _named(
    black=(42, 36, 34), brown=(112, 64, 34), tan=(158, 98, 52), beige=(196, 152, 104),
    burgundy=(90, 30, 32), olive=(70, 74, 66), red=(190, 40, 46), cream=(216, 204, 186),
    navy=(48, 52, 88),
)
HIDE = _named(
    tan=(150, 92, 50), brown=(92, 52, 34), black=(48, 44, 46), red=(186, 60, 56),
    navy=(40, 66, 104), beige=(206, 170, 120), green=(98, 112, 88), cream=(222, 214, 200),
    mauve=(150, 120, 150), amber=(214, 150, 60), teal=(60, 128, 126), pink=(206, 132, 140),
)
FABRIC = _named(
    blue=(70, 96, 130), red=(172, 64, 56), green=(106, 128, 96), beige=(196, 182, 158),
    grey=(84, 84, 90), amber=(206, 152, 62), plum=(126, 84, 116), teal=(60, 130, 134),
    cream=(226, 220, 210), brown=(120, 72, 50),
)
WOOD = _named(
    oak=(196, 150, 98), walnut=(140, 92, 54), mahogany=(92, 58, 36), beech=(222, 190, 142),
    ebony=(60, 46, 40), white=(226, 222, 214),
)
STEEL, DARK = _named(steel=(168, 172, 178), black=(46, 46, 50))
# fmt: on
WHITE: Colour = (240, 240, 236)
BLACK: Colour = (34, 33, 36)
METAL: Colour = (196, 190, 172)
GOLD: Colour = (212, 180, 104)
SILVER: Colour = (190, 192, 198)


def shade(colour: Colour, by: float) -> Colour:
    """A darker (`by` < 1) or lighter (`by` > 1) colour."""
    made = np.multiply(colour, by) if by <= 1 else 255 - np.subtract(255, colour) * (2 - by)
    return (round(made[0]), round(made[1]), round(made[2]))
