"""Ranks of correct items against naive loops, with ties and ignored items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.errors import DataError, ModelError, UsageError
from cdim.metrics.lists import ranked_lists
from cdim.metrics.ranking import first_ranks, per_query

CORRECT, IGNORED = 1, 2


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Distances with many ties, what is correct (something for every query), what is ignored."""
    q, g = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    values = draw(hnp.arrays(np.float32, (q, g), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    kinds = draw(hnp.arrays(np.int8, (q, g), elements=st.integers(0, 2)))
    kinds[np.arange(q), draw(hnp.arrays(np.int8, q, elements=st.integers(0, g - 1)))] = CORRECT
    return values, kinds == CORRECT, kinds == IGNORED


def naive_rank(row: Any, correct: Any, ignored: Any) -> int:
    kept = [(float(d), bool(c)) for d, c, i in zip(row, correct, ignored, strict=True) if not i]
    return [right for _, right in sorted(kept)].index(True) + 1


@given(searches())
def test_first_ranks_equal_a_naive_loop_and_those_of_whole_lists(search: Any) -> None:
    ranks = first_ranks(*search).tolist()
    assert ranks == [naive_rank(*each) for each in zip(*search, strict=True)]
    values, correct, ignored = search
    counted = np.where(ignored, np.float32(np.inf), values)
    assert ranks == ranked_lists(counted, correct, 1).first_ranks.tolist()


@given(searches(), st.permutations(range(7)))
def test_ranks_do_not_depend_on_the_gallerys_order(search: Any, order: list[int]) -> None:
    values, *labels = search
    order = [i for i in order if i < values.shape[1]]
    ranks = first_ranks(*search)
    assert (ranks == first_ranks(*(each[:, order] for each in search))).all()
    assert (ranks == first_ranks(values * 3 + 1, *labels)).all()


def test_ranks_refuse() -> None:
    with pytest.raises(DataError, match=r"1 of 2 queries .* row 1"):
        first_ranks([[1.0], [1.0]], [[True], [False]])
    with pytest.raises(ModelError):
        first_ranks([[np.nan]], [[True]])
    with pytest.raises(UsageError):
        first_ranks([[1.0]], [[True, False]])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_values_of_queries_equal_naive_loops(first: list[int]) -> None:
    ranks, counts = np.array(first), np.ones(len(first), dtype=int)
    for k in range(1, 51):
        for name in ("acc", "rank"):
            name = f"acc@{k}" if name == "acc" else f"rank-{k}"
            assert per_query(name, ranks, counts).tolist() == [float(r <= k) for r in first]
    assert per_query("MRR", ranks, counts).tolist() == [1 / r for r in first]
    assert per_query("mean_rank", ranks, counts).tolist() == first
    for name in ("acc", "median_rank", "acc@x"):
        with pytest.raises(UsageError, match="mean over queries"):
            per_query(name, ranks, counts)
