"""Gram matrices of descriptors: all that distances and closed-form heads need of them.

A fusion joins parts, so its Gram matrix is the sum of those of its parts, and any fusion can be
judged without its vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.heads.projection import roots
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.descriptors import Descriptors

Gram = NDArray[np.float32]
_TINY = 1e-24


@dataclass(frozen=True)
class Grams:
    """Gram matrices on disk, two files for each cell."""

    folder: Path
    cells: tuple[Cell, ...]

    def plain(self, cell: Cell) -> Gram:
        """(n, n) inner products of the descriptors."""
        return self._load(cell, "plain")

    def rooted(self, cell: Cell) -> Gram:
        """(n, n) inner products of their signed square roots."""
        return self._load(cell, "rooted")

    def _load(self, cell: Cell, kind: str) -> Gram:
        found: Gram = np.load(self.folder / f"{self.cells.index(cell):04}.{kind}.npy")
        return found


def measure(
    descriptors: Descriptors, folder: Path, progress: Callable[[int, int], None] | None = None
) -> Grams:
    """Puts the Gram matrices of every cell into a folder; `progress` gets (cells done, all)."""
    for number, cell in enumerate(descriptors.cells):
        for kind, gram in zip(("plain", "rooted"), _products(descriptors, cell), strict=True):
            np.save(folder / f"{number:04}.{kind}.npy", gram)
        if progress is not None:
            progress(number + 1, len(descriptors.cells))
    return Grams(folder, descriptors.cells)


def _products(descriptors: Descriptors, cell: Cell) -> tuple[Gram, Gram]:
    """Inner products of the descriptors and of their roots, a few rows at a time."""
    plain, rooted = (np.empty([descriptors.images] * 2, np.float32) for _ in range(2))
    blocks = descriptors.blocks(cell)
    for place, rows in enumerate(blocks):
        left = descriptors.rows(cell, rows)
        left_roots = roots(left)
        for columns in blocks[: place + 1]:
            right = left if columns is rows else descriptors.rows(cell, columns)
            right_roots = left_roots if columns is rows else roots(right)
            for whole, a, b in ((plain, left, right), (rooted, left_roots, right_roots)):
                whole[rows, columns] = a @ b.T
                whole[columns, rows] = whole[rows, columns].T
    return plain, rooted


def scaled(gram: Gram, squares: NDArray[np.float32]) -> Gram:
    """The Gram matrix of vectors divided by the roots of `squares` (n,); zeros stay zeros."""
    factors = shrinking(squares)
    return gram * factors[:, None] * factors[None, :]


def shrinking(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """What brings vectors of these squared lengths to length one; 0 for those of zero."""
    factors = np.where(squares > _TINY, 1 / np.sqrt(np.maximum(squares, _TINY)), 0)
    return factors.astype(np.float32)


def unit(gram: Gram) -> Gram:
    """The Gram matrix of the same vectors at length one: their cosines."""
    return scaled(gram, np.diagonal(gram))
