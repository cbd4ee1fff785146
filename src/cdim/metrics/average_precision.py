"""How early all correct items come: average precision in both conventions, and mINP.

Query i has n_i correct items at the ranks r_1 < ... < r_n, from 1. Queries stand one after the
other: `ranks` holds the ranks of all of them, `counts` says how many belong to each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError, unknown

CONVENTIONS = ("step", "trapezoid")


def average_precision(ranks: ArrayLike, counts: ArrayLike, convention: str) -> NDArray[np.float64]:
    """Area (q,) under each query's curve of precision over recall, 0 to 1.

    "step", of most toolkits: the mean of the precision at each correct item,
    1/n * sum_j j / r_j. "trapezoid", of Market-1501's official code: between two steps of recall
    the precision just before a correct item, (j - 1) / (r_j - 1), is averaged with the one at
    it, 1/n * sum_j (j / r_j + (j - 1) / (r_j - 1)) / 2, and before the first item it is 1. The
    trapezoid is the lower one except for a perfect list, where both are 1.

    Args:
        ranks: (n_1 + n_2 + ...,) ranks of the correct items, ascending within a query.
        counts: (q,) numbers of correct items, each at least 1.
        convention: "step" or "trapezoid".

    Raises:
        UsageError: an unknown convention, or ranks and counts that do not fit together.

    >>> average_precision([1, 3, 2], [2, 1], "step").round(4)
    array([0.8333, 0.5   ])
    >>> average_precision([1, 3, 2], [2, 1], "trapezoid").round(4)
    array([0.7917, 0.25  ])
    """
    if convention not in CONVENTIONS:
        raise unknown("average precision by", convention, CONVENTIONS)
    places, sizes, starts = _checked(ranks, counts)
    found = 1 + np.arange(len(places)) - np.repeat(starts, sizes)
    precision = found / places
    if convention == "trapezoid":
        before = np.where(places == 1, 1, (found - 1) / np.maximum(places - 1, 1))
        precision = (precision + before) / 2
    return np.add.reduceat(precision, starts) / sizes


def inverse_negative_penalty(ranks: ArrayLike, counts: ArrayLike) -> NDArray[np.float64]:
    """N / r_n, per query: how few wrong items come before the last correct one, 0 to 1.

    Its mean is mINP (Ye et al., Deep Learning for Person Re-identification, 2021).

    Args, shape and errors as for `average_precision`.

    >>> inverse_negative_penalty([1, 4, 2], [2, 1])
    array([0.5, 0.5])
    """
    places, sizes, starts = _checked(ranks, counts)
    last: NDArray[np.int64] = places[starts + sizes - 1]
    return sizes / last


def _checked(
    ranks: ArrayLike, counts: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ranks, counts and where each query starts."""
    places, sizes = np.asarray(ranks), np.asarray(counts)
    whole = all(x.ndim == 1 and x.dtype.kind in "iu" for x in (places, sizes))
    if not whole or sizes.size == 0 or (sizes < 1).any() or sizes.sum() != len(places):
        raise UsageError(
            f"ranks {places.dtype} {places.shape} and counts {sizes.dtype} {sizes.shape}",
            "every query has a count of at least 1, and as many ranks",
            "leave out queries without a correct item",
        )
    starts = np.cumsum(sizes) - sizes
    rising = np.diff(places) > 0
    rising[starts[1:] - 1] = True
    if not rising.all() or (places < 1).any():
        raise UsageError(
            "ranks that do not ascend from 1",
            "the ranks of a query are whole numbers from 1, each larger than the one before",
            "sort them",
        )
    return places, sizes, starts
