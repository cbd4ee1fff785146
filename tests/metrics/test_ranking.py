"""Ranking against naive loops, and what must hold for any input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdim.errors import DataError, ModelError, UsageError
from cdim.metrics import ranking
from cdim.metrics.distances import METRICS, distances
from cdim.metrics.triplets import triplet_hits, triplets_by_query

small = st.integers(1, 7)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Distances with many ties, and names such that every query has a correct item."""
    q, g = draw(small), draw(small)
    offered = np.array(draw(st.lists(st.sampled_from("abcd"), min_size=g, max_size=g)))
    wanted = np.array(draw(st.lists(st.sampled_from(offered.tolist()), min_size=q, max_size=q)))
    values = draw(hnp.arrays(np.float32, (q, g), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    return values, wanted, offered


def naive_rank(row: Any, wanted: str, offered: Any) -> int:
    items = sorted((float(d), name == wanted) for d, name in zip(row, offered, strict=True))
    return [correct for _, correct in items].index(True) + 1


def naive_distance(a: Any, b: Any, metric: str) -> float:
    if metric == "cosine":
        return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (
            sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5
        )
    squared = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return float(squared if metric == "squared" else squared**0.5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_distances_equal_a_naive_loop(metric: str, chunk: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 6)).astype("f4"), rng.normal(size=(7, 6)).astype("f4")
    wanted = [[naive_distance(x, y, metric) for y in b.tolist()] for x in a.tolist()]
    got = distances(a, b, metric, chunk)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_equal_vectors_are_exactly_zero_apart_and_tied() -> None:
    one = np.random.default_rng(1).normal(size=(1, 333)).astype("f4")
    for metric in METRICS:
        assert not distances(one.repeat(70, 0), one.repeat(50, 0), metric, chunk=17).any()


def test_near_vectors_keep_their_distance() -> None:
    base = np.full((1, 100), 10.0)
    near = base + np.array([[0.001] + [0.0] * 99])
    assert distances(base, near)[0, 0] == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "metric", "error"),
    [
        ([[1.0]], [[1.0, 2.0]], "euclidean", UsageError),
        ([1.0], [[1.0]], "euclidean", UsageError),
        ([["x"]], [[1.0]], "euclidean", UsageError),
        ([[1.0]], [[1.0]], "euclidian", UsageError),
        ([[np.nan]], [[1.0]], "euclidean", ModelError),
        ([[1.0]], [[np.inf]], "euclidean", ModelError),
        ([[0.0]], [[1.0]], "cosine", ModelError),
        ([[1e38]], [[-1e38]], "squared", ModelError),
        ([[1e200]], [[1e200]], "euclidean", ModelError),
    ],
)
def test_distances_refuse(a: Any, b: Any, metric: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        distances(a, b, metric)
    with pytest.raises(UsageError):
        distances([[1.0]], [[1.0]], chunk=0)


@given(searches(), st.sampled_from([1, 2, 1024]))
def test_ranks_equal_a_naive_loop(search: tuple[Any, Any, Any], chunk: int) -> None:
    values, wanted, offered = search
    loop = [naive_rank(r, w, offered) for r, w in zip(values, wanted, strict=True)]
    assert ranking.ranks(values, wanted, offered, chunk).tolist() == loop


@given(searches(), st.permutations(range(7)))
def test_ranks_do_not_depend_on_the_gallerys_order(
    search: tuple[Any, Any, Any], order: list[int]
) -> None:
    values, wanted, offered = search
    order = [i for i in order if i < len(offered)]
    ranks = ranking.ranks(values, wanted, offered)
    assert (ranks == ranking.ranks(values[:, order], wanted, offered[order])).all()
    assert (ranks == ranking.ranks(values * 3 + 1, wanted, offered)).all()


def test_a_collapsed_model_is_last() -> None:
    names = [str(i) for i in range(9)]
    same = np.full((9, 64), 0.1, dtype="f4")
    ranks = ranking.ranks(distances(same, same), names, names)
    assert (ranks == 9).all()


def test_ranks_refuse() -> None:
    with pytest.raises(DataError, match=r"1 of 2 queries .* 'b' \(row 1\)"):
        ranking.ranks([[1.0], [1.0]], ["a", "b"], ["a"])
    with pytest.raises(ModelError):
        ranking.ranks([[np.nan]], ["a"], ["a"])
    with pytest.raises(UsageError):
        ranking.ranks([[1.0]], ["a", "b"], ["a"])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_counts_equal_naive_loops(values: list[int]) -> None:
    shares = [ranking.acc_at(values, k) for k in range(1, 51)]
    for k, share in enumerate(shares, start=1):
        assert share == pytest.approx(sum(v <= k for v in values) / len(values))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert ranking.mean_rank(values) == pytest.approx(sum(values) / len(values))
    middle = sorted(values)
    half = len(middle) // 2
    assert ranking.median_rank(values) == (middle[half] + middle[~half]) / 2


@pytest.mark.parametrize("ranks", [[], [0, 1], [[1]]])
def test_counts_refuse(ranks: Any) -> None:
    for count in (ranking.median_rank, ranking.mean_rank, lambda r: ranking.acc_at(r, 1)):
        with pytest.raises(UsageError):
            count(ranks)
    with pytest.raises(UsageError):
        ranking.acc_at([1], 0)


@given(searches(), st.lists(st.tuples(small, small, small), min_size=1, max_size=20))
def test_triplets_equal_a_naive_loop(
    search: tuple[Any, Any, Any], asked: list[tuple[int, int, int]]
) -> None:
    values, wanted, offered = search
    q, g = values.shape
    rows = [(a % q, n % g, f % g) for a, n, f in asked]
    loop = [bool(values[a, n] < values[a, f]) for a, n, f in rows]
    columns = np.array(rows).T
    assert triplet_hits(values, *columns).tolist() == loop
    assert ranking.triplet_accuracy(values, *columns) == pytest.approx(sum(loop) / len(loop))

    names = [(wanted[a], offered[n], offered[f]) for a, n, f in rows]
    hits, counts = triplets_by_query(values, wanted, offered, *np.array(names).T)
    for query in range(q):
        mine = [(n, f) for a, n, f in names if a == wanted[query]]
        near = {x: min(values[query, offered == x]) for x in offered}
        assert counts[query] == len(mine)
        assert hits[query] == sum(near[n] < near[f] for n, f in mine)


def test_triplets_refuse() -> None:
    with pytest.raises(UsageError, match="nearer"):
        triplet_hits([[1.0, 2.0]], [0], [2], [0])
    with pytest.raises(UsageError):
        triplet_hits([[1.0, 2.0]], [0, 0], [1], [0])
    with pytest.raises(UsageError, match="no triplets"):
        ranking.triplet_accuracy([[1.0]], *np.zeros((3, 0), dtype=int))
    with pytest.raises(DataError, match=r"queries.*'z'"):
        triplets_by_query(np.ones((1, 1), "f4"), ["a"], ["a"], ["z"], ["a"], ["a"])
    with pytest.raises(DataError, match=r"gallery.*'z'"):
        triplets_by_query(np.ones((1, 1), "f4"), ["a"], ["a"], ["a"], ["a"], ["z"])
