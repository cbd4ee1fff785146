"""Judges a calibration on searches it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdim.errors import UsageError
from cdim.metrics.calibration.fit import LabelledSearch, View, fit, spread, whole
from cdim.metrics.calibration.probability import Judged, threshold
from cdim.metrics.calibration.reliability import Bin, auroc, expected_calibration_error, reliability

RATES = (0.01, 0.05, 0.1)
"""False-match rates that thresholds are tried for."""


@dataclass(frozen=True)
class Accepted:
    """Effect of the threshold for a rate, on searches outside its fit."""

    rate: float  # the wanted false-match rate
    false: float  # share of the searches without a target whose best hit was accepted
    right: float  # share of those with a target whose best hit was accepted and right


@dataclass(frozen=True)
class Reliability:
    """How far a calibration can be trusted: its searches held out in turn, in whole galleries."""

    # predicted and true, of the nearest `RIVALS` hits with the target there and without
    hits: tuple[Bin, ...]
    # the same of the nearest hit alone, and of "it is in this gallery"
    best: tuple[Bin, ...]
    present: tuple[Bin, ...]
    # expected calibration errors, 0 to 1
    ece_hits: float
    ece_best: float
    ece_present: float
    auroc: float  # of `present`, 0 to 1
    accepted: tuple[Accepted, ...]  # what thresholds for some false-match rates did
    searches: int  # how many there were, each with its target and without


def cross_fit(parts: Sequence[Sequence[LabelledSearch]]) -> Reliability:
    """Judges the calibration of each part's searches that is fitted on all other parts.

    Args:
        parts: searches that share no instance between parts, such as one part a fold.

    Raises:
        UsageError: as `fit`, or fewer than two parts with searches.
    """
    folds = [list(part) for part in parts if len(part)]
    if len(folds) < 2:
        raise UsageError(
            f"{len(folds)} part of searches",
            "one part judges what is fitted on the others",
            "hold out more instances",
        )
    seen: list[tuple[View, Judged, list[float]]] = []
    for k, fold in enumerate(folds):
        fitted = fit([s for j, other in enumerate(folds) if j != k for s in other])
        limits = [threshold(fitted, rate) for rate in RATES]
        views = (view for search in spread(fold) for view in whole(search))
        seen += [(view, view.judged(fitted), limits) for view in views]
    hits = np.concatenate([j.probabilities for _, j, _ in seen])
    hit_right = np.concatenate([v.correct for v, _, _ in seen])
    best = np.array([j.probabilities[0] for _, j, _ in seen])
    right = np.array([v.correct[0] for v, _, _ in seen])
    present = np.array([j.present for _, j, _ in seen])
    there = np.array([v.there for v, _, _ in seen])
    taken = best[:, None] >= np.array([limits for _, _, limits in seen])
    false, found = taken[~there].mean(axis=0), (taken & right[:, None])[there].mean(axis=0)
    accepted = map(Accepted, RATES, false.tolist(), found.tolist())
    return Reliability(
        hits=reliability(hits, hit_right),
        best=reliability(best, right),
        present=reliability(present, there),
        ece_hits=expected_calibration_error(hits, hit_right),
        ece_best=expected_calibration_error(best, right),
        ece_present=expected_calibration_error(present, there),
        auroc=auroc(present, there),
        accepted=tuple(accepted),
        searches=len(seen) // 2,
    )
