"""Fitting finds what made-up searches were made by, and is finite where they tell nothing."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from cdim.errors import UsageError
from cdim.metrics.calibration.cross_fit import cross_fit
from cdim.metrics.calibration.fit import LabelledSearch, fit, spread, whole
from cdim.metrics.calibration.probability import judge, threshold
from cdim.metrics.calibration.reliability import expected_calibration_error


def made(queries: int, items: int, right: int = 1, apart: float = 0.35, seed: int = 0) -> Any:
    """Searches by distance alone: what is right lies nearer by `apart` on average."""
    rng = np.random.default_rng(seed)
    searches = []
    for _ in range(queries):
        correct = np.arange(items) < right
        distances = rng.normal(1.3, 0.15, items) - apart * correct
        order = rng.permutation(items)
        searches.append(LabelledSearch(np.abs(distances[order]), correct[order]))
    return searches


def said(fitted: Any, searches: Any) -> Any:
    views = [view for search in searches for view in whole(search)]
    judged = [view.judged(fitted) for view in views]
    hits = np.concatenate([j.probabilities for j in judged])
    right = np.concatenate([v.correct for v in views])
    present = np.array([j.present for j in judged])
    return hits, right, present, np.array([v.there for v in views])


@pytest.mark.parametrize(("items", "right"), [(60, 1), (400, 15)])
def test_probabilities_come_true_on_other_searches(items: int, right: int) -> None:
    fitted = fit(made(200, items, right))
    hits, true, present, there = said(fitted, made(400, items, right, seed=1))
    assert expected_calibration_error(hits, true) < 0.03
    assert expected_calibration_error(present, there) < 0.08


def test_whether_hits_are_rivals_is_found_out() -> None:
    assert fit(made(150, 60)).rivals > 0.8
    assert fit(made(150, 400, 15)).rivals < 0.1


def test_it_holds_in_galleries_of_other_sizes() -> None:
    fitted = fit(made(300, 150))
    for items in (20, 400):
        hits, true, present, there = said(fitted, made(300, items, seed=2))
        assert expected_calibration_error(hits, true) < 0.03
        assert expected_calibration_error(present, there) < 0.1


def test_it_is_of_use_from_the_first_item_on() -> None:
    fitted = fit(made(300, 60))
    for items in (1, 2, 5):
        there = [np.sort(s.distances[s.correct]) for s in made(50, 10, seed=4)]
        other = [s.distances[~s.correct] for s in made(50, 10, seed=5)]
        right = [np.sort([*t, *o[: items - 1]]) for t, o in zip(there, other, strict=True)]
        wrong = [np.sort(o[:items]) for o in other]
        means = [
            np.mean([judge(fitted, near, near, items).present for near in nears])
            for nears in (right, wrong)
        ]
        assert means[0] > 0.55 > 0.45 > means[1]


def test_thresholds_keep_their_rates_on_other_searches() -> None:
    fitted = fit(made(300, 60))
    absent = [whole(search)[1] for search in made(1000, 60, seed=3)]
    best = np.array([view.judged(fitted).probabilities[0] for view in absent])
    for rate in (0.05, 0.2, 0.5):
        assert (best >= threshold(fitted, rate)).mean() == pytest.approx(rate, abs=0.05)


def test_the_unit_of_distance_does_not_matter() -> None:
    searches = made(80, 40)
    scaled = [LabelledSearch(s.distances * 250, s.correct) for s in searches]
    near, sample = [0.7, 0.9, 1.1], np.linspace(0.7, 1.6, 40)
    a = judge(fit(searches), near, sample, 40)
    b = judge(fit(scaled), np.multiply(near, 250), sample * 250, 40)
    assert a.probabilities == pytest.approx(b.probabilities, abs=1e-3)
    assert a.present == pytest.approx(b.present, abs=1e-3)


@pytest.mark.parametrize(
    "searches",
    [
        made(40, 30, apart=1.2),  # no mistakes
        made(40, 30, apart=0.0),  # nothing but mistakes
        [LabelledSearch(np.ones(5), np.arange(5) == 0)] * 4,  # nothing to tell by
        [LabelledSearch(np.array([0.0, 1.0]), np.array([True, False]))],
    ],
)
def test_the_numbers_stay_finite_and_in_range(searches: Any) -> None:
    fitted = fit(searches)
    *numbers, false = astuple(fitted)
    assert np.isfinite(numbers).all()
    assert fitted.slope > 0
    assert 0 <= fitted.rivals <= 1
    assert 0 <= fitted.mean <= fitted.near
    assert min(fitted.lead, fitted.fade) >= 0
    assert list(false) == sorted(false)
    found = judge(fitted, [0.5, 0.6, 0.9], [0.5, 0.6, 0.9, 1.0], 4)
    assert np.isfinite([*found.probabilities, found.present]).all()


def test_the_same_searches_give_the_same_numbers() -> None:
    assert fit(made(30, 40)) == fit(made(30, 40))


def test_many_searches_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdim.metrics.calibration.fit._MOST", 10)
    searches = made(95, 12)
    few = spread(searches)
    assert [searches.index(s) for s in few] == [0, 10, 20, 31, 41, 52, 62, 73, 83, 94]
    assert len(fit(searches).false_matches) == 10


def test_false_matches_are_few_numbers_and_keep_the_worst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches = made(60, 20)
    every = fit(searches).false_matches
    assert len(every) == 60
    monkeypatch.setattr("cdim.metrics.calibration.fit._QUANTILES", 20)
    some = fit(searches).false_matches
    assert len(some) == 20
    assert some[-1] == every[-1]
    assert set(some) <= set(every)


def test_an_equally_near_wrong_item_counts_as_nearer() -> None:
    view = whole(LabelledSearch(np.array([1.0, 1.0, 2.0]), np.array([True, False, False])))[0]
    assert view.correct.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("distances", "correct"),
    [
        ([1.0, 2.0], [True]),
        ([1.0, 2.0], [True, True]),
        ([1.0, 2.0], [False, False]),
        ([], []),
        ([1.0, np.inf], [True, False]),
        ([1.0, -1.0], [True, False]),
    ],
)
def test_what_is_no_search_is_refused(distances: Any, correct: Any) -> None:
    with pytest.raises(UsageError):
        LabelledSearch(np.array(distances), np.array(correct, dtype=bool))


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="0 searches"):
        fit([])
    with pytest.raises(UsageError, match="mean 0"):
        fit([LabelledSearch(np.zeros(3), np.arange(3) == 0)])


def test_cross_fitting_judges_what_it_did_not_see() -> None:
    parts = [made(60, 40, seed=seed) for seed in range(3)]
    got = cross_fit(parts)
    assert got.searches == 180
    assert sum(row.count for row in got.hits) == 180 * 2 * 10
    assert sum(row.count for row in got.best) == sum(row.count for row in got.present) == 360
    hits, true = [], []
    for k in range(3):
        fitted = fit([s for j in range(3) if j != k for s in parts[j]])
        hits.append(said(fitted, parts[k])[0])
        true.append(said(fitted, parts[k])[1])
        if k == 0:
            limits = [threshold(fitted, row.rate) for row in got.accepted]
    assert got.ece_hits == expected_calibration_error(np.concatenate(hits), np.concatenate(true))
    assert 0.6 < got.auroc < 0.8
    assert limits == sorted(limits, reverse=True)
    for row in got.accepted:
        assert row.false == pytest.approx(row.rate, abs=0.06)
        assert row.right < 1


def test_a_part_is_judged_by_what_is_fitted_on_the_others() -> None:
    """Labels without any sense: fitting finds some in them, and must not judge itself by it."""
    rng = np.random.default_rng(5)
    parts = [
        [LabelledSearch(rng.uniform(1, 2, 12), rng.permutation(12) == 0) for _ in range(8)]
        for _ in range(2)
    ]

    def error(fitted_on: Any, judged: Any) -> float:
        pairs = [said(fit(p), q)[:2] for p, q in zip(fitted_on, judged, strict=True)]
        return expected_calibration_error(*map(np.concatenate, zip(*pairs, strict=True)))

    assert cross_fit(parts).ece_hits == pytest.approx(error(parts, parts[::-1]))
    assert cross_fit(parts).ece_hits != pytest.approx(error(parts, parts))


def test_one_part_alone_is_refused() -> None:
    searches = made(40, 20)
    assert cross_fit([searches[:20], [], searches[20:]]).searches == 40
    for none in ([], [[]], [searches], [searches, []]):
        with pytest.raises(UsageError, match="one part"):
            cross_fit(none)


def test_real_sizes_of_samples_are_those_of_a_search() -> None:
    big = made(1, 5000)[0]
    there, without = whole(big)
    assert (len(there.sample), there.items, without.items) == (256, 5000, 4999)
    assert not without.correct.any()
