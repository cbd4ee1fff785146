"""The torchreid package's own metric code says the same: CMC and step mAP to 1e-4."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from importlib.metadata import distribution
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.judge.evaluate import evaluate
from cdim.judge.report import Report
from cdim.metrics.distances import distances
from cdim.metrics.protocol import Labels


@pytest.fixture
def rank(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """torchreid's `rank.py` by itself: the rest needs packages that we don't, and is slow."""
    path = distribution("torchreid").locate_file("torchreid/reid/metrics/rank.py")
    monkeypatch.setitem(sys.modules, "torchreid", None)  # so that it takes its plain Python code
    spec = importlib.util.spec_from_file_location("torchreid_rank", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Cython evaluation")
        spec.loader.exec_module(module)
    return module


def market(queries: int, gallery: int, people: int, noise: float) -> tuple[Any, Any, Labels]:
    """Random features with Market's structure: six cameras, a sixth junk, a seventh distractors.

    Person 1 has gallery images of camera 1 only, so that a query of that camera is left out.
    """
    rng = np.random.default_rng(queries)
    centre = rng.normal(size=(people + 1, 32))
    person = rng.integers(1, people + 1, size=queries)
    other = rng.choice([-1, 0, *range(1, people + 1)], size=gallery, p=_shares(people))
    camera, place = (rng.integers(1, 7, size=n) for n in (queries, gallery))
    person[0], camera[0] = 1, 1
    place[other == 1] = 1
    query, items = (
        (centre[np.maximum(x, 0)] * (x > 0)[:, None] + noise * rng.normal(size=(len(x), 32)))
        for x in (person, other)
    )
    labels = Labels(person, other, camera, place, other == -1)
    return query.astype("f4"), items.astype("f4"), labels


def _shares(people: int) -> list[float]:
    return [1 / 6, 1 / 7, *[(1 - 1 / 6 - 1 / 7) / people] * people]


def ours(query: Any, gallery: Any, labels: Labels) -> Report:
    roles = np.where(labels.junk, "junk", "gallery")
    sides = [
        Manifest.build([f"{kind}{i}" for i in range(len(ids))], ids, role=role, camera=cameras)
        for kind, ids, role, cameras in (
            ("q", labels.query_ids, "query", labels.query_cameras.tolist()),
            ("g", labels.gallery_ids, roles.tolist(), labels.gallery_cameras.tolist()),
        )
    ]
    return evaluate(query, gallery, *sides, dataset="market", protocol="cross-camera")


@pytest.mark.parametrize("noise", [0.5, 2.0, 4.0])
def test_the_same_rank_k_and_step_map(rank: ModuleType, noise: float) -> None:
    query, gallery, labels = market(150, 1200, 40, noise)
    counted = ~labels.junk  # torchreid's reader drops junk before it judges
    cmc, mean = rank.evaluate_rank(
        distances(query, gallery[counted]),
        labels.query_ids,
        labels.gallery_ids[counted],
        labels.query_cameras,
        labels.gallery_cameras[counted],
        use_cython=False,
    )
    report = ours(query, gallery, labels)
    assert 1 <= len(report.left_out) < 20
    for k in (1, 5, 10, 20):
        assert report.metrics[f"rank-{k}"].value == pytest.approx(cmc[k - 1], abs=1e-4)
    assert report.metrics["mAP_step"].value == pytest.approx(mean, abs=1e-4)
    assert report.metrics["mAP_trapezoid"].value < mean - 1e-4  # the other convention, not this
