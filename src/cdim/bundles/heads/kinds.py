"""Which closed-form heads there are, by name; `cdim.bundles.heads.fit` fits them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from cdim.errors import UsageError

WHITENING = (0.0, 0.5, 1.0)
"""Strengths to choose from: 0 keeps the spread of the components, 1 makes all equal."""
REGULARISATION = (0.03, 0.1, 0.3, 1.0, 3.0, 30.0)
"""Values of lambda to choose from: the largest nearly leaves the vectors as they are."""

Kind = Literal["components", "pairs", "csls"]


@dataclass(frozen=True)
class Head:
    """Which projection, before it is fitted."""

    kind: Kind  # as `cdim.bundles.heads.fit` describes them
    strength: float  # of whitening with "components"; lambda with the others

    def __str__(self) -> str:
        return f"{self.kind}:{self.strength:g}"


HEADS = (
    *(Head("components", strength) for strength in WHITENING),
    *(Head("pairs", strength) for strength in REGULARISATION),
    *(Head("csls", strength) for strength in REGULARISATION),
)
"""All that are worth trying, the plainest first."""


def read_head(text: str) -> Head:
    """A head from its name, as `str` writes it.

    >>> read_head("csls:0.3")
    Head(kind='csls', strength=0.3)

    Raises:
        UsageError: another kind, or a strength that it does not take.
    """
    name, _, number = text.partition(":")
    kind = next((kind for kind in get_args(Kind) if kind == name), None)
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    fits = 0 <= strength <= 1 if kind == "components" else 0 < strength < math.inf
    if kind is not None and fits:
        return Head(kind, strength)
    raise UsageError(
        f"the head {text!r}",
        "it is components:POWER, 0 to 1, or pairs:LAMBDA or csls:LAMBDA, above 0",
        "such as csls:1, or leave it out to have it chosen",
    )
