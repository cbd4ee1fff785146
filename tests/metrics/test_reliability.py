"""Tables, ECE and AUROC against naive loops and other people's code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.errors import UsageError
from cdim.metrics.calibration.reliability import auroc, expected_calibration_error, reliability

pairs = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1)


@given(pairs, st.integers(1, 12))
def test_the_table_and_the_error_equal_a_naive_loop(given_pairs: Any, bins: int) -> None:
    said, true = zip(*given_pairs, strict=True)
    error, counted = 0.0, 0
    rows = {row.low: row for row in reliability(said, true, bins)}
    for b in range(bins):
        inside = [
            (p, t) for p, t in given_pairs if int(p * bins) == b or (p == 1 and b == bins - 1)
        ]
        if not inside:
            assert b / bins not in rows
            continue
        row = rows[b / bins]
        mean = sum(p for p, _ in inside) / len(inside)
        share = sum(t for _, t in inside) / len(inside)
        assert (row.count, row.high) == (len(inside), (b + 1) / bins)
        assert (row.said, row.true) == pytest.approx((mean, share))
        error += len(inside) / len(said) * abs(mean - share)
        counted += row.count
    assert counted == len(said)
    assert expected_calibration_error(said, true, bins) == pytest.approx(error)


@given(pairs)
def test_auroc_counts_pairs(given_pairs: Any) -> None:
    right = [p for p, t in given_pairs if t]
    wrong = [p for p, t in given_pairs if not t]
    scores, true = zip(*given_pairs, strict=True)
    if not right or not wrong:
        with pytest.raises(UsageError, match="compares"):
            auroc(scores, true)
        return
    wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    assert auroc(scores, true) == pytest.approx(wins / len(right) / len(wrong))


def test_probabilities_drawn_by_themselves_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(20_000)
    assert expected_calibration_error(said, rng.random(20_000) < said) < 0.02
    assert expected_calibration_error(said, rng.random(20_000) < said**3) > 0.2


@pytest.mark.parametrize(
    ("said", "true", "bins"),
    [
        ([], [], 10),
        ([0.5], [True, False], 10),
        ([np.nan], [True], 10),
        ([1.1], [True], 10),
        ([-0.1], [True], 10),
        ([0.5], [True], 0),
        ([[0.5]], [[True]], 10),
    ],
)
def test_what_is_no_probability_is_refused(said: Any, true: Any, bins: int) -> None:
    with pytest.raises(UsageError):
        reliability(said, true, bins)
    with pytest.raises(UsageError):
        expected_calibration_error(said, true, bins)
