"""How far probabilities can be trusted: pure functions of probabilities and outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Predicted and true shares between two probabilities."""

    # where the bin begins and ends
    low: float
    high: float
    count: int  # probabilities in it, at least 1
    said: float  # their mean
    true: float  # share of them that came true


def reliability(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = BINS) -> tuple[Bin, ...]:
    """The reliability table: equal bins of probability, without the empty ones.

    Args:
        probabilities: (n,) from 0 to 1.
        outcomes: (n,) whether it came true.
        bins: into how many 0 to 1 is divided; 1 belongs to the last.

    Raises:
        UsageError: nothing given, unequal lengths, values out of range, or no bin.
    """
    said, true = _pairs(probabilities, outcomes)
    if bins < 1 or said.min() < 0 or said.max() > 1:
        raise UsageError(
            f"{bins} bins of values from {said.min():g} to {said.max():g}",
            "probabilities lie in 0 to 1, in at least one bin",
            "pass probabilities",
        )
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    table = []
    for b in np.unique(place).tolist():
        here = place == b
        means = float(said[here].mean()), float(true[here].mean())
        table.append(Bin(b / bins, (b + 1) / bins, int(here.sum()), *means))
    return tuple(table)


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = BINS
) -> float:
    """ECE: mean over all probabilities of how far their bin's mean is from what came true.

    Args and errors as for `reliability`.

    >>> expected_calibration_error([0.8, 0.8, 0.8, 0.8], [1, 1, 1, 0])
    0.05...
    """
    table = reliability(probabilities, outcomes, bins)
    gaps = sum(row.count * abs(row.said - row.true) for row in table)
    return gaps / sum(row.count for row in table)


def auroc(scores: ArrayLike, outcomes: ArrayLike) -> float:
    """Chance that a true one scores above a false one, ties counting half.

    Raises:
        UsageError: no scores and outcomes (n,), unequal lengths, or outcomes of one kind.

    >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    values, true = _pairs(scores, outcomes)
    if true.all() or not true.any():
        raise UsageError(
            f"{int(true.sum())} true of {len(true)}",
            "the area under the curve compares true with false",
            "pass both kinds",
        )
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives, negatives = int(true.sum()), int((~true).sum())
    above = float(ranks[true].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def _pairs(values: ArrayLike, outcomes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = np.asarray(values, dtype=np.float64)
    true = np.asarray(outcomes, dtype=np.bool_)
    if numbers.ndim != 1 or not len(numbers) or numbers.shape != true.shape:
        raise UsageError(
            f"values of shape {numbers.shape} and outcomes of {true.shape}",
            "they are lists of one length, at least 1",
            "pass one outcome a value",
        )
    if not np.isfinite(numbers).all():
        raise UsageError("a value is not finite", "values are finite numbers", "check the input")
    return numbers, true
