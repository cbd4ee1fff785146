"""Intervals and tests against direct computation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.errors import UsageError
from cdim.metrics import significance
from cdim.metrics.significance import best_of, bootstrap, bootstrap_ratio, paired_test

some = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


def test_bootstrap_equals_a_naive_loop() -> None:
    values = np.random.default_rng(3).normal(size=30)
    rng = np.random.default_rng(7)
    index = rng.integers(0, 30, size=(500, 30))
    for statistic in (np.mean, np.median):
        drawn = sorted(float(statistic(values[row])) for row in index)
        got = bootstrap(values, statistic, resamples=500, seed=7)
        assert got.value == pytest.approx(float(statistic(values)))
        assert got.low == pytest.approx(np.quantile(drawn, 0.025))
        assert got.high == pytest.approx(np.quantile(drawn, 0.975))


def test_bootstrap_of_a_share_is_near_the_normal_interval() -> None:
    values = np.arange(400) < 120
    got = bootstrap(values)
    half = 1.96 * (0.3 * 0.7 / 400) ** 0.5
    assert (got.low, got.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.006)


@settings(max_examples=30)
@given(some)
def test_bootstrap_holds_the_value_and_stays_in_range(values: list[int]) -> None:
    got = bootstrap(values, resamples=200)
    assert got == bootstrap(values, resamples=200)
    assert min(values) - 1e-9 <= got.low <= got.high <= max(values) + 1e-9
    assert got.value == pytest.approx(sum(values) / len(values))


def test_memory_blocks_do_not_change_the_number_of_resamples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(significance, "_BLOCK", 64)
    sizes = list(significance._blocks(100, 9))
    assert sum(sizes) == 100
    assert max(sizes) * 9 <= 64
    assert bootstrap([1.0, 2.0, 4.0], resamples=100).value == pytest.approx(7 / 3)


def test_seeds_are_averaged_per_query_first() -> None:
    runs = np.random.default_rng(0).random((3, 20))
    assert bootstrap(runs) == bootstrap(runs.mean(axis=0))
    assert paired_test(runs, runs[:2]) == paired_test(runs.mean(axis=0), runs[:2].mean(axis=0))


def test_ratio_redraws_groups_whole() -> None:
    hits, counts = np.array([9, 0, 4]), np.array([9, 1, 5])
    index = np.random.default_rng(0).integers(0, 3, size=(300, 3))
    drawn = [hits[row].sum() / counts[row].sum() for row in index]
    got = bootstrap_ratio(hits, counts, resamples=300)
    assert got.value == pytest.approx(13 / 15)
    assert [got.low, got.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    for bad in ([1, 0, 5], [9, 1]):
        with pytest.raises(UsageError):
            bootstrap_ratio(hits, bad)


def naive_p(change: list[int]) -> float:
    seen = abs(sum(change))
    flips = itertools.product([1, -1], repeat=len(change))
    sums = [abs(sum(s * c for s, c in zip(signs, change, strict=True))) for signs in flips]
    return sum(s >= seen for s in sums) / len(sums)


@settings(max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_p_equals_all_sign_patterns(change: list[int]) -> None:
    # Thirds make sums that rounding could order differently.
    got = paired_test(np.array(change) / 3, np.zeros(len(change)), resamples=50)
    assert got.p == pytest.approx(naive_p(change))
    assert got.difference == pytest.approx(sum(change) / 3 / len(change))


def test_random_signs_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.random.default_rng(5).normal(0.4, 1, size=18)
    exact = paired_test(a, np.zeros(18)).p
    monkeypatch.setattr(significance, "EXACT_UP_TO", 0)
    assert paired_test(a, np.zeros(18)).p == pytest.approx(exact, abs=0.015)


@settings(max_examples=30)
@given(some, st.randoms(use_true_random=False))
def test_paired_test_is_antisymmetric(values: list[int], random: Any) -> None:
    other = [random.randint(-5, 5) for _ in values]
    there, back = (paired_test(*x, resamples=100) for x in ((values, other), (other, values)))
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == pytest.approx(back.p)
    assert 0 < there.p <= 1


def test_like_runs_do_not_differ_and_unlike_ones_do() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(200) < 0.6, rng.random(200) < 0.3
    same = paired_test(a, a)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    unlike = paired_test(a, b)
    assert unlike.low > 0
    assert unlike.p < 0.001


def test_p_is_uniform_under_no_difference() -> None:
    rng = np.random.default_rng(2)
    ps = [paired_test(*rng.normal(size=(2, 40)), resamples=199).p for _ in range(200)]
    assert np.mean(np.array(ps) <= 0.2) == pytest.approx(0.2, abs=0.08)


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ([], {}),
        ([np.nan], {}),
        ([[[1.0]]], {}),
        (["a"], {}),
        ([1.0], {"resamples": 0}),
    ],
)
def test_refused(values: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        bootstrap(values, **settings)
    with pytest.raises(UsageError):
        paired_test(values, values, **settings)


def test_different_queries_are_refused() -> None:
    with pytest.raises(UsageError, match="2 and 1 queries"):
        paired_test([1, 2], [1])


def test_best_of_several_equals_counting_all_sign_patterns() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=9)
    candidates = base + rng.normal(0.4, 1, size=(4, 9))
    change = candidates - base
    scaled = change / np.sqrt((change**2).sum(1, keepdims=True))
    largest = [max(scaled @ np.array(signs)) for signs in itertools.product((-1, 1), repeat=9)]
    exact = [np.mean(np.array(largest) >= row.sum() - 1e-9) for row in scaled]
    for place in range(4):
        only = candidates.copy()
        only[np.arange(4) != place] -= 100  # far worse, and so never chosen
        got = best_of(only, base, level=1.0, resamples=20_000)
        assert got.place == place
        assert got.difference == pytest.approx(change[place].mean())
    got = best_of(candidates, base, level=1.0, resamples=40_000)
    assert got.p == pytest.approx(exact[got.place], abs=0.01)


def test_best_of_many_useless_candidates_is_rarely_better() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        base = rng.random(60)
        found.append(best_of(base + rng.normal(size=(40, 60)), base, 0.05, resamples=300).p)
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.11
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_best_of_takes_the_largest_gain_among_those_that_are_sure() -> None:
    base = np.zeros(40)
    rng = np.random.default_rng(0)
    sure, larger = np.full(40, 0.1), np.full(40, 0.2)
    wild = rng.normal(0.3, 3.0, size=40)
    got = best_of([sure, wild, larger], base, 0.05)
    assert got.place == 2
    assert got.p < 0.01
    assert best_of([wild, -wild], base, 0.05).p > 0.05


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([[1.0, 2.0]], "3 queries"),
        ([1.0, 2.0, 3.0], "one value a query"),
        ([[1, 2, np.nan]], "finite"),
    ],
)
def test_best_of_refuses_what_does_not_fit(candidates: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        best_of(candidates, [0.0, 0.0, 0.0], 0.05)
