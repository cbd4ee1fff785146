"""Ranked lists as people look at them: the nearest items, the first correct one, the confidence.

Axes: q queries, g gallery items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.metrics.ranking import matches


def ranked(
    distances: NDArray[np.float32],
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    top: int,
    chunk: int = 1024,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The nearest gallery items and the first correct one, per query, consistent with `ranks`.

    Args:
        distances: (q, g).
        query_ids: (q,) names; each occurs in the gallery (`ranks` checks that).
        gallery_ids: (g,) names.
        top: items wanted; fewer are given where the gallery has fewer.
        chunk: queries handled at a time; bounds the memory.

    Returns:
        (q, top) gallery columns, nearest first, correct items last among equals; and (q,) the
        column of the first correct item, wherever it stands.

    >>> order, first = ranked(np.float32([[2, 1, 1]]), ["b"], ["a", "b", "c"], top=2)
    >>> order.tolist(), first.tolist()
    ([[2, 1]], [1])
    """
    wanted, offered = np.asarray(query_ids), np.asarray(gallery_ids)
    order = np.empty((len(wanted), min(top, len(offered))), dtype=np.int64)
    first = np.empty(len(wanted), dtype=np.int64)
    for i in range(0, len(wanted), chunk):
        block = distances[i : i + chunk]
        correct = matches(wanted[i : i + chunk], offered)
        order[i : i + chunk] = np.lexsort((correct, block), axis=1)[:, :top]
        first[i : i + chunk] = np.where(correct, block, np.inf).argmin(axis=1)
    return order, first


def confidence(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """How clearly the best item stands out, per query: (second - best) / (farthest - best).

    Needs no labels, so it can be shown with every search.

    Args:
        distances: (q, g), finite.

    Returns:
        (q,) from 0 (two items fit equally well, or the gallery has one item) to 1 (all others
        are equally far).

    >>> confidence(np.array([[1, 2, 5], [3, 3, 3]], dtype=np.float32))
    array([0.25, 0.  ], dtype=float32)
    """
    if distances.shape[1] < 2:
        return np.zeros(len(distances), dtype=np.float32)
    best, second = np.partition(distances, 1, axis=1)[:, :2].T
    spread = distances.max(axis=1) - best
    margin: NDArray[np.float32] = (second - best) / np.where(spread > 0, spread, 1)
    return margin
