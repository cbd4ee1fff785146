"""Distances against a naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cdim.errors import ModelError, UsageError
from cdim.metrics.distances import distances


@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_distances_equal_a_naive_loop(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdim.metrics.distances._CHUNK", chunk)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 6)).astype("f4"), rng.normal(size=(7, 6)).astype("f4")
    wanted = [
        [sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) ** 0.5 for q in b.tolist()]
        for p in a.tolist()
    ]
    got = distances(a, b)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_equal_vectors_are_exactly_zero_apart_and_tied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdim.metrics.distances._CHUNK", 17)
    one = np.random.default_rng(1).normal(size=(1, 333)).astype("f4")
    assert not distances(one.repeat(70, 0), one.repeat(50, 0)).any()


def test_near_vectors_keep_their_distance() -> None:
    base = np.full((1, 100), 10.0)
    near = base + np.array([[0.001] + [0.0] * 99])
    assert distances(base, near)[0, 0] == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([[1.0]], [[1.0, 2.0]], UsageError),
        ([1.0], [[1.0]], UsageError),
        ([["x"]], [[1.0]], UsageError),
        ([[np.nan]], [[1.0]], ModelError),
        ([[1.0]], [[np.inf]], ModelError),
        ([[1e39]], [[-1e39]], ModelError),
        ([[1e200]], [[1e200]], ModelError),
    ],
)
def test_distances_refuse(a: Any, b: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        distances(a, b)
