"""From embeddings and manifests to a report, and back from disk."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdim.data.manifest import GALLERY, QUERY, Manifest
from cdim.data.triplets import from_json, from_pairs
from cdim.disk import write_whole
from cdim.errors import DataError, ModelError, UsageError
from cdim.judge.compare import compare
from cdim.judge.evaluate import Views, evaluate, evaluate_distances
from cdim.judge.report import Report


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
        assert value[f"acc@{k}"] == (report.ranks <= k).mean()
        assert report.per_query(f"acc@{k}").mean() == value[f"acc@{k}"]
    assert value["median_rank"] == np.median(report.ranks)
    assert value["mean_rank"] == report.ranks.mean()
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


def test_every_image_searches_the_others_as_in_a_naive_loop() -> None:
    rng = np.random.default_rng(5)
    n = 60
    role = rng.choice(["both", "query", "gallery", "junk"], n, p=[0.6, 0.15, 0.15, 0.1])
    images = Manifest.build([f"{i}.jpg" for i in range(n)], rng.integers(0, 22, n), role=role)
    vectors = rng.integers(0, 3, (n, 3)).astype("f4")
    asked, searched = (
        np.flatnonzero(np.isin(role, names)) for names in (QUERY, (*GALLERY, "junk"))
    )
    sides = images.take(asked), images.take(searched)
    report = evaluate(vectors[asked], vectors[searched], *sides, dataset="x")
    ranks, precision, lost = [], [], []
    for i in asked:
        others = [
            (
                float(np.square(vectors[i] - vectors[j]).sum()),
                images.instance[j] == images.instance[i],
            )
            for j in searched
            if j != i and role[j] != "junk"
        ]
        right = [place for place, (_, yes) in enumerate(sorted(others), start=1) if yes]
        if right:
            ranks.append(right[0])
            precision.append(np.mean([k / place for k, place in enumerate(right, start=1)]))
        else:
            lost.append(f"{i}.jpg")
    assert report.protocol == "leave-one-out"
    assert report.ranks.tolist() == ranks
    assert report.left_out == tuple(lost) != ()
    assert report.metrics["rank-1"].value == np.mean(np.array(ranks) == 1)
    assert report.metrics["mAP_step"].value == pytest.approx(np.mean(precision))
    for protocol in ("instance", "any-camera"):
        with pytest.raises(UsageError, match="query and gallery at once"):
            evaluate(vectors[asked], vectors[searched], *sides, dataset="x", protocol=protocol)


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
    report = some_report(noise=0)
    text = str(report)
    assert repr(report) == "<Report 'x': 40 queries, 40 gallery items, acc@1 1.0000>"
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
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "a.json"
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
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
    with pytest.raises(DataError, match="no gallery"):
        evaluate(one, two[:0], query, gallery.take([]), **good)
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


# A set of people small enough to judge by hand. Distances are differences of these places.
PEOPLE = Manifest.build(
    ["q0.jpg", "q1.jpg", "q2.jpg", "q3.jpg"],
    ["m/1", "m/1", "m/2", "m/3"],
    role="query",
    camera=[1, 2, 1, 1],
)
ITEMS = Manifest.build(
    [f"g{i}.jpg" for i in range(8)],
    ["m/1", "m/1", "m/1", "m/2", "m/2", "m/0000", "m/-1", "m/3"],
    role=["gallery"] * 6 + ["junk", "gallery"],
    camera=[1, 2, 3, 2, 1, 3, 2, 1],
)
PLACES = np.array([[1.0], [3.0], [6.0], [2.0], [2.5], [4.0], [0.5], [9.0]])
ASKED = np.array([[0.0], [3.5], [3.0], [9.0]])


def people(protocol: str | None = None, **more: Any) -> Report:
    return evaluate(ASKED, PLACES, PEOPLE, ITEMS, dataset="m", protocol=protocol, **more)


def test_people_judged_across_cameras_by_hand() -> None:
    report = people()
    assert report.protocol == "cross-camera"  # for all have cameras
    # q0 (m/1, camera 1): g0 ignored, g6 junk. g3 2, g4 2.5, g1 3, g5 4, g2 6, g7 9: ranks 3, 5.
    # q1 (m/1, camera 2): g1 ignored. g5 .5, g4 1, g3 1.5, then g0 and g2 tied at 2.5: 4, 5.
    # q2 (m/2, camera 1): g4 ignored. g1 0, then g3 and g5 tied at 1: the wrong one first: 3.
    # q3 (m/3, camera 1): its only item is of its own camera: left out.
    assert report.left_out == ("q3.jpg",)
    assert report.rows.tolist() == [0, 1, 2]
    assert report.correct_ranks.tolist() == [3, 5, 4, 5, 3]
    assert report.correct_counts.tolist() == [2, 2, 1]
    assert report.ranks.tolist() == [3, 4, 3]
    assert report.order[0].tolist() == [3, 4, 1, 5, 2, 7, -1, -1]
    assert report.first.tolist() == [1, 0, 3]
    value = {name: found.value for name, found in report.metrics.items()}
    steps = [(1 / 3 + 2 / 5) / 2, (1 / 4 + 2 / 5) / 2, 1 / 3]
    traps = [(1 / 6 + (1 / 4 + 2 / 5) / 2) / 2, (1 / 8 + (1 / 4 + 2 / 5) / 2) / 2, 1 / 6]
    assert value == {
        "rank-1": 0,
        "rank-5": 1,
        "rank-10": 1,
        "rank-20": 1,
        "mAP_step": pytest.approx(np.mean(steps)),
        "mAP_trapezoid": pytest.approx(np.mean(traps)),
        "mINP": pytest.approx((2 / 5 + 2 / 5 + 1 / 3) / 3),
    }
    for name, found in report.metrics.items():
        assert report.per_query(name).mean() == pytest.approx(found.value)
        assert found.low <= found.value <= found.high


def test_the_same_people_in_any_camera() -> None:
    report = people("any-camera")
    # Junk g6 is still ignored; own cameras count. q0: g0 1, g3 2, g4 2.5, g1 3, g5 4, g2 6, g7 9.
    # q1: g1 and g5 tied at .5. q2: g1 0, g4 .5, then g3 and g5 tied at 1. q3: g7 0.
    assert report.left_out == ()
    assert report.correct_ranks.tolist() == [1, 4, 6, 2, 5, 6, 2, 4, 1]
    assert report.metrics["rank-1"].value == 0.5


def test_camera_pairs_by_hand(tmp_path: Path) -> None:
    report = people()
    assert report.cameras is not None
    assert report.cameras.query_cameras.tolist() == [1, 2]
    assert report.cameras.gallery_cameras.tolist() == [1, 2, 3]
    # Camera 1 asks q0 and q2 (in camera 2: ranks 2 and 2) and q0 (in camera 3: g5 4, g2 6);
    # camera 2 asks q1 (in camera 1: g4 1, g0 2.5; in camera 3: g5 .5, g2 2.5).
    assert report.cameras.queries.tolist() == [[0, 2, 1], [1, 0, 1]]
    half, none = 0.5, None
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))["cameras"]
    assert said["mAP_step"] == [[none, half, half], [half, none, half]]
    assert said["rank-1"] == [[none, 0, 0], [0, none, 0]]
    text = report.camera_table()
    assert f"{'camera 1':<18}{'–':>8}{'50.00':>8}{'50.00':>8}" in text
    report.save(tmp_path / "r")
    again = Report.load(tmp_path / "r")
    assert again.to_json() == report.to_json()
    assert again.camera_table() == text
    assert (again.left_out, again.multi_query) == (("q3.jpg",), None)
    with pytest.raises(UsageError, match="need cameras"):
        some_report().camera_table()


def test_the_table_says_what_was_agreed() -> None:
    text = str(people())
    sizes = "3 queries (1 more left out), 8 gallery items (1 junk)"
    assert f"m: {sizes}, protocol cross-camera, single query" in text
    assert "under this protocol: q3.jpg\n" in text
    assert f"{'mAP_trapezoid %':<18}" in text
    pooled = people(views=Views(ASKED, PEOPLE, "maximum"), expand=1, rerank=True)
    assert "multi query (maximum), query expansion 1 + k-reciprocal" in str(pooled)
    assert (pooled.multi_query, pooled.rerank) == ("maximum", "query expansion 1 + k-reciprocal")


def test_multi_query_pools_the_views_of_the_querys_camera() -> None:
    names = ["m/1", "m/1", "m/1", "m/2", "m/3"]
    files = [f"v{i}.jpg" for i in range(5)]
    views = Manifest.build(files, names, role="multi-query", camera=[1, 1, 2, 1, 1])
    seen = np.array([[4.0], [6.0], [3.5], [3.0], [9.0]])
    report = people(views=Views(seen, views, "average"))
    # q0 stands at 5 now: g5 and g2 tied at 1, the wrong one first; g1 2, g4 2.5, g3 3, g7 4.
    assert report.correct_ranks[:2].tolist() == [2, 3]
    assert people(views=Views(seen, views, "maximum")).correct_ranks[0] == 1  # q0 at 6, g2 there
    with pytest.raises(DataError, match="has no view"):
        people(views=Views(seen[:1], views.take([0]), "average"))
    with pytest.raises(UsageError, match="5 view embeddings for 4"):
        people(views=Views(seen, PEOPLE, "average"))


def by_distances(matrix: Any) -> Report:
    return evaluate_distances(matrix, PEOPLE, ITEMS, dataset="m")


def test_a_matrix_is_judged_as_it_is() -> None:
    matrix = np.abs(ASKED - PLACES.T)
    assert by_distances(matrix).to_json() == people().to_json()
    assert by_distances(-matrix).to_json() != people().to_json()
    for wrong, error in (
        (matrix.T, UsageError),
        (matrix * np.nan, ModelError),
        (matrix.astype(str), UsageError),
    ):
        with pytest.raises(error):
            by_distances(wrong)
    with pytest.raises(DataError, match="no queries"):
        evaluate_distances(np.ones((0, 2)), PEOPLE.take([]), ITEMS, dataset="m")


def test_search_time_changes_are_those_of_rerank() -> None:
    from cdim.metrics.rerank import expand_queries, k_reciprocal

    changed = people(rerank=True)
    assert (
        changed.to_json()["metrics"]
        == by_distances(k_reciprocal(ASKED, PLACES)).to_json()["metrics"]
    )
    moved = expand_queries(ASKED, PLACES, 2)
    by_hand = evaluate(moved, PLACES, PEOPLE, ITEMS, dataset="m")
    assert people(expand=2).correct_ranks.tolist() == by_hand.correct_ranks.tolist()


def test_protocols_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="1 junk"):
        people("instance")
    blind = dataclasses.replace(PEOPLE, camera=[1, -1, 1, 1])
    with pytest.raises(UsageError, match="1 queries and 0 gallery items have no camera"):
        evaluate(ASKED, PLACES, blind, ITEMS, dataset="m", protocol="cross-camera")
    with pytest.raises(UsageError, match="1 of 11 images without a camera"):
        evaluate(ASKED, PLACES, blind, ITEMS, dataset="m")
    without = evaluate(ASKED, PLACES, blind, ITEMS, dataset="m", protocol="any-camera")
    assert without.cameras is None
    assert without.correct_ranks.tolist() == people("any-camera").correct_ranks.tolist()
    with pytest.raises(DataError, match="none of the 1 queries"):
        evaluate(ASKED[3:], PLACES, PEOPLE.take([3]), ITEMS, dataset="m")


def test_two_people_models_are_compared() -> None:
    found = compare(people(), people(expand=1))
    assert list(found) == list(people().metrics)
    with pytest.raises(UsageError, match="same protocol"):
        compare(people(), people("any-camera"))
