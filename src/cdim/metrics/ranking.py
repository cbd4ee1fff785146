"""Distances, ranks and what is counted on them: acc@K, median and mean rank, triplet accuracy.

Axes: q queries, g gallery items, d dimensions, t triplets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import DataError, ModelError, UsageError
from cdim.metrics.triplets import triplet_hits


def matches(query_ids: ArrayLike, gallery_ids: ArrayLike) -> NDArray[np.bool_]:
    """Which gallery item is correct for which query: equal names.

    Args:
        query_ids: (q,) names.
        gallery_ids: (g,) names.

    Returns:
        (q, g) booleans.

    >>> matches(["a", "b"], ["b", "b", "a"]).tolist()
    [[False, False, True], [True, True, False]]
    """
    same: NDArray[np.bool_] = np.asarray(query_ids)[:, None] == np.asarray(gallery_ids)[None, :]
    return same


def ranks(
    distances: ArrayLike, query_ids: ArrayLike, gallery_ids: ArrayLike, chunk: int = 1024
) -> NDArray[np.int64]:
    """Rank of the first correct gallery item, per query.

    A wrong item exactly as far as the first correct one counts as nearer: a model that maps
    everything to one point comes last, not first.

    Args:
        distances: (q, g), finite.
        query_ids: (q,) names of the queries' instances.
        gallery_ids: (g,) names of the gallery's instances; several may be equal.
        chunk: queries handled at a time; bounds the memory.

    Returns:
        (q,) ranks, from 1.

    Raises:
        UsageError: shapes that do not fit together.
        ModelError: a distance that is not a number.
        DataError: a query without any correct item in the gallery.

    >>> ranks([[0.1, 0.5, 0.3], [0.2, 0.2, 0.9]], ["c", "a"], ["a", "b", "c"]).tolist()
    [2, 2]
    """
    matrix = np.asarray(distances)
    wanted, offered = np.asarray(query_ids), np.asarray(gallery_ids)
    if wanted.ndim != 1 or offered.ndim != 1 or matrix.shape != (len(wanted), len(offered)):
        raise UsageError(
            f"distances {matrix.shape} for {wanted.shape} query and {offered.shape} gallery names",
            "distances have one row a query and one column a gallery item",
            "check the order of the arguments",
        )
    _, codes = np.unique(np.concatenate([wanted, offered]), return_inverse=True)
    codes_wanted, codes_offered = codes[: len(wanted)], codes[len(wanted) :]
    missing = np.flatnonzero(~np.isin(codes_wanted, codes_offered))
    if len(missing):
        raise DataError(
            f"{len(missing)} of {len(wanted)} queries have no correct item in the gallery, "
            f"the first is {str(wanted[missing[0]])!r} (row {missing[0]})",
            "every query's instance is in the gallery",
            "add the gallery image or remove the query",
        )
    out = np.empty(len(wanted), dtype=np.int64)
    for i in range(0, len(wanted), chunk):
        block = matrix[i : i + chunk]
        if np.isnan(block).any():
            raise ModelError("a distance is not a number", "distances are numbers", "check them")
        correct = matches(codes_wanted[i : i + chunk], codes_offered)
        first = np.where(correct, block, np.inf).min(axis=1, keepdims=True)
        out[i : i + chunk] = 1 + (~correct & (block <= first)).sum(axis=1)
    return out


def _some_ranks(values: ArrayLike) -> NDArray[Any]:
    found = np.asarray(values)
    if found.ndim != 1 or found.size == 0 or (found < 1).any():
        raise UsageError(
            f"ranks of shape {found.shape}",
            "ranks are a row of at least one number from 1 up",
            "pass what ranks() returns",
        )
    return found


def acc_at(ranks: ArrayLike, k: int) -> float:
    """Share of queries whose correct item is among the first k (acc@K, CMC at K), 0 to 1.

    Raises:
        UsageError: no ranks, a rank below 1, or k below 1.

    >>> acc_at([1, 3, 12, 1], 1), acc_at([1, 3, 12, 1], 10)
    (0.5, 0.75)
    """
    if k < 1:
        raise UsageError(f"acc@{k}", "K is at least 1", "use acc@1")
    return float((_some_ranks(ranks) <= k).mean())


def median_rank(ranks: ArrayLike) -> float:
    """Median rank of the correct item, from 1; lower is better.

    Raises:
        UsageError: no ranks or a rank below 1.

    >>> median_rank([1, 3, 12, 1])
    2.0
    """
    return float(np.median(_some_ranks(ranks)))


def mean_rank(ranks: ArrayLike) -> float:
    """Mean rank of the correct item, from 1; lower is better.

    Raises:
        UsageError: no ranks or a rank below 1.

    >>> mean_rank([1, 3, 12, 1])
    4.25
    """
    return float(_some_ranks(ranks).mean())


def triplet_accuracy(
    distances: ArrayLike, anchor: ArrayLike, nearer: ArrayLike, farther: ArrayLike
) -> float:
    """Share of human triplets whose nearer item is nearer (the field's %corr.), 0 to 1.

    Arguments and errors are those of `triplet_hits`; no triplets at all is a UsageError.

    >>> triplet_accuracy([[0.1, 0.5, 0.1]], [0, 0, 0, 0], [0, 2, 1, 0], [1, 1, 0, 2])
    0.5
    """
    hits = triplet_hits(distances, anchor, nearer, farther)
    if hits.size == 0:
        raise UsageError("no triplets", "at least one is needed", "leave the triplets out")
    return float(hits.mean())
