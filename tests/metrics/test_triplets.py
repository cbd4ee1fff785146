"""Human triplets against naive loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.errors import DataError
from cdim.metrics.triplets import triplets_by_query

small = st.integers(1, 7)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Distances with many ties, and names such that every query has a correct item."""
    q, g = draw(small), draw(small)
    offered = np.array(draw(st.lists(st.sampled_from("abcd"), min_size=g, max_size=g)))
    wanted = np.array(draw(st.lists(st.sampled_from(offered.tolist()), min_size=q, max_size=q)))
    values = draw(hnp.arrays(np.float32, (q, g), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    return values, wanted, offered


@given(searches(), st.lists(st.tuples(small, small, small), min_size=1, max_size=20))
def test_triplets_equal_a_naive_loop(
    search: tuple[Any, Any, Any], asked: list[tuple[int, int, int]]
) -> None:
    values, wanted, offered = search
    q, g = values.shape
    names = [(wanted[a % q], offered[n % g], offered[f % g]) for a, n, f in asked]
    hits, counts = triplets_by_query(values, wanted, offered, *np.array(names).T)
    for query in range(q):
        mine = [(n, f) for a, n, f in names if a == wanted[query]]
        near = {x: min(values[query, offered == x]) for x in offered}
        assert counts[query] == len(mine)
        assert hits[query] == sum(near[n] < near[f] for n, f in mine)


def test_triplets_refuse() -> None:
    with pytest.raises(DataError, match=r"queries.*'z'"):
        triplets_by_query(np.ones((1, 1), "f4"), ["a"], ["a"], ["z"], ["a"], ["a"])
    with pytest.raises(DataError, match=r"gallery.*'z'"):
        triplets_by_query(np.ones((1, 1), "f4"), ["a"], ["a"], ["a"], ["a"], ["z"])
