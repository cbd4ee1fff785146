"""Made-up products: one file a kind, and how they are photographed and sketched.

A new kind of product is a function that builds a `shapes.Product` from random
numbers, and its entry in `CATEGORIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.random import Generator

from cdim.data.synthetic.products.armchair import armchair
from cdim.data.synthetic.products.backpack import backpack
from cdim.data.synthetic.products.boot import boot
from cdim.data.synthetic.products.dining import dining
from cdim.data.synthetic.products.heel import heel
from cdim.data.synthetic.products.office import office
from cdim.data.synthetic.products.satchel import satchel
from cdim.data.synthetic.products.shapes import Product
from cdim.data.synthetic.products.sneaker import sneaker
from cdim.data.synthetic.products.solids import View
from cdim.data.synthetic.products.stool import stool
from cdim.data.synthetic.products.tote import tote


def _shoe(rng: Generator) -> Product:
    return (sneaker, boot, heel)[int(rng.integers(3))](rng)


def _chair(rng: Generator) -> Product:
    """Seen from the front, a little from one side and from above."""
    turn = rng.uniform(0.35, 0.66) * (1 if rng.random() < 0.5 else -1)
    view = View(turn, rng.uniform(0.22, 0.36))
    kind = int(np.searchsorted((0.4, 0.62, 0.84), rng.random()))
    return (dining, office, armchair, stool)[kind](rng, view)


def _bag(rng: Generator) -> Product:
    return (tote, satchel, backpack)[int(rng.integers(3))](rng)


CATEGORIES: Mapping[str, Callable[[Generator], Product]] = MappingProxyType(
    {"shoe": _shoe, "chair": _chair, "bag": _bag}
)
