"""Fits a calibration to validation searches, and judges it on searches it was not fitted to.

Every search is seen with its target and with the target taken out, in its whole gallery and in
random parts of it, so that the size of a gallery has its say. The numbers maximise the likelihood:
of `present` over all of these, and of each of the nearest hits being right, one by one, over those
with the target there. Every query weighs the same. A weak normal prior on the weights of `present`
and on log(slope) keeps them finite where a model makes no mistakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.errors import UsageError
from cdim.metrics.calibration import RIVALS, Calibration, Judged, beyond, judge, threshold
from cdim.metrics.reliability import Bin, auroc, expected_calibration_error, reliability

SAMPLE = 256
"""Distances that stand for a gallery, as in a search."""

_SMALLEST, _STEP = 10, 3  # others in the smallest part of a gallery, and from part to part
_FAR = 32  # of the sample, in the fit only: their mean is all that counts
_MOST = 1000  # queries the fit looks at
_PRIOR = 1e-3
_QUANTILES = 200
_TINY, _LARGEST = 1e-12, 700.0
_RATES = (0.01, 0.05, 0.1)


@dataclass(frozen=True, eq=False)
class Search:
    """One query's search of a validation gallery, without what the protocol ignores.

    Args:
        distances: (g,) to every item.
        correct: (g,) which of them show the query's instance: at least one, and not all.

    Raises:
        UsageError: anything else, or distances that are not finite numbers from 0.
    """

    distances: NDArray[np.floating]
    correct: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.distances.ndim != 1 or self.distances.shape != self.correct.shape:
            raise UsageError(
                f"distances {self.distances.shape} and correct {self.correct.shape}",
                "they have one value an item",
                "pass two lists of one length",
            )
        if self.correct.all() or not self.correct.any():
            raise UsageError(
                f"{int(self.correct.sum())} of {len(self.correct)} items are correct",
                "a search to learn from finds some right and some wrong",
                "leave this one out",
            )
        if not np.isfinite(self.distances).all() or (self.distances < 0).any():
            raise UsageError("a distance is not finite", "distances are from 0", "check the input")


@dataclass(frozen=True)
class Accepted:
    """What a threshold did on searches it was not read from.

    Args:
        rate: the wished false-match rate.
        threshold: the probability.
        false: share of the searches without a target whose best hit was accepted.
        right: share of those with a target whose best hit was accepted and right.
    """

    rate: float
    threshold: float
    false: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """How far a calibration can be trusted: its searches held out in turn, in whole galleries.

    Args:
        hits: said and true, of the nearest `RIVALS` hits with the target there and without.
        best: the same of the nearest hit alone.
        present: the same of "it is in this gallery".
        ece_hits, ece_best, ece_present: expected calibration errors, 0 to 1.
        auroc: of `present`, 0 to 1.
        accepted: what thresholds for some false-match rates did.
        searches: how many there were, each with its target and without.
    """

    hits: tuple[Bin, ...]
    best: tuple[Bin, ...]
    present: tuple[Bin, ...]
    ece_hits: float
    ece_best: float
    ece_present: float
    auroc: float
    accepted: tuple[Accepted, ...]
    searches: int


def fit(searches: Sequence[Search]) -> Calibration:
    """The calibration under which these searches are likeliest.

    Raises:
        UsageError: no searches, or all distances 0.
    """
    chosen = _spread(searches)
    groups = [_views(search) for search in chosen]
    views = [view for group in groups for view in group]
    weights = np.array([1 / len(group) / len(groups) for group in groups for _ in group])
    unit = float(np.mean([view.sample.mean() for view in views])) if views else 0.0
    if unit <= 0:
        raise UsageError(
            f"{len(searches)} searches with distances of mean {unit:g}",
            "a calibration is fitted on searches whose distances differ",
            "hold out more queries",
        )
    there = np.array([view.there for view in views])
    slope, other, rivals = _fit_which([v for v in views if v.there], 2 * weights[there], unit)
    bias, near, mean, lead, size = _fit_present(views, weights, unit)
    rough = Calibration(slope, other, rivals, bias, near, mean, lead, size)
    false = [_judge(rough, _part(s.distances[~s.correct], None)).probabilities[0] for s in chosen]
    if len(false) > _QUANTILES:
        false = np.quantile(false, np.linspace(0, 1, _QUANTILES + 1), method="higher")[1:]
    return Calibration(
        slope, other, rivals, bias, near, mean, lead, size, tuple(float(p) for p in np.sort(false))
    )


def cross_fit(parts: Sequence[Sequence[Search]]) -> Reliability:
    """Judges the calibration of each part's searches that is fitted on all other parts.

    Args:
        parts: searches that share nothing between parts, such as one part a fold; a single part
            is divided into five.

    Raises:
        UsageError: as `fit`, or fewer than two searches.
    """
    folds = [list(part) for part in parts if len(part)]
    if len(folds) == 1:
        folds = [part for k in range(5) if (part := folds[0][k::5])]
    if len(folds) < 2:
        raise UsageError(
            f"{sum(map(len, folds))} searches",
            "one part of them judges what is fitted on the others",
            "hold out more queries",
        )
    seen: list[tuple[_View, Judged, int]] = []
    limits = []
    for k, fold in enumerate(folds):
        fitted = fit([s for j, other in enumerate(folds) if j != k for s in other])
        limits.append([threshold(fitted, rate) for rate in _RATES])
        views = (view for search in _spread(fold) for view in _whole(search))
        seen += [(view, _judge(fitted, view), k) for view in views]
    hits = [np.concatenate([j.probabilities for _, j, _ in seen])]
    hits.append(np.concatenate([v.correct for v, _, _ in seen]))
    best = np.array([j.probabilities[0] for _, j, _ in seen])
    right = np.array([v.correct[0] for v, _, _ in seen])
    present = np.array([j.present for _, j, _ in seen])
    there = np.array([v.there for v, _, _ in seen])
    bars = np.array([limits[k] for _, _, k in seen])
    accepted = [
        Accepted(
            rate,
            float(bars[:, column].mean()),
            float((best >= bars[:, column])[~there].mean()),
            float(((best >= bars[:, column]) & right)[there].mean()),
        )
        for column, rate in enumerate(_RATES)
    ]
    return Reliability(
        hits=reliability(*hits),
        best=reliability(best, right),
        present=reliability(present, there),
        ece_hits=expected_calibration_error(*hits),
        ece_best=expected_calibration_error(best, right),
        ece_present=expected_calibration_error(present, there),
        auroc=auroc(present, there),
        accepted=tuple(accepted),
        searches=len(seen) // 2,
    )


@dataclass(frozen=True, eq=False)
class _View:
    """A search as `judge` sees it: nearest hits (r,), which are right, a sample, the items.

    `there` says whether the instance is in the gallery, found or not.
    """

    near: NDArray[np.float64]
    correct: NDArray[np.bool_]
    sample: NDArray[np.float64]
    items: int
    there: bool


def _judge(calibration: Calibration, view: _View) -> Judged:
    return judge(calibration, view.near, view.sample, view.items)


def _spread(searches: Sequence[Search]) -> list[Search]:
    """At most `_MOST` of them, evenly from all."""
    if len(searches) <= _MOST:
        return list(searches)
    return [searches[i] for i in np.linspace(0, len(searches) - 1, _MOST).astype(np.int64)]


def _whole(search: Search) -> list[_View]:
    """The whole gallery, with the target and without."""
    return [
        _part(search.distances, search.correct),
        _part(search.distances[~search.correct], None),
    ]


def _views(search: Search) -> list[_View]:
    """The whole gallery and parts of it, each with the target and without.

    A part keeps what is right, so that it stays as often there, and at least ten times as many
    others, so that these are what its sample shows.
    """
    rng = np.random.default_rng(0)
    right = search.distances[search.correct]
    others = rng.permutation(search.distances[~search.correct])
    views = _whole(search)
    size = _SMALLEST * len(right)
    while size < len(others):
        correct = np.arange(len(right) + size) < len(right)
        views.append(_part(np.concatenate([right, others[:size]]), correct))
        views.append(_part(others[:size], None))
        size *= _STEP
    return views


def _part(distances: NDArray[np.floating], correct: NDArray[np.bool_] | None) -> _View:
    values = distances.astype(np.float64)
    true = np.zeros(len(values), np.bool_) if correct is None else correct
    rng = np.random.default_rng(1)
    sample = rng.permutation(values)[:SAMPLE]
    # A wrong item as far as a right one counts as nearer, as in every measure of cdim.
    nearest = np.lexsort((true, values))[:RIVALS]
    return _View(values[nearest], true[nearest], sample, len(values), correct is not None)


def _fit_which(
    views: Sequence[_View], weights: NDArray[np.float64], unit: float
) -> tuple[float, float, float]:
    """Slope, other and rivals; `views` have their targets, and `unit` is a usual distance."""
    from scipy.optimize import minimize

    near, far, count = _stacked(views, unit)
    here = np.isfinite(near)
    right = np.zeros(near.shape, np.bool_)
    for row, view in enumerate(views):
        right[row, : len(view.correct)] = view.correct

    def loss(parameters: NDArray[np.float64]) -> float:
        log_slope, other, rivals = parameters
        slope = np.exp(log_slope)
        weight = np.where(here, np.exp(-slope * (near - near[:, :1])), 0.0)
        log_rest = other + np.log(count) + _log_means(-slope * (far - near[:, :1]))
        rest = np.exp(np.minimum(log_rest, _LARGEST))[:, None]
        wrong = rest + rivals * (weight.sum(axis=1, keepdims=True) - weight)
        chances = np.where(right, weight, wrong) / (weight + wrong + _TINY)
        logs = np.where(here, np.log(np.maximum(chances, _TINY)), 0.0)
        return float(_PRIOR * log_slope**2 - weights @ logs.sum(axis=1))

    bounds = [(-5.0, 9.0), (-20.0, 20.0), (0.0, 1.0)]
    found = minimize(loss, [2.0, 0.0, 0.5], method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])) / unit, float(found[1]), float(found[2])


def _fit_present(
    views: Sequence[_View], weights: NDArray[np.float64], unit: float
) -> tuple[float, float, float, float, float]:
    """Bias, near, mean, lead and size."""
    from scipy.optimize import minimize

    best = np.array([view.near[0] for view in views]) / unit
    mean = np.array([view.sample.mean() for view in views]) / unit
    second = np.array([view.near[min(1, len(view.near) - 1)] for view in views]) / unit
    items = np.log([view.items for view in views])
    columns = np.stack([np.ones(len(views)), -best, mean - best, second - best, items], axis=1)
    scale = np.maximum(columns.std(axis=0), _TINY)
    scale[0] = 1.0
    sign = np.where([view.there for view in views], 1.0, -1.0)
    signed = columns / scale * sign[:, None]
    prior = np.array([0.0, *[_PRIOR] * 4])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = signed @ parameters
        doubt = weights * np.exp(-np.logaddexp(0.0, score))
        value = weights @ np.logaddexp(0.0, -score) + prior @ parameters**2
        return float(value), 2 * prior * parameters - doubt @ signed

    bounds = [(None, None), (0.0, None), (0.0, None), (0.0, None), (None, None)]
    found = minimize(loss, np.zeros(5), jac=True, method="L-BFGS-B", bounds=bounds).x / scale
    bias, near, mean_less_near, lead, size = found.tolist()
    both = (near + mean_less_near) / unit
    return bias, both, mean_less_near / unit, lead / unit, size


def _stacked(
    views: Sequence[_View], unit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Hits (v, r), inf where there are fewer, the far sample (v, f), and what it stands for."""
    near = np.full((len(views), RIVALS), np.inf)
    far = np.empty((len(views), _FAR))
    count = np.empty(len(views))
    for row, view in enumerate(views):
        near[row, : len(view.near)] = view.near / unit
        rest, count[row] = beyond(view.near, view.sample, view.items)
        middles = (np.arange(_FAR) + 0.5) * len(rest) / _FAR
        far[row] = np.sort(rest)[middles.astype(np.int64)] / unit
    return near, far, count


def _log_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of each row's mean of exp(values), without overflow."""
    top = values.max(axis=1)
    means: NDArray[np.float64] = top + np.log(np.exp(values - top[:, None]).mean(axis=1))
    return means
