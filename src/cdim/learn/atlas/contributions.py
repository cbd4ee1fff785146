"""What each part of a fusion adds to each match.

Of a query, the margin is how much nearer its match is than the best wrong item, in halves of
squared distances (cosines, where vectors have length one). The fusion's kernel is the sum of its
parts' kernels, so the margin is the sum of their margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdim.data.manifest import Manifest
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.scoring import Scorer


@dataclass(frozen=True)
class PartGain:
    """What a part of the chosen fusion adds."""

    cell: Cell  # which
    margin: float  # mean over queries of how much nearer it puts the match than the best wrong item
    helps: float  # share of queries where that is above zero
    only_with: int  # queries whose match is found first, and is not without this part
    only_without: int  # the other way round


@dataclass(frozen=True)
class Match:
    """One query."""

    query: str  # the instance it shows
    rival: str  # that of the best wrong item
    found: bool  # whether the match is first
    margins: tuple[float, ...]  # of each part; their sum is above zero where it is


def contribute(
    scorer: Scorer, cells: Sequence[Cell], manifest: Manifest
) -> tuple[tuple[PartGain, ...], tuple[Match, ...]]:
    """Splits the margins of a fusion by part: over all queries, and of each."""
    first = scorer.reciprocal_ranks(cells) == 1
    matches: list[Match] = []
    for fold, parts in zip(scorer.folds, scorer.parts(cells), strict=True):
        for search in fold.searches:
            each = np.stack([search.nearness(part) for part in parts]).astype(np.float64)
            whole = each.sum(axis=0)
            right = np.where(search.correct, whole, -np.inf).argmax(axis=1)
            wrong = np.where(search.correct | search.ignored, -np.inf, whole).argmax(axis=1)
            rows = np.arange(len(whole))
            margins = (each[:, rows, right] - each[:, rows, wrong]).T
            names = (
                manifest.instance[fold.held[at]] for at in (search.query, search.gallery[wrong])
            )
            for query, rival, margin in zip(*names, margins.tolist(), strict=True):
                found = bool(first[len(matches)])
                matches.append(Match(str(query), str(rival), found, tuple(margin)))
    gains = []
    for cell, margin in zip(cells, np.array([match.margins for match in matches]).T, strict=True):
        others = [other for other in cells if other != cell]
        without = scorer.reciprocal_ranks(others) == 1 if others else np.zeros_like(first)
        counts = int((first & ~without).sum()), int((~first & without).sum())
        gains.append(PartGain(cell, float(margin.mean()), float((margin > 0).mean()), *counts))
    return tuple(gains), tuple(matches)
