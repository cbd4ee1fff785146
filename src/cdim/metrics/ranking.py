"""Ranks of correct items, and what a metric makes of them, query by query.

A wrong item exactly as far as a correct one counts as nearer: a model that maps everything to one
point comes last, not first.

Axes: q queries, g gallery items, n correct items of all queries together.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import DataError, ModelError, UsageError, unknown
from cdim.metrics.average_precision import average_precision, inverse_negative_penalty


def first_ranks(
    distances: ArrayLike, correct: ArrayLike, ignored: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Rank (q,), from 1, of the first correct gallery item; nothing is sorted for it.

    Args:
        distances: (q, g) numbers, smaller is nearer.
        correct: (q, g) booleans: which item is correct for which query.
        ignored: (q, g) booleans: items that the protocol leaves out; none by default.

    Raises:
        UsageError: shapes that do not fit together.
        ModelError: a distance that is not a number.
        DataError: a query without any correct item in the gallery.

    >>> right = [[False, False, True], [True, False, False]]
    >>> first_ranks([[0.1, 0.5, 0.3], [0.2, 0.2, 0.9]], right).tolist()
    [2, 2]
    """
    matrix, right = np.asarray(distances), np.asarray(correct)
    left_out = right if ignored is None else right | np.asarray(ignored)
    if matrix.ndim != 2 or not matrix.shape == right.shape == left_out.shape:
        raise UsageError(
            f"distances {matrix.shape} for correct items {right.shape}",
            "both have one row a query and one column a gallery item",
            "check the order of the arguments",
        )
    missing = np.flatnonzero(~right.any(axis=1))
    if len(missing):
        raise DataError(
            f"{len(missing)} of {len(matrix)} queries have no correct item in the gallery, "
            f"the first is row {missing[0]}",
            "every query's instance is in the gallery",
            "add the gallery image or remove the query",
        )
    if np.isnan(matrix).any():
        raise ModelError("a distance is not a number", "distances are numbers", "check them")
    first = np.where(right, matrix, np.inf).min(axis=1, keepdims=True)
    ranks: NDArray[np.int64] = 1 + (~left_out & (matrix <= first)).sum(axis=1)
    return ranks


def correct_ranks(
    ordered: NDArray[np.float32], rows: NDArray[np.int64], distances: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Ranks (n,), from 1, of all correct items in sorted lists.

    Args:
        ordered: (q, g) distances of each query's items, ascending, infinite for ignored items.
        rows: (n,) query of each correct item, ascending.
        distances: (n,) its distance, ascending within a query.
    """
    ranks = np.empty(len(rows), dtype=np.int64)
    edges = np.searchsorted(rows, np.arange(len(ordered) + 1))
    for row, (start, end) in enumerate(pairwise(edges)):
        mine = distances[start:end]
        # Items up to this distance, without the correct ones among them, are the wrong ones.
        wrong = ordered[row].searchsorted(mine, "right") - mine.searchsorted(mine, "right")
        ranks[start:end] = wrong + np.arange(1, end - start + 1)
    return ranks


def per_query(
    metric: str, ranks: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Each query's value (q,) of a metric that is their mean.

    Args:
        metric: "acc@K" or "rank-K" (0 or 1), "MRR" (above 0 to 1), "mean_rank" (from 1),
            "mAP_step", "mAP_trapezoid" or "mINP" (0 to 1).
        ranks: (n,) ranks of the correct items, ascending within a query, query by query.
        counts: (q,) numbers of correct items, each at least 1.

    Raises:
        UsageError: an unknown metric.

    >>> per_query("acc@5", np.array([1, 3, 7]), np.array([2, 1])).tolist()
    [1.0, 0.0]
    """
    if metric.startswith("mAP_"):
        return average_precision(ranks, counts, metric[4:])
    if metric == "mINP":
        return inverse_negative_penalty(ranks, counts)
    first: NDArray[np.float64] = ranks[np.cumsum(counts) - counts].astype(np.float64)
    if metric == "mean_rank":
        return first
    if metric == "MRR":
        return 1 / first
    stem, _, k = metric.replace("rank-", "acc@").partition("@")
    if stem != "acc" or not k.isdigit():
        known = ("acc@1", "rank-1", "MRR", "mean_rank", "mAP_step", "mAP_trapezoid", "mINP")
        raise unknown("mean over queries of the metric", metric, known)
    return (first <= int(k)).astype(np.float64)
