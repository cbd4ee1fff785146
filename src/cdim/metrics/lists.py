"""Ranked lists: where the correct items stand, what stands first, how clear it is.

Axes: q queries, g gallery items, n correct items of all queries together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.metrics.ranking import correct_ranks


class Lists(NamedTuple):
    """The ranked lists of q queries.

    Args:
        correct_ranks: (n,) ranks of the correct items, from 1, ascending within a query, query by
            query; a wrong item exactly as far as a correct one counts as nearer.
        correct_counts: (q,) numbers of correct items.
        order: (q, top) gallery columns, nearest first, correct items last among equals, ignored
            ones left out; -1 where a list ends early.
        distances: (q, top) their distances; infinite where a list ends early.
        first: (q,) column of the first correct item, which may lie beyond `order`; -1 for none.
        first_distance: (q,) its distance; infinite for none.
        confidence: (q,) (second - best) / (farthest - best) of the distances: 0 (two items fit
            equally well, or there is one item) to 1 (all others are equally far). It needs no
            labels beyond what is ignored.
    """

    correct_ranks: NDArray[np.int64]
    correct_counts: NDArray[np.int64]
    order: NDArray[np.int64]
    distances: NDArray[np.float32]
    first: NDArray[np.int64]
    first_distance: NDArray[np.float32]
    confidence: NDArray[np.float32]

    @property
    def first_ranks(self) -> NDArray[np.int64]:
        """Rank of each query's first correct item, where every query has one."""
        starts = np.cumsum(self.correct_counts) - self.correct_counts
        ranks: NDArray[np.int64] = self.correct_ranks[starts]
        return ranks


def ranked_lists(distances: NDArray[np.float32], correct: NDArray[np.bool_], top: int) -> Lists:
    """Ranks the gallery for each query; a query may have no correct item.

    Args:
        distances: (q, g), infinite for items that are ignored, finite for the others.
        correct: (q, g) which item is correct for which query; no ignored one is.
        top: items wanted of each list; fewer are given where the gallery has fewer.

    >>> correct = np.array([[True, True, False, False]])
    >>> lists = ranked_lists(np.float32([[2, 1, 1, 0]]), correct, 3)
    >>> lists.correct_ranks, lists.order, lists.first
    (array([3, 4]), array([[3, 2, 1]]), array([1]))
    """
    ordered = np.sort(distances, axis=1)
    rows, columns, apart = correct_items(distances, correct)
    counts = np.bincount(rows, minlength=len(distances))
    order = _nearest(distances, ordered, correct, min(top, distances.shape[1]))
    shown = np.where(order < 0, np.float32(np.inf), np.take_along_axis(distances, order, axis=1))
    first = np.full(len(distances), -1)
    first_distance = np.full(len(distances), np.inf, dtype=np.float32)
    some = counts > 0
    starts = (np.cumsum(counts) - counts)[some]
    first[some], first_distance[some] = columns[starts], apart[starts]
    return Lists(
        correct_ranks=correct_ranks(ordered, rows, apart),
        correct_counts=counts,
        order=order,
        distances=shown,
        first=first,
        first_distance=first_distance,
        confidence=_confidence(ordered),
    )


def correct_items(
    distances: NDArray[np.float32], correct: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows, columns and distances (n,) of correct items, by query, then distance, then column."""
    flat = np.flatnonzero(correct)  # many times faster than np.nonzero of a matrix
    rows, columns = np.divmod(flat, correct.shape[1])
    found = distances[rows, columns]
    by = np.lexsort((found, rows))
    return rows, columns[by], found[by]


def _nearest(
    distances: NDArray[np.float32],
    ordered: NDArray[np.float32],
    correct: NDArray[np.bool_],
    top: int,
) -> NDArray[np.int64]:
    """Columns (q, top) of the nearest items; only those near enough to be shown are sorted."""
    bar = np.minimum(ordered[:, top - 1 : top], np.finfo(np.float32).max)  # no ignored item
    rows, columns = np.divmod(np.flatnonzero(distances <= bar), distances.shape[1])
    by = np.lexsort((correct[rows, columns], distances[rows, columns], rows))
    counts = np.bincount(rows, minlength=len(distances))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shown = place < top
    order = np.full((len(distances), top), -1)
    order[rows[shown], place[shown]] = columns[by][shown]
    return order


def _confidence(ordered: NDArray[np.float32]) -> NDArray[np.float32]:
    items = np.array([row.searchsorted(np.inf) for row in ordered])
    margin = np.zeros(len(ordered), dtype=np.float32)
    some = np.flatnonzero(items > 1)
    if len(some):
        best, second = ordered[some, :2].T
        spread = ordered[some, items[some] - 1] - best
        margin[some] = (second - best) / np.where(spread > 0, spread, 1)
    return margin
