"""From embeddings and manifests to a report, and back from disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.data.triplets import from_json, from_pairs
from cdim.errors import DataError, ModelError, UsageError
from cdim.evaluation import Report, compare, evaluate, write_whole
from cdim.metrics import ranking


def manifests(queries: list[str], gallery: list[str]) -> tuple[Manifest, Manifest]:
    return (
        Manifest.build([f"q{i}.png" for i in range(len(queries))], queries, domain="sketch"),
        Manifest.build([f"g{i}.png" for i in range(len(gallery))], gallery, domain="photo"),
    )


def some_report(noise: float = 1.5, seed: int | None = 0, n: int = 40, **more: Any) -> Report:
    rng = np.random.default_rng(0)
    names = [f"shoe/{i}" for i in range(n)]
    photos = rng.normal(size=(n, 8))
    rng = np.random.default_rng([1, seed or 0])
    sketches = photos + noise * rng.normal(size=(n, 8))
    return evaluate(sketches, photos, *manifests(names, names), dataset="x", seed=seed, **more)


def test_numbers_are_those_of_the_metrics() -> None:
    names = [f"shoe/{i}" for i in range(40)]
    triplets = from_pairs([[[i, (i + 1) % 40], [(i + 2) % 40, i]] for i in range(40)], names)
    report = some_report(triplets=triplets)
    value = {name: found.value for name, found in report.metrics.items()}
    assert list(value) == [
        *("acc@1", "acc@5", "acc@10", "median_rank", "mean_rank", "triplet_accuracy")
    ]
    for k in (1, 5, 10):
        assert value[f"acc@{k}"] == ranking.acc_at(report.ranks, k)
        assert report.per_query(f"acc@{k}").mean() == value[f"acc@{k}"]
    assert value["median_rank"] == ranking.median_rank(report.ranks)
    assert value["mean_rank"] == ranking.mean_rank(report.ranks)
    assert report.triplet_counts.tolist() == [2] * 40
    assert value["triplet_accuracy"] == report.triplet_hits.sum() / 80
    for found in report.metrics.values():
        assert found.low <= found.value <= found.high


def test_lists_hold_the_true_item_where_its_rank_says() -> None:
    report = some_report(noise=3)
    assert report.order.shape == report.distances.shape == (40, 20)
    assert (report.first == np.arange(40)).all()
    inside = np.flatnonzero(report.ranks <= 20)
    assert (report.order[inside, report.ranks[inside] - 1] == inside).all()
    assert (
        report.first_distance[inside] == report.distances[inside, report.ranks[inside] - 1]
    ).all()


def test_several_correct_items_and_a_small_gallery() -> None:
    query, gallery = manifests(["a", "b"], ["a", "b", "a"])
    report = evaluate([[0.0], [5.0]], [[3.0], [0.5], [0.9]], query, gallery, dataset="x")
    assert report.ranks.tolist() == [2, 3]
    assert report.order.tolist() == [[1, 2, 0], [0, 2, 1]]
    assert report.first.tolist() == [2, 1]


def test_the_same_embeddings_give_the_same_report() -> None:
    assert some_report().to_json() == some_report().to_json()


def test_a_collapsed_model_scores_nothing() -> None:
    names = [str(i) for i in range(30)]
    same = np.full((30, 50), 0.3, dtype="f4")
    report = evaluate(same, same, *manifests(names, names), dataset="x")
    assert report.metrics["acc@10"].value == 0
    assert report.metrics["mean_rank"].value == 30
    assert not report.confidence.any()


def test_json_has_the_agreed_form() -> None:
    said = json.loads(json.dumps(some_report(seed=3).to_json(), allow_nan=False))
    assert {"dataset", "protocol", "metrics", "queries", "gallery", "seed"} <= set(said)
    assert said["metrics"]["acc@1"].keys() == {"value", "low", "high"}
    assert (said["protocol"], said["queries"], said["gallery"]) == ("instance", 40, 40)
    assert said["seed"] == 3


def test_table_prints_percent() -> None:
    text = some_report(noise=0).table()
    assert "x: 40 queries, 40 gallery items, protocol instance, seed 0" in text
    assert f"{'acc@1 %':<18}  100.00  [100.00, 100.00]" in text
    assert f"{'median_rank':<18}    1.00  [1.00, 1.00]" in text


def test_save_and_load(tmp_path: Path) -> None:
    report = some_report()
    report.save(tmp_path / "run.v1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.v1.json", "run.v1.npz"]
    again = Report.load(tmp_path / "run.v1")
    assert again.to_json() == report.to_json()
    for name in ("ranks", "order", "distances", "confidence", "instances", "first"):
        np.testing.assert_array_equal(getattr(again, name), getattr(report, name))
    assert compare(report, again)["acc@1"].difference == 0


@pytest.mark.parametrize("damage", ["no json", "half npz", "key", "no npz"])
def test_damaged_reports_are_named(tmp_path: Path, damage: str) -> None:
    some_report().save(tmp_path / "r")
    numbers, arrays = tmp_path / "r.json", tmp_path / "r.npz"
    if damage == "no json":
        numbers.write_text("{")
    elif damage == "half npz":
        arrays.write_bytes(arrays.read_bytes()[:300])
    elif damage == "key":
        np.savez(arrays, ranks=np.ones(1))
    else:
        arrays.unlink()
    with pytest.raises(DataError, match="cannot read the report"):
        Report.load(tmp_path / "r")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    target = tmp_path / "a.json"
    target.write_text("old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left"):
        write_whole(target, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert target.read_text() == "old"


def test_compare_tells_a_better_model_from_a_worse_one() -> None:
    good = [some_report(noise=0.7, seed=s) for s in range(3)]
    bad = [some_report(noise=3, seed=s) for s in range(2)]
    found = compare(good, bad)
    assert set(found) == {"acc@1", "acc@5", "acc@10", "mean_rank"}
    mean = [np.mean([r.metrics["acc@1"].value for r in side]) for side in (good, bad)]
    assert found["acc@1"].difference == pytest.approx(mean[0] - mean[1])
    assert found["acc@1"].low > 0
    assert found["acc@1"].p < 0.01
    assert found["mean_rank"].high < 0


def test_compare_refuses() -> None:
    with pytest.raises(UsageError, match="same queries"):
        compare(some_report(), some_report(n=39))
    with pytest.raises(UsageError, match="no reports"):
        compare([], some_report())
    with pytest.raises(UsageError, match="acc@1"):
        some_report().per_query("acc")


def test_refused_input() -> None:
    query, gallery = manifests(["a"], ["a", "b"])
    good = {"dataset": "x"}
    one, two = np.ones((1, 3)), np.ones((2, 3))
    with pytest.raises(UsageError, match="did you mean 'instance'"):
        evaluate(one, two, query, gallery, dataset="x", protocol="instances")
    with pytest.raises(UsageError, match="2 query embeddings for 1 manifest rows"):
        evaluate(two, two, query, gallery, **good)
    with pytest.raises(UsageError):
        evaluate(one, np.ones((2, 4)), query, gallery, **good)
    with pytest.raises(ModelError):
        evaluate(one * np.nan, two, query, gallery, **good)
    with pytest.raises(DataError, match="no queries"):
        evaluate(one[:0], two, query.take([]), gallery, **good)
    with pytest.raises(DataError, match="'b'"):
        evaluate(one, one, dataclasses.replace(query, instance=["b"]), gallery.take([0]), **good)
    with pytest.raises(DataError, match="among the gallery"):
        evaluate(
            one,
            one,
            query,
            gallery.take([0]),
            triplets=from_pairs([[[0, 1]], []], ["a", "b"]),
            **good,
        )


def test_the_released_test_triplets_are_asked_of_every_sketch(data_root: Path) -> None:
    names = [f"shoe/test/{i}" for i in range(115)]
    released = (data_root / "qmul_v1_mat" / "shoes" / "shoes_annotation.json").read_bytes()
    triplets = from_json(released, {"test": names}, "shoes")["test"]
    points = np.random.default_rng(0).normal(size=(115, 8))
    report = evaluate(points, points, *manifests(names, names), dataset="x", triplets=triplets)
    assert report.triplet_counts.tolist() == [45] * 115
    own = [a == n for a, n in zip(triplets.anchor, triplets.nearer, strict=True)]
    assert report.metrics["triplet_accuracy"].value > np.mean(own)
