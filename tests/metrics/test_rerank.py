"""Re-ranking and query expansion against literal loops, and what must hold for any input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.errors import ModelError, UsageError
from cdim.metrics import nearest, rerank
from cdim.metrics.rerank import expand_queries, k_reciprocal


def naive(query: Any, gallery: Any, k1: int = 20, k2: int = 6, weight: float = 0.3) -> Any:
    """The paper's Sec. 3 by sets and loops, in float64 on lists."""
    points = [list(map(float, p)) for p in [*query, *gallery]]
    n, q = len(points), len(query)
    d = [[sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in points] for a in points]
    order = [sorted(range(n), key=lambda j, row=row: (row[j], j)) for row in d]
    d = [[x / max(row) if max(row) else 0.0 for x in row] for row in d]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    plain = []
    for i in range(n):
        members = reciprocal(i, k1)
        wider = set(members)
        for c in members:
            half = reciprocal(c, round(k1 / 2))
            if 3 * len(half & members) > 2 * len(half):
                wider |= half
        total = sum(math.exp(-d[i][j]) for j in wider)
        plain.append([math.exp(-d[i][j]) / total if j in wider else 0.0 for j in range(n)])
    v = []
    for i in range(n):
        rows = [plain[j] for j in order[i][:k2]]
        v.append(plain[i] if k2 == 1 else [sum(x) / len(rows) for x in zip(*rows, strict=True)])
    out = np.empty((q, n - q))
    for i in range(q):
        for j in range(q, n):
            m = sum(map(min, v[i], v[j]))
            out[i, j - q] = (1 - weight) * (1 - m / (2 - m)) + weight * d[i][j]
    return out


def clusters(q: int, g: int, d: int = 8, count: int = 5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, d))
    points = centres[rng.integers(0, count, q + g)] + 0.5 * rng.normal(size=(q + g, d))
    return points[:q].astype("f4"), points[q:].astype("f4")


@st.composite
def grids(draw: st.DrawFn) -> tuple[Any, Any]:
    """Points on a grid: many equal distances and equal points, all of them exact in float32."""
    q, g, d = draw(st.integers(1, 6)), draw(st.integers(1, 25)), draw(st.integers(1, 3))
    points = draw(hnp.arrays(np.float32, (q + g, d), elements=st.integers(-3, 3).map(float)))
    return points[:q], points[q:]


@pytest.mark.parametrize("width", [32, 512])
@pytest.mark.parametrize(
    "settings", [{}, {"k1": 7, "k2": 1}, {"k1": 5, "k2": 9}, {"weight": 0.0}, {"weight": 1.0}]
)
def test_it_equals_literal_loops(settings: Any, width: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(nearest, "_WIDTH", width)
    query, gallery = clusters(37, 111)
    got = k_reciprocal(query, gallery, **settings)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, naive(query, gallery, **settings), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("q", "g"), [(1, 1), (1, 60), (3, 5), (12, 9), (16, 16), (17, 15)])
def test_small_sets_are_used_whole(q: int, g: int) -> None:
    query, gallery = clusters(q, g)
    np.testing.assert_allclose(
        k_reciprocal(query, gallery), naive(query, gallery), rtol=1e-4, atol=2e-6
    )


@settings(deadline=None)
@given(grids(), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.0, 0.3, 1.0]))
def test_ties_and_equal_vectors_as_in_literal_loops(
    points: tuple[Any, Any], k1: int, k2: int, weight: float
) -> None:
    got = k_reciprocal(*points, k1, k2, weight)
    np.testing.assert_allclose(got, naive(*points, k1, k2, weight), rtol=1e-4, atol=2e-6)


@settings(deadline=None)
@given(grids(), st.integers(1, 12), st.integers(1, 12))
def test_distances_are_from_0_to_1_and_do_not_see_scale_or_place(
    points: tuple[Any, Any], k1: int, k2: int
) -> None:
    query, gallery = points
    got = k_reciprocal(query, gallery, k1, k2)
    assert ((got >= 0) & (got <= 1 + 1e-6)).all()
    moved = k_reciprocal(4 * query + 1024, 4 * gallery + 1024, k1, k2)
    np.testing.assert_allclose(moved, got, atol=2e-6)


def test_weight_1_is_the_squared_distance_over_its_maximum() -> None:
    got = k_reciprocal([[0.0]], [[1.0], [2.0], [4.0]], weight=1.0)
    np.testing.assert_allclose(got, [[1 / 16, 4 / 16, 1]])


def test_by_hand() -> None:
    """Two pairs far apart, k1 = 1, k2 = 1: each set is its pair, weights exp(0) and exp(-d)."""
    got = k_reciprocal([[0.0]], [[1.0], [10.0], [11.0]], k1=1, k2=1, weight=0.0)
    near, far = math.exp(-1 / 121), math.exp(-1 / 100)
    m = near / (1 + near) + far / (1 + far)  # each vector's share for the other is the smaller
    np.testing.assert_allclose(got, [[1 - m / (2 - m), 1, 1]], atol=1e-6)


def test_equal_vectors_are_all_tied() -> None:
    same = np.full((40, 16), 0.1, dtype="f4")
    got = k_reciprocal(same[:9], same)
    assert np.isfinite(got).all()
    assert (got == got[0, 0]).all()


def test_of_two_equally_far_the_one_in_the_querys_crowd_is_nearer() -> None:
    crowd = [[0.1 * i] for i in range(1, 10)]
    others = [[-1.3 - 0.1 * i] for i in range(9)]
    stranger, item = k_reciprocal([[0.0]], [[-1.0], [1.0], *crowd, *others], k1=6, k2=3)[0, :2]
    assert item < stranger


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "k1 = 0"),
        ({"k2": 0}, "k2 = 0"),
        ({"weight": -0.1}, "weight -0.1"),
        ({"weight": 1.1}, "weight 1.1"),
        ({"weight": math.nan}, "weight nan"),
    ],
)
def test_settings_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        k_reciprocal([[1.0]], [[2.0]], **options)


@pytest.mark.parametrize("improve", [k_reciprocal, expand_queries])
@pytest.mark.parametrize(
    ("query", "gallery", "error", "message"),
    [
        ([1.0], [[1.0]], UsageError, "query embeddings"),
        ([[1.0]], np.ones((0, 1)), UsageError, "gallery embeddings"),
        (np.ones((0, 1)), [[1.0]], UsageError, "query embeddings"),
        ([["x"]], [[1.0]], UsageError, "query embeddings"),
        ([[1.0]], [[1.0, 2.0]], UsageError, "query vectors of 1, gallery vectors of 2"),
        ([[math.nan]], [[1.0]], ModelError, "a query embedding holds NaN"),
        ([[1.0]], [[math.inf]], ModelError, "a gallery embedding holds NaN"),
        ([[3e38]], [[-3e38]], ModelError, "overflow"),
    ],
)
def test_embeddings_that_cannot_be_used_are_refused(
    improve: Any, query: Any, gallery: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        improve(query, gallery)


@given(grids(), st.integers(1, 30))
def test_expansion_equals_a_literal_loop(points: tuple[Any, Any], n: int) -> None:
    query, gallery = points
    got = expand_queries(query, gallery, n)
    assert got.dtype == np.float32
    for row, vector in zip(got, query.tolist(), strict=True):
        near = sorted(gallery.tolist(), key=lambda p, v=vector: math.dist(v, p))[:n]
        mean = [sum(x) / (len(near) + 1) for x in zip(vector, *near, strict=True)]
        np.testing.assert_allclose(row, mean, rtol=1e-5, atol=1e-6)


def test_expansion_of_many_queries() -> None:
    query, gallery = clusters(2 * rerank._QUERIES + 3, 50)
    whole = expand_queries(query, gallery, 4)
    for row, vector in zip(whole, query, strict=True):
        np.testing.assert_allclose(row, expand_queries(vector[None], gallery, 4)[0], rtol=1e-5)


def test_expansion_by_no_vectors_is_refused() -> None:
    with pytest.raises(UsageError, match="n = 0"):
        expand_queries([[1.0]], [[2.0]], 0)
