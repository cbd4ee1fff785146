"""What each part of a fusion adds to each match.

Of a query, the margin is how much nearer its match is than the best wrong item, in halves of
squared distances (cosines, where vectors have length one). The fusion's kernel is the sum of its
parts' kernels, so the margin is the sum of their margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.scoring import Scorer


@dataclass(frozen=True, eq=False)
class Contributions:
    """What parts add, query by query.

    Args:
        cells: m parts.
        margins: (q, m) of each part; their sum is above zero where the match is found first.
        rivals: (q,) position in the manifest of the best wrong item.
        found: (q,) whether the match is found first.
        without: (m, q) whether it is, with one part left out; of a single part, never.
    """

    cells: tuple[Cell, ...]
    margins: NDArray[np.float64]
    rivals: NDArray[np.intp]
    found: NDArray[np.bool_]
    without: NDArray[np.bool_]


def contribute(scorer: Scorer, cells: Sequence[Cell]) -> Contributions:
    """Splits the margins of a fusion by part."""
    margins, rivals = [], []
    for fold, parts in zip(scorer.folds, scorer.parts(cells), strict=True):
        for search in fold.searches:
            each = np.stack([search.nearness(part) for part in parts]).astype(np.float64)
            whole = each.sum(axis=0)
            right = np.where(search.correct, whole, -np.inf).argmax(axis=1)
            wrong = np.where(search.correct | search.ignored, -np.inf, whole).argmax(axis=1)
            rows = np.arange(len(whole))
            margins.append((each[:, rows, right] - each[:, rows, wrong]).T)
            rivals.append(fold.held[search.gallery[wrong]])
    found = scorer.reciprocal_ranks(cells) == 1
    without = np.full((len(cells), len(found)), False)
    if len(cells) > 1:
        for number, left_out in enumerate(cells):
            others = [cell for cell in cells if cell != left_out]
            without[number] = scorer.reciprocal_ranks(others) == 1
    return Contributions(
        tuple(cells), np.concatenate(margins), np.concatenate(rivals), found, without
    )
