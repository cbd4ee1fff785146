"""Fits a calibration to validation searches.

The fit sees every search with its target and without, in its whole gallery and in random parts
of it, which are galleries of other sizes. The numbers maximise the likelihood: of `present` over
all of these, and of each of the nearest hits being right, one by one, over those with the target
there. Every query weighs the same. A weak normal prior on the weights of `present`
and on log(slope) keeps them finite where a model makes no mistakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cdim.errors import UsageError
from cdim.metrics.calibration import probability
from cdim.metrics.calibration.probability import RIVALS, STAND_INS, Calibration, beyond, lead

SAMPLE = 256
"""Distances that stand for a gallery, as in a search."""

_SMALLEST, _STEP = 10, 3  # others in the smallest part of a gallery, and from part to part
_FAR = 32  # of the sample, in the fit only: their mean is all that counts
_MOST = 1000  # most queries in the fit
_PRIOR = 1e-3
_QUANTILES = 200
_TINY, _LARGEST = 1e-12, 700.0


@dataclass(frozen=True, eq=False)
class LabelledSearch:
    """One query's search of a validation gallery, without what the protocol ignores.

    Raises:
        UsageError: anything else, or distances that are not finite numbers from 0.
    """

    distances: NDArray[np.floating]  # (g,) to every item
    # (g,) which of them show the query's instance: at least one, and not all
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


def fit(searches: Sequence[LabelledSearch]) -> Calibration:
    """The calibration under which these searches are likeliest.

    Raises:
        UsageError: no searches, or all distances 0.
    """
    chosen = spread(searches)
    groups = [_views(search) for search in chosen]
    views = [view for group in groups for view in group]
    weights = np.array([1 / len(group) / len(groups) for group in groups for _ in group])
    usual = [group[1].sample.mean() for group in groups]  # whole galleries without the target
    unit = float(np.mean(usual)) if usual else 0.0
    if unit <= 0:
        raise UsageError(
            f"{len(searches)} searches with distances of mean {unit:g}",
            "a calibration is fitted on searches whose distances differ",
            "hold out more queries",
        )
    there = np.array([view.there for view in views])
    which = _fit_which([v for v in views if v.there], 2 * weights[there], unit)
    fitted = Calibration(*which, *_fit_present(views, weights, unit), unit)
    without = [_part(search.distances[~search.correct], None) for search in chosen]
    false = np.array([view.judged(fitted).probabilities[0] for view in without])
    if len(false) > _QUANTILES:
        false = np.quantile(false, np.linspace(0, 1, _QUANTILES + 1), method="higher")[1:]
    return replace(fitted, false_matches=tuple(np.sort(false).tolist()))


@dataclass(frozen=True, eq=False)
class View:
    """A search as `judge` sees it: nearest hits (r,), which are right, a sample, the items.

    `there` says whether the instance is in the gallery, found or not.
    """

    near: NDArray[np.float64]
    correct: NDArray[np.bool_]
    sample: NDArray[np.float64]
    items: int
    there: bool

    def judged(self, calibration: Calibration) -> probability.Judged:
        """What `judge` makes of it."""
        return probability.judge(calibration, self.near, self.sample, self.items)


def spread(searches: Sequence[LabelledSearch]) -> list[LabelledSearch]:
    """At most `_MOST` of them, evenly from all."""
    if len(searches) <= _MOST:
        return list(searches)
    return [searches[i] for i in np.linspace(0, len(searches) - 1, _MOST).astype(np.int64)]


def whole(search: LabelledSearch) -> list[View]:
    """The whole gallery, with the target and without."""
    return [_part(search.distances, search.correct), _part(search.distances[~search.correct], None)]


def _views(search: LabelledSearch) -> list[View]:
    """The whole gallery and parts of it, each with the target and without.

    A part keeps what is right, so that it stays as often there, and at least ten times as many
    others, so that these are what its sample shows.
    """
    rng = np.random.default_rng(0)
    right = search.distances[search.correct]
    others = rng.permutation(search.distances[~search.correct])
    views = whole(search)
    size = _SMALLEST * len(right)
    while size < len(others):
        correct = np.arange(len(right) + size) < len(right)
        views.append(_part(np.concatenate([right, others[:size]]), correct))
        views.append(_part(others[:size], None))
        size *= _STEP
    return views


def _part(distances: NDArray[np.floating], correct: NDArray[np.bool_] | None) -> View:
    values = distances.astype(np.float64)
    true = np.zeros(len(values), np.bool_) if correct is None else correct
    rng = np.random.default_rng(1)
    sample = rng.permutation(values)[:SAMPLE]
    # A wrong item as far as a right one counts as nearer, as in every measure of cdim.
    nearest = np.lexsort((true, values))[:RIVALS]
    return View(values[nearest], true[nearest], sample, len(values), correct is not None)


def _fit_which(
    views: Sequence[View], weights: NDArray[np.float64], unit: float
) -> tuple[float, float, float]:
    """Slope, other and rivals; all `views` have their targets, `unit` is the usual distance."""
    from scipy.optimize import minimize

    near = np.full((len(views), RIVALS), np.inf)  # inf where there are fewer hits
    right = np.zeros(near.shape, np.bool_)
    far, count = np.empty((len(views), _FAR)), np.empty(len(views))
    middles = np.arange(_FAR) + 0.5
    for row, view in enumerate(views):
        near[row, : len(view.near)] = view.near / unit
        right[row, : len(view.correct)] = view.correct
        sample = np.append(view.sample, np.full(STAND_INS, unit))
        rest, count[row] = beyond(view.near, sample, view.items)
        far[row] = np.sort(rest)[(middles * len(rest) / _FAR).astype(np.int64)] / unit
    here = np.isfinite(near)

    def loss(parameters: NDArray[np.float64]) -> float:
        log_slope, other, rivals = parameters
        slope = np.exp(log_slope)
        weight = np.where(here, np.exp(-slope * (near - near[:, :1])), 0.0)
        log_rest = other + np.log(count) + probability.log_mean_exp(-slope * (far - near[:, :1]))
        rest = np.exp(np.minimum(log_rest, _LARGEST))[:, None]
        wrong = rest + rivals * (weight.sum(axis=1, keepdims=True) - weight)
        chances = np.where(right, weight, wrong) / (weight + wrong + _TINY)
        logs = np.where(here, np.log(np.maximum(chances, _TINY)), 0.0)
        return float(_PRIOR * log_slope**2 - weights @ logs.sum(axis=1))

    bounds = [(-5.0, 9.0), (-20.0, 20.0), (0.0, 1.0)]
    found = minimize(loss, [2.0, 0.0, 0.5], method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])) / unit, float(found[1]), float(found[2])


def _fit_present(
    views: Sequence[View], weights: NDArray[np.float64], unit: float
) -> tuple[float, float, float, float, float, float]:
    """Bias, near, mean, lead, fade and size."""
    from scipy.optimize import minimize

    best = np.array([view.near[0] for view in views]) / unit
    leads = np.array([lead(view.near, unit) for view in views]) / unit
    sums = np.array([view.sample.sum() for view in views]) / unit + STAND_INS
    mean = sums / np.array([len(view.sample) + STAND_INS for view in views])
    items = np.log([view.items for view in views])
    # near d_1 and mean m as two columns whose weights are at least 0, so that mean <= near.
    columns = np.stack([np.ones(len(views)), -best, mean - best, leads], axis=1)
    scale = np.maximum(columns.std(axis=0), _TINY)
    scale[0] = 1.0
    columns /= scale
    usual = float(items.mean())
    sign = np.where([view.there for view in views], 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        *linear, fade, size = parameters
        score = (columns @ linear) * np.exp(-fade * (items - usual)) + size * items
        return float(weights @ np.logaddexp(0.0, -sign * score) + _PRIOR * parameters @ parameters)

    bounds = [(None, None), (0.0, None), (0.0, None), (0.0, None), (0.0, 2.0), (None, None)]
    *linear, fade, size = minimize(loss, np.zeros(6), method="L-BFGS-B", bounds=bounds).x
    bias, near, beside, ahead = np.exp(fade * usual) * np.array(linear) / scale
    distances = [float(weight) / unit for weight in (near + beside, beside, ahead)]
    return float(bias), distances[0], distances[1], distances[2], float(fade), float(size)
