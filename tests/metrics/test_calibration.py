"""Probabilities: against the written formula, their order, and the edges of what can be asked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.errors import UsageError
from cdim.metrics.calibration.probability import RIVALS, Calibration, judge, threshold

ONE = Calibration(3.0, -0.5, 1.0, 2.0, 4.0, 1.5, 2.0, 0.2, -0.1, 1.3)
MANY = replace(ONE, rivals=0.0)
weights = st.floats(0, 50)
distances = st.lists(st.floats(0, 1e3), min_size=1, max_size=30).map(sorted)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    near = draw(weights)
    return Calibration(
        slope=draw(st.floats(1e-3, 100)),
        other=draw(st.floats(-20, 20)),
        rivals=draw(st.floats(0, 1)),
        bias=draw(st.floats(-50, 50)),
        near=near,
        mean=draw(st.floats(0, 1)) * near,
        lead=draw(weights),
        fade=draw(st.floats(0, 2)),
        size=draw(st.floats(-2, 2)),
        usual=draw(st.floats(0, 1e3)),
    )


def naive(fit: Calibration, near: Any, sample: Any, items: int) -> tuple[list[float], float]:
    """The docstring's formula, term by term."""
    sample = [*sample, *[fit.usual] * 8]
    m = sum(sample) / len(sample)
    lead = near[1] - near[0] if len(near) > 1 else max(fit.usual - near[0], 0)
    evidence = fit.bias - fit.near * near[0] + fit.mean * m + fit.lead * lead
    present = 1 / (1 + math.exp(-(evidence * items**-fit.fade + fit.size * math.log(items))))
    r = min(RIVALS, len(near))
    far = [d for d in sample if d >= near[r - 1]]
    mean = sum(math.exp(-fit.slope * d) for d in far) / len(far)
    rest = math.exp(fit.other) * (items - r + 1) * mean
    found = []
    for i, d in enumerate(near):
        others = sum(math.exp(-fit.slope * near[j]) for j in range(r) if j != i)
        w = math.exp(-fit.slope * d)
        found.append(present * w / (w + rest + fit.rivals * others))
    return found, present


@pytest.mark.parametrize("fit", [ONE, MANY, replace(ONE, rivals=0.4)])
@pytest.mark.parametrize("k", [1, 2, 7, 10, 14])
def test_judge_is_the_formula(fit: Calibration, k: int) -> None:
    rng = np.random.default_rng(k)
    sample = rng.uniform(0.5, 2, 40)
    near = np.sort(rng.uniform(0.2, 1.2, k))
    got = judge(fit, near, sample, 100)
    chances, present = naive(fit, near.tolist(), sample.tolist(), 100)
    assert got.probabilities == pytest.approx(chances)
    assert got.present == pytest.approx(present)


@given(calibrations(), distances, distances, st.integers(0, 10**6))
def test_probabilities_fall_with_the_distance_below_present(
    fit: Calibration, near: list[float], sample: list[float], more: int
) -> None:
    got = judge(fit, near, sample, len(near) + more)
    assert np.isfinite(got.probabilities).all()
    assert 0 <= got.present <= 1
    assert (got.probabilities >= 0).all()
    assert (got.probabilities <= got.present).all()
    # Also from the last rival to the first hit after it, whose rivals are one more.
    assert (np.diff(got.probabilities) <= 1e-12).all()


@given(calibrations(), distances, st.integers(0, 100))
def test_one_item_at_most_is_right_where_hits_are_rivals(
    fit: Calibration, near: list[float], more: int
) -> None:
    got = judge(replace(fit, rivals=1.0), near, near, len(near) + more)
    assert got.probabilities[:RIVALS].sum() <= got.present + 1e-9


@given(calibrations(), st.floats(0, 10), st.integers(1, 30), st.integers(0, 10**6))
def test_equal_distances_are_equally_likely(
    fit: Calibration, distance: float, k: int, more: int
) -> None:
    got = judge(fit, [distance] * k, [distance], k + more)
    assert np.isfinite(got.probabilities).all()
    assert got.probabilities[:RIVALS] == pytest.approx(got.probabilities[0])


def test_a_probability_does_not_depend_on_how_many_hits_are_shown() -> None:
    rng = np.random.default_rng(0)
    all_of_them = np.sort(rng.uniform(0.3, 2, 500))
    sample = rng.choice(all_of_them, 256)
    most = judge(ONE, all_of_them, sample, 500)
    for k in (RIVALS, 50):
        shown = judge(ONE, all_of_them[:k], sample, 500)
        assert shown.probabilities == pytest.approx(most.probabilities[:k])
        assert shown.present == most.present


def test_the_gallery_has_its_say() -> None:
    hits = np.linspace(0.5, 0.9, 10)
    far, close = np.full(100, 2.0), np.full(100, 1.0)
    alone, crowded = judge(ONE, hits, far, 1000), judge(ONE, hits, close, 1000)
    assert alone.probabilities[0] > crowded.probabilities[0]
    assert alone.present > crowded.present
    few, many = judge(ONE, hits, close, 10), judge(ONE, hits, close, 100_000)
    assert few.probabilities[0] > 2 * many.probabilities[0]
    ahead = np.array([0.5, *(hits[1:] + 0.5)])
    assert judge(ONE, ahead, far, 1000).present > alone.present


def test_a_gallery_of_one_is_judged_by_usual_distances() -> None:
    close, far = judge(ONE, [0.1], [0.1], 1), judge(ONE, [1.2], [1.2], 1)
    assert close.present > 0.7 > 0.5 > far.present
    assert close.probabilities[0] > 0.5 > far.probabilities[0]


def test_no_hits_are_surely_absent() -> None:
    got = judge(ONE, [], [1.0], 0)
    assert (got.probabilities.tolist(), got.present) == ([], 0.0)


@pytest.mark.parametrize(
    ("near", "sample", "items"),
    [
        ([2.0, 1.0], [1.0], 2),
        ([-1.0], [1.0], 1),
        ([np.nan], [1.0], 1),
        ([[1.0]], [1.0], 1),
        ([1.0], [], 1),
        ([1.0], [np.inf], 1),
        ([1.0, 2.0], [1.0], 1),
    ],
)
def test_what_cannot_be_judged_is_refused(near: Any, sample: Any, items: int) -> None:
    with pytest.raises(UsageError):
        judge(ONE, near, sample, items)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=50).map(sorted),
    st.floats(0.001, 1),
)
def test_a_threshold_keeps_to_the_rate_and_accepts_all_it_may(
    seen: list[float], rate: float
) -> None:
    limit = threshold(replace(ONE, false_matches=tuple(seen)), rate)
    allowed = int(rate * len(seen) + 1e-9)
    assert sum(p >= limit for p in seen) <= allowed
    lower = [p for p in seen if p < limit]
    if lower:  # accepting the next one as well would be too many
        assert sum(p >= lower[-1] for p in seen) > allowed


def test_a_threshold_for_everything_is_nothing() -> None:
    fit = replace(ONE, false_matches=(0.1, 0.2, 0.3, 0.4))
    assert threshold(fit, 1) == 0
    assert 0.2 < threshold(fit, 0.5) <= 0.3
    assert threshold(fit, 0.01) > 0.4


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.01, math.nan])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="rate"):
        threshold(replace(ONE, false_matches=(0.5,)), rate)
    with pytest.raises(UsageError, match="without false matches"):
        threshold(ONE, 0.1)


@settings(max_examples=20)
@given(st.floats(1e-3, 1e3))
def test_another_unit_of_distance_changes_nothing(unit: float) -> None:
    near, sample = np.array([0.4, 0.7, 0.8]), np.linspace(0.4, 2, 50)
    scaled = replace(
        ONE,
        slope=3.0 / unit,
        near=4.0 / unit,
        mean=1.5 / unit,
        lead=2.0 / unit,
        usual=1.3 * unit,
    )
    a, b = judge(ONE, near, sample, 50), judge(scaled, near * unit, sample * unit, 50)
    assert a.probabilities == pytest.approx(b.probabilities)
    assert a.present == pytest.approx(b.present)
