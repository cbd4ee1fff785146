"""Ranked lists against naive loops, with ties and ignored items."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.metrics.lists import ranked_lists


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Distances with many ties, what is correct, what is ignored."""
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    values = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    kinds = draw(hnp.arrays(np.int8, shape, elements=st.integers(0, 2)))
    return values, kinds == 1, kinds == 2


def counted(search: tuple[Any, Any, Any]) -> Any:
    values, _, ignored = search
    return np.where(ignored, np.float32(np.inf), values)


def naive_list(values: Any, correct: Any, ignored: Any) -> list[int]:
    """Columns, nearest first, wrong before correct among equals, ignored ones left out."""
    kept = [c for c in range(len(values)) if not ignored[c]]
    return sorted(kept, key=lambda c: (values[c], correct[c], c))


@given(searches(), st.integers(1, 9))
def test_lists_equal_a_naive_loop(search: tuple[Any, Any, Any], top: int) -> None:
    lists = ranked_lists(counted(search), search[1], top)
    start = 0
    for row, (values, correct, ignored) in enumerate(zip(*search, strict=True)):
        wanted = naive_list(values, correct, ignored)
        places = [place for place, c in enumerate(wanted, start=1) if correct[c]]
        end = start + lists.correct_counts[row]
        assert lists.correct_ranks[start:end].tolist() == places
        start = end
        shown = min(top, len(values))
        padded = (wanted + [-1] * len(values))[:shown]
        assert lists.order[row].tolist() == padded
        distances = [values[c] if c >= 0 else np.inf for c in padded]
        assert lists.distances[row].tolist() == distances
        first = wanted[places[0] - 1] if places else -1
        assert lists.first[row] == first
        assert lists.first_distance[row] == (values[first] if places else np.inf)
    assert start == len(lists.correct_ranks)


@given(searches())
def test_confidence_is_a_share_of_the_items_that_count(search: tuple[Any, Any, Any]) -> None:
    found = ranked_lists(counted(search), search[1], 3).confidence
    for confidence, values, ignored in zip(found, search[0], search[2], strict=True):
        d = sorted(values[~ignored].tolist())
        wanted = (d[1] - d[0]) / (d[-1] - d[0]) if len(d) > 1 and d[-1] > d[0] else 0
        assert confidence == np.float32(wanted)


def test_the_distances_given_stay_as_they_are() -> None:
    values = np.float32([[3, 1, 2]])
    ranked_lists(values, values > 1, 2)
    assert values.tolist() == [[3, 1, 2]]
