"""What is done to descriptors before they are compared, each of it a sum over Gram matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cdim.errors import UsageError, nearest
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.grams import Gram, Grams, scaled, unit

Name = Literal["none", "l2", "root", "centred", "pairs"]
HEAD_DIM = 512
"""Dimensions of a bundle's embedding, where it has a head."""
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True)
class Treatment:
    """One way to compare.

    - none: parts are joined as they are.
    - l2: each part at length one.
    - root: the signed square roots of each part, at length one.
    - centred: as l2; of the whole, each domain's mean over the training images is removed, and it
      is scaled to length one.
    - pairs: as l2; the whole is put through the head of pairs of `cdim.bundles.heads`, as
      `cdim export --head pairs:LAMBDA` fits it.
    """

    name: Name  # which of them
    regularisation: float = 1.0  # lambda of "pairs"
    dim: int = HEAD_DIM  # dimensions that "pairs" leaves, or as many as the training images fill

    @property
    def normalise(self) -> Literal["l2", "root", "none"]:
        """What a recipe says in fusion.normalise."""
        return self.name if self.name in ("none", "root") else "l2"

    @property
    def centred(self) -> bool:
        """Whether each domain's mean is removed."""
        return self.name in ("centred", "pairs")

    @property
    def words(self) -> str:
        """For people."""
        return {
            "none": "as they are",
            "l2": "each part at length one",
            "root": "square roots, each part at length one",
            "centred": "each part at length one, domain means removed",
            "pairs": f"head of pairs, lambda {self.regularisation:g}",
        }[self.name]

    @property
    def head(self) -> str:
        """The head that `cdim export` needs for it; "" for none."""
        heads = {"pairs": f"pairs:{self.regularisation:g}", "centred": "components:0"}
        return heads.get(self.name, "")

    def part(self, grams: Grams, cell: Cell) -> Gram:
        """Gram matrix (n, n) of a cell as a part of a fusion."""
        if self.name == "root":
            return unit(grams.rooted(cell))
        if self.name == "pairs":
            # Roots of a part at length one: divided by the root of its length.
            return scaled(grams.rooted(cell), np.sqrt(np.diagonal(grams.plain(cell))))
        plain = grams.plain(cell)
        return plain if self.name == "none" else unit(plain)


def read_treatment(name: str, regularisation: float = 1.0) -> Treatment:
    """A treatment from its name; refuses unknown ones, and a lambda that is not above 0.

    >>> read_treatment("pairs", 0.3).head
    'pairs:0.3'
    """
    if not 0 < regularisation < np.inf:
        raise UsageError(
            f"a regularisation of {regularisation:g}",
            "lambda is above 0 and finite",
            "take another, such as 1",
            argument="regularisation",
        )
    if name not in NAMES:
        raise UsageError(
            f"the treatment {name!r}",
            f"known are {', '.join(NAMES)}",
            nearest(name, NAMES),
            argument="treatments",
        )
    return Treatment(name, regularisation)
