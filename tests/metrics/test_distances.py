"""Distances against a naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cdim.errors import ModelError, UsageError
from cdim.metrics.distances import METRICS, distances


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
