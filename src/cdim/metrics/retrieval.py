"""All queries ranked under a protocol, a few at a time, so that memory does not grow with them.

Axes: q queries, g gallery items, j judged queries (those with a correct item), a and b cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.metrics.average_precision import average_precision
from cdim.metrics.lists import Lists, correct_items, ranked_lists
from cdim.metrics.protocol import Labels, relevance
from cdim.metrics.ranking import correct_ranks

Distances = Callable[[slice], NDArray[np.float32]]
"""Distances (r, g) of the r queries of a slice to the whole gallery."""

_COMPUTED = 1 << 24  # distances computed at a time: a large matrix product is a fast one
_RANKED = 1 << 21  # distances ranked at a time: what is made of them stays near the processor


@dataclass(frozen=True, eq=False)
class CameraPairs:
    """How well people of one camera are found in another: the gallery is that camera's alone.

    Args:
        query_cameras, gallery_cameras: (a,) and (b,) numbers.
        queries: (a, b) queries with a correct item in the gallery camera.
        rank_1: (a, b) share of them that have a correct item first; NaN for no queries.
        map_step: (a, b) mean of their step average precision; NaN for no queries.
    """

    query_cameras: NDArray[np.int64]
    gallery_cameras: NDArray[np.int64]
    queries: NDArray[np.int64]
    rank_1: NDArray[np.float64]
    map_step: NDArray[np.float64]


def retrieve(
    distances: Distances, labels: Labels, protocol: str, top: int, by_camera: bool = False
) -> tuple[NDArray[np.int64], Lists, CameraPairs | None]:
    """Ranks the gallery for all queries.

    Args:
        distances: gives finite distances of some queries; called for each query once.
        labels: identities, cameras and junk.
        protocol: a name of `cdim.metrics.protocol.PROTOCOLS`.
        top: items wanted of each list.
        by_camera: whether to rank within each gallery camera as well.

    Returns:
        rows (j,) of the queries with a correct item that counts, the lists of those, and the
        breakdown by camera; the other queries are left out.

    Raises:
        UsageError: an unknown protocol.
    """
    parts: list[Lists] = []
    pairs = _PairCounts(labels) if by_camera else None
    for part, block in _blocks(distances, len(labels.query_ids), len(labels.gallery_ids)):
        correct, ignored = relevance(protocol, labels, part)
        counted = np.where(ignored, np.float32(np.inf), block)
        parts.append(ranked_lists(counted, correct, top))
        if pairs is not None:
            pairs.add(part, counted, correct)
    joined = Lists(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    rows = np.flatnonzero(joined.correct_counts)
    lists = joined._replace(**{name: getattr(joined, name)[rows] for name in Lists._fields[1:]})
    return rows, lists, None if pairs is None else pairs.result()


def _blocks(
    distances: Distances, queries: int, gallery: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    many, few = (max(1, size // max(1, gallery)) for size in (_COMPUTED, _RANKED))
    for start in range(0, queries, many):
        block = distances(slice(start, min(start + many, queries)))
        for inner in range(0, len(block), few):
            part = block[inner : inner + few]
            yield slice(start + inner, start + inner + len(part)), part


class _PairCounts:
    """Rank-1 and step AP of every query within each gallery camera; NaN without a correct item."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._cameras = np.unique(labels.gallery_cameras[~labels.junk])
        shape = len(labels.query_ids), len(self._cameras)
        self._first = np.full(shape, np.nan)
        self._precision = np.full(shape, np.nan)

    def add(self, rows: slice, distances: NDArray[np.float32], correct: NDArray[np.bool_]) -> None:
        """Adds some queries: distances (r, g), infinite for ignored items, and matches."""
        found, columns, apart = correct_items(distances, correct)
        camera = self._labels.gallery_cameras[columns]
        for place, number in enumerate(self._cameras):
            mine = camera == number
            if not mine.any():
                continue
            there = np.flatnonzero(self._labels.gallery_cameras == number)
            ordered = np.take(distances, there, axis=1)
            ordered.sort(axis=1)
            ranks = correct_ranks(ordered, found[mine], apart[mine])
            asked, starts, counts = np.unique(found[mine], return_index=True, return_counts=True)
            self._first[rows.start + asked, place] = ranks[starts] == 1
            self._precision[rows.start + asked, place] = average_precision(ranks, counts, "step")

    def result(self) -> CameraPairs:
        """Means over the queries of each camera."""
        numbers, camera = np.unique(self._labels.query_cameras, return_inverse=True)
        own = [camera == row for row in range(len(numbers))]
        queries = np.array([(~np.isnan(self._first[mine])).sum(axis=0) for mine in own])
        with np.errstate(invalid="ignore"):  # NaN for no queries
            rank_1, map_step = (
                np.array([np.nansum(values[mine], axis=0) for mine in own]) / queries
                for values in (self._first, self._precision)
            )
        return CameraPairs(numbers, self._cameras, queries, rank_1, map_step)
