"""Both conventions by hand, by the official code's own loop, and what must hold for any list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.errors import UsageError
from cdim.metrics.average_precision import average_precision, inverse_negative_penalty

ranks = st.sets(st.integers(1, 40), min_size=1, max_size=9).map(sorted)


def curve_area(places: list[int]) -> float:
    """Goes down the list and adds a trapezoid a step, as Market-1501's evaluation does."""
    area, recall, precision, hits = 0.0, 0.0, 1.0, 0
    for place in range(1, max(places) + 1):
        hits += place in places
        new_recall, new_precision = hits / len(places), hits / place
        area += (new_recall - recall) * (precision + new_precision) / 2
        recall, precision = new_recall, new_precision
    return area


def flat(lists: list[list[int]]) -> tuple[Any, Any]:
    return np.concatenate(lists), np.array([len(places) for places in lists])


@pytest.mark.parametrize(
    ("places", "step", "trapezoid", "penalty"),
    [
        ([1], 1, 1, 1),
        ([1, 2, 3], 1, 1, 1),
        ([2], 1 / 2, 1 / 4, 1 / 2),
        ([4], 1 / 4, 1 / 8, 1 / 4),
        ([1, 3], (1 + 2 / 3) / 2, (1 + (1 / 2 + 2 / 3) / 2) / 2, 2 / 3),
        ([2, 3, 10], (1 / 2 + 2 / 3 + 3 / 10) / 3, (1 / 4 + 7 / 12 + 47 / 180) / 3, 3 / 10),
    ],
)
def test_by_hand(places: list[int], step: float, trapezoid: float, penalty: float) -> None:
    one = (places, [len(places)])
    assert average_precision(*one, "step") == pytest.approx(step)
    assert average_precision(*one, "trapezoid") == pytest.approx(trapezoid)
    assert inverse_negative_penalty(*one) == pytest.approx(penalty)


@given(st.lists(ranks, min_size=1, max_size=5))
def test_many_queries_equal_a_naive_loop(lists: list[list[int]]) -> None:
    steps = [np.mean([j / r for j, r in enumerate(places, start=1)]) for places in lists]
    assert average_precision(*flat(lists), "step") == pytest.approx(steps)
    areas = [curve_area(places) for places in lists]
    assert average_precision(*flat(lists), "trapezoid") == pytest.approx(areas)
    lasts = [len(places) / places[-1] for places in lists]
    assert inverse_negative_penalty(*flat(lists)) == pytest.approx(lasts)


@given(ranks)
def test_the_trapezoid_is_lower_unless_the_list_is_perfect(places: list[int]) -> None:
    step, trapezoid = (
        average_precision(places, [len(places)], name)[0] for name in ("step", "trapezoid")
    )
    penalty = inverse_negative_penalty(places, [len(places)])[0]
    perfect = places[-1] == len(places)
    assert 0 < trapezoid <= step <= 1
    assert (trapezoid == step) == perfect == (step == 1) == (penalty == 1)


@given(ranks, st.data())
def test_a_later_item_never_helps(places: list[int], data: st.DataObject) -> None:
    worse = [*places[:-1], places[-1] + data.draw(st.integers(1, 30))]
    for convention in ("step", "trapezoid"):
        before, after = (average_precision(x, [len(x)], convention)[0] for x in (places, worse))
        assert after < before


@pytest.mark.parametrize(
    ("places", "counts"),
    [([], []), ([1], [0, 1]), ([1], [2]), ([2, 1], [2]), ([1, 1], [2]), ([0], [1]), ([1.5], [1])],
)
def test_refused(places: Any, counts: Any) -> None:
    with pytest.raises(UsageError):
        average_precision(places, counts, "step")
    with pytest.raises(UsageError):
        inverse_negative_penalty(places, counts)


def test_an_unknown_convention() -> None:
    with pytest.raises(UsageError, match="did you mean 'trapezoid'"):
        average_precision([1], [1], "trapezoidal")
