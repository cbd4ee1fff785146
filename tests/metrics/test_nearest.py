"""Nearest neighbours against a stable sort of all distances, ties and equal points included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.metrics import nearest

# On a grid distances are exact in float32 and often equal.
grids = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 100), st.integers(1, 3)),
    elements=st.integers(-3, 3).map(float),
)


@settings(deadline=None, max_examples=60)
@given(grids, st.sampled_from([32, 64, 512]), st.integers(1, 40))
def test_panels_and_nearest_equal_all_distances_sorted(vectors: Any, width: int, k: int) -> None:
    apart = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    seen = np.zeros(apart.shape, dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_WIDTH", width)
        found = nearest.Nearest(len(vectors), k)
        for first, panel in nearest.panels(vectors):
            last = len(panel)
            np.testing.assert_array_equal(panel, apart[:last, first:last])
            seen[:last, first:last] += 1
            found.add(first, panel)
    assert (seen[np.triu_indices(len(vectors))] == 1).all()
    wanted = np.argsort(apart, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.indices(vectors), wanted)


@pytest.mark.parametrize("n", [511, 512, 513, 1030])
def test_vectors_in_order_of_a_line_have_their_neighbours_beside_them(n: int) -> None:
    found = nearest.Nearest(n, 3)
    line = np.arange(n, dtype=np.float32)[:, None]
    for first, panel in nearest.panels(line):
        found.add(first, panel)
    middle = np.arange(1, n - 1)
    wanted = [[0, 1, 2], *np.array([middle, middle - 1, middle + 1]).T, [n - 1, n - 2, n - 3]]
    np.testing.assert_array_equal(found.indices(line), wanted)


def test_near_vectors_are_in_order_though_products_round() -> None:
    rng = np.random.default_rng(0)
    vectors = (10 + 0.02 * rng.normal(size=(40, 100))).astype("f4")
    exact = ((vectors[:, None].astype("f8") - vectors) ** 2).sum(axis=2)
    found = nearest.Nearest(40, 40)
    for first, panel in nearest.panels(vectors):
        assert (np.argsort(panel, axis=0) != np.argsort(exact, axis=0)).any()
        found.add(first, panel)
    np.testing.assert_array_equal(found.indices(vectors), np.argsort(exact, axis=1))


@given(
    hnp.arrays(np.float32, (4, 9), elements=st.sampled_from([-0.0, 0.0, 0.5, 1.0, np.inf])),
    st.integers(1, 9),
)
def test_first_columns_equal_a_stable_sort(values: Any, k: int) -> None:
    wanted = np.argsort(values, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(nearest.first_columns(values, k), wanted)
