"""From distances to probabilities: is this hit the same instance, and is it here at all?

A distance alone is not enough: it depends on the query, and on what else is in the gallery to be
confused with. So a query's nearest hits are compared with each other and with a sample of its
distances to the gallery, which needs no labels. Two questions are answered one after the other.

Is it here at all? A logistic function of how near the best hit is (d_1), how far it leads the
next (d_2 - d_1) and the sample's mean m, all of which tell less in larger galleries of n items,
where something is always near:

    evidence = bias - near d_1 + mean m + lead (d_2 - d_1)
    present = 1 / (1 + exp(-(evidence n^-fade + size log n)))

Which one is it, if it is here? A softmax over the gallery, whose far part the sample stands for:

    w_i = exp(-slope d_i)
    rest = exp(other) (n - r + 1) (mean of exp(-slope d) over the sample's d >= d_r)
    P_i = present w_i / (w_i + rest + rivals (w_1 + ... + w_r - w_i)),    r = min(RIVALS, hits)

A few distances to usual items of the validation searches are added to every sample: they hardly
count among many, and stand in for a gallery that has next to nothing to compare with.

With rivals = 1 at most one item shows the instance; with 0 each hit is judged alone, as where a
person is in a gallery many times. P falls with the distance and never exceeds `present`.

`cdim.metrics.calibration.fit` finds the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError

RIVALS = 10
"""Hits that compete with each other: pass at least so many, and P does not depend on k."""

STAND_INS = 8
"""Usual items added to every sample, without which a gallery of few would be its own yardstick."""

_LARGEST = 600.0  # exp of it, times any number of items, is still a float


@dataclass(frozen=True)
class Calibration:
    """The fitted numbers; distances are the model's own."""

    slope: float  # of a hit's weight with its distance, above 0
    other: float  # logarithm of the weight of the items that are no hits
    rivals: float  # weight of the other hits, 0 to 1
    bias: float  # of "it is here"
    near: float  # how much the best hit's distance speaks against it, at least 0
    mean: float  # how much the mean distance to the gallery speaks for it, 0 to `near`
    lead: float  # how much the best hit's lead speaks for it, at least 0
    fade: float  # how fast all of this loses weight as the gallery grows, at least 0
    size: float  # of the logarithm of the number of items
    usual: float  # distance of an item that is something else
    # probabilities of the best hit where the instance was not there, ascending: what `threshold`
    # reads
    false_matches: tuple[float, ...] = ()


class Judged(NamedTuple):
    """Probabilities of one query's hits."""

    # (k,) that each shows the query's instance, 0 to 1, descending
    probabilities: NDArray[np.float64]
    # that any item of the gallery does, 0 to 1, provided that half of all targets are
    present: float


def judge(
    calibration: Calibration, nearest: ArrayLike, background: ArrayLike, items: int
) -> Judged:
    """Judges one query's nearest hits.

    Args:
        calibration: the fitted numbers.
        nearest: (k,) distances of the nearest items, ascending. Pass at least `RIVALS`, or all.
        background: (s,) distances to a fair sample of the gallery, at least one.
        items: how many were searched, at least k.

    Raises:
        UsageError: distances that are not finite numbers from 0 in ascending order, no
            background, or fewer items than hits.
    """
    near = np.asarray(nearest, dtype=np.float64)
    sample = np.asarray(background, dtype=np.float64)
    if near.ndim != 1 or not np.isfinite(near).all() or (np.diff(near, prepend=0.0) < 0).any():
        raise UsageError(
            f"distances {near}",
            "they are finite, from 0, and ascend",
            "sort the hits, nearest first",
        )
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all() or items < len(near):
        raise UsageError(
            f"{len(near)} hits of {items} items with a background of shape {sample.shape}",
            "the background is at least one finite distance, and there are at least as many items "
            "as hits",
            "pass the query's distances to a sample of the gallery",
        )
    if not len(near):
        return Judged(np.zeros(0), 0.0)
    fit = calibration
    sample = np.append(sample, np.full(STAND_INS, fit.usual))
    evidence = fit.bias - fit.near * float(near[0]) + fit.mean * float(sample.mean())
    evidence = (evidence + fit.lead * lead(near, fit.usual)) * items**-fit.fade
    score = evidence + fit.size * math.log(items)
    present = 1.0 / (1.0 + math.exp(min(-score, _LARGEST)))
    far, count = beyond(near, sample, items)
    # Relative to the best hit's weight, and in logarithms, so that none overflows or vanishes.
    scores = -fit.slope * (near - near[0])
    rest = fit.other + math.log(count) + log_mean_exp(-fit.slope * (far - near[0]))
    weight = np.exp(scores)
    others = weight[:RIVALS].sum() - np.where(np.arange(len(near)) < RIVALS, weight, 0.0)
    rivals = fit.rivals * others * np.exp(np.minimum(-scores, _LARGEST))
    against = np.exp(np.minimum(rest - scores, _LARGEST)) + rivals
    return Judged(present / (1.0 + against), present)


def threshold(calibration: Calibration, false_match_rate: float) -> float:
    """The lowest probability that kept to a rate on held-out searches: accept it and above.

    Args:
        calibration: the fitted numbers.
        false_match_rate: wanted share, above 0 and at most 1: of the searches for an absent
            object, those whose best hit is accepted.

    Raises:
        UsageError: a rate out of range, or a calibration without false matches.
    """
    if not 0 < false_match_rate <= 1:
        raise UsageError(
            f"a false-match rate of {false_match_rate:g}",
            "it is above 0 and at most 1",
            "choose one such as 0.05",
        )
    seen = calibration.false_matches
    if not seen:
        raise UsageError(
            "a calibration without false matches",
            "a threshold is read from searches whose target was not there",
            "fit the calibration on such searches",
        )
    accepted = math.floor(false_match_rate * len(seen) + 1e-9)
    if accepted == len(seen):
        return 0.0
    return math.nextafter(seen[len(seen) - accepted - 1], math.inf)


def beyond(
    near: NDArray[np.float64], sample: NDArray[np.float64], items: int
) -> tuple[NDArray[np.float64], int]:
    """A sample of the distances from the last rival on, and how many items it stands for."""
    rivals = near[:RIVALS]
    far = sample[sample >= rivals[-1]]
    return (far if len(far) else rivals[-1:]), items - len(rivals) + 1


def lead(near: NDArray[np.float64], usual: float) -> float:
    """How much nearer the first hit is than the second, or than a usual item if it is alone."""
    return max(float(near[1] if len(near) > 1 else usual) - float(near[0]), 0.0)


def log_mean_exp(values: NDArray[np.float64]) -> Any:
    """The logarithm of the mean of exp(values) over the last axis, without overflow."""
    top = values.max(axis=-1)
    return top + np.log(np.exp(values - top[..., None]).mean(axis=-1))
