"""All vectors' nearest among themselves, exactly, without a matrix of all distances.

Axes: n vectors, d dimensions, k neighbours. Among equally near vectors the earlier is nearer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_WIDTH = 512  # about so many vectors' distances to all earlier ones are in memory at a time
_GROUP = 32  # distances that share one minimum while the nearest are looked for
_SPARE = 5  # neighbours beyond k
_PAIRS = 1 << 17  # numbers of single pairs in memory at a time: what a processor's cache holds
_NAME = (1 << 31) - 1  # the bits of a key that hold the name
_FAR = int(np.float32(np.inf).view(np.int32)) << 32 | _NAME  # the key of no vector


def panels(vectors: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Squared Euclidean distances, every pair once: later vectors to all up to themselves.

    Rounding leaves some slightly below 0.

    Yields:
        (first, panel): panel[i, j] is between vectors i and first + j, for every i up to the
        last of these. From the last vectors to the first; each panel overwrites the one before.
    """
    n, d = vectors.shape
    # (x, |x|^2, 1) times (-2y, 1, |y|^2): one product gives the squared distance.
    left = np.ones((n, d + 2), dtype=np.float32)
    left[:, :d] = vectors
    left[:, d] = np.einsum("ij,ij->i", vectors, vectors)
    buffer = np.empty(n * min(n, _WIDTH + _GROUP), dtype=np.float32)
    last = n
    while last:
        # The first panels are narrow: they set the limits that later ones must beat.
        width = min(_WIDTH, max(2 * _GROUP, n - last))
        first = max(0, last - width) // _GROUP * _GROUP
        right = -2 * left[first:last]
        right[:, d], right[:, d + 1] = 1, left[first:last, d]
        panel = buffer[: last * (last - first)].reshape(last, last - first)
        np.matmul(left[:last], right.T, out=panel)
        yield first, panel
        last = first


class Nearest:
    """The k nearest of n vectors, gathered from `panels`."""

    def __init__(self, n: int, k: int) -> None:
        self._k = min(n, k)
        # Some more, since rounding swaps neighbours; of each row the last is the largest.
        self._keys = np.full((n, min(n, k + _SPARE)), _FAR)

    def add(self, first: int, panel: NDArray[np.float32]) -> None:
        """Takes in one panel, for the vectors on both of its sides."""
        last, k = len(panel), self._keys.shape[1]
        own = np.concatenate([self._keys[first:last], _smallest(panel, k)], axis=1)
        self._keys[first:last] = np.partition(own, k - 1, axis=1)[:, :k]
        # For the vectors before these, the panel's columns: few beat what is known.
        panel = panel[:first]
        limits = (self._keys[:first, -1] >> 32).astype(np.int32).view(np.float32)
        row, column = np.divmod(np.flatnonzero(panel <= limits[:, None]), panel.shape[1])
        counts = np.bincount(row, minlength=len(panel))
        touched = np.flatnonzero(counts)
        if not len(touched):
            return
        table = np.full((len(touched), k + counts.max()), _FAR)
        table[:, :k] = self._keys[touched]
        nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = np.repeat(np.arange(len(touched)), counts[touched])
        table[place, k + nth] = _keys(panel[row, column], first + column)
        self._keys[touched] = np.partition(table, k - 1, axis=1)[:, :k]

    def indices(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """(n, k) rows of the nearest vectors, nearest first; a vector itself is one of them.

        Sorted by distances of differences, more exact than those of the panels.
        """
        names = np.sort(self._keys & _NAME, axis=1)
        apart = squared(vectors, np.arange(len(names)).repeat(names.shape[1]), names.ravel())
        keys = np.sort(_keys(apart.reshape(names.shape), names), axis=1)
        return (keys[:, : self._k] & _NAME).astype(np.int32)


def squared(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Squared distances (pairs,) of the vectors in rows to those in columns, pair by pair."""
    out = np.empty(len(rows), dtype=np.float32)
    step = max(1, _PAIRS // vectors.shape[1])
    for start in range(0, len(rows), step):
        pairs = slice(start, start + step)
        apart = vectors[rows[pairs]]
        apart -= vectors[columns[pairs]]
        out[pairs] = np.einsum("ij,ij->i", apart, apart)
    return out


def first_columns(distances: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns (rows, k) of the k smallest values of each row, smallest first.

    Args:
        distances: (rows, columns), not negative.
        k: from 1 to the number of columns.
    """
    keys = np.partition(_keys(distances, np.arange(distances.shape[1])), k - 1, axis=1)[:, :k]
    return np.sort(keys, axis=1) & _NAME


def _keys(values: NDArray[np.float32], names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers in the order of (value, name); values below 0 count as 0.

    The bits of floats from 0 up are in the order of the floats.
    """
    return np.maximum(values.view(np.int32), 0).astype(np.int64) << 32 | names


def _smallest(panel: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Keys (columns, up to k) of each column's smallest values, named by their rows.

    The k groups of rows with the smallest minima hold them all, so that little is sorted.
    """
    short = -len(panel) % _GROUP
    if short:
        panel = np.pad(panel, ((0, short), (0, 0)), constant_values=np.inf)
    groups = panel.reshape(-1, _GROUP, panel.shape[1])
    best = first_columns(groups.min(axis=1).T, min(k, len(groups)))
    rows = (best[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(len(best), -1)
    keys = _keys(panel[rows, np.arange(len(rows))[:, None]], rows)
    return np.partition(keys, min(k, keys.shape[1]) - 1, axis=1)[:, :k]
