"""`cdim eval` on people: protocols, multi query, re-ranking, cameras."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A CSV of made-up images in the roles of a person re-identification set.

    Query i is by camera 1, its gallery image by camera 2; the last one has only an image of its
    own camera. Each query has two more views. One gallery image is junk.
    """
    made = open_dataset("synthetic:18").manifest
    test, spare = made.where(split="test"), made.where(split="train")
    query, gallery = test.where(role="query"), test.where(role="gallery")
    n = len(query)
    cameras = np.full(len(gallery), 2)
    cameras[gallery.instance == query.instance[-1]] = 1
    columns = {
        "source": [*query.source, *gallery.source, *spare.source[: 2 * n + 1]],
        "instance": [*query.instance, *gallery.instance, *query.instance, *query.instance, "-1"],
        "role": ["query"] * n + ["gallery"] * len(gallery) + ["multi-query"] * 2 * n + ["junk"],
        "camera": [*[1] * n, *cameras, *[1] * 2 * n, 2],
    }
    path = tmp_path_factory.mktemp("people") / "people.csv"
    source, instance = columns.pop("source"), columns.pop("instance")
    Manifest.build(source, instance, split="test", **columns, root=made.root).to_csv(path)
    return path


def judged(call, *arguments):
    done = call("eval", *arguments, "--json", "--device", "cpu")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_cameras_make_the_protocol(call, tiny_run, people):
    printed = judged(call, tiny_run, people)
    assert (printed["protocol"], printed["multi_query"]) == ("cross-camera", None)
    assert list(printed["metrics"]) == [
        *("rank-1", "rank-5", "rank-10", "rank-20", "mAP_step", "mAP_trapezoid", "mINP")
    ]
    assert printed["junk"] == 1
    assert len(printed["left_out"]) == 1
    pairs = printed["cameras"]
    assert (pairs["query_cameras"], pairs["gallery_cameras"]) == ([1], [1, 2])
    assert pairs["queries"] == [[0, printed["queries"]]]
    assert pairs["rank-1"] == [[None, printed["metrics"]["rank-1"]["value"]]]
    any_camera = judged(call, tiny_run, people, "--protocol", "any-camera")
    assert any_camera["left_out"] == []
    assert any_camera["queries"] == printed["queries"] + 1


def test_everything_at_once(call, tiny_run, people, tmp_path):
    page = tmp_path / "page.html"
    arguments = ("--multi-query", "maximum", "--expand", 2, "--rerank", "--cameras")
    done = call("eval", tiny_run, people, *arguments, "--html", page, "--device", "cpu")
    assert done.exit_code == 0, done.output
    words = "protocol cross-camera, multi query (maximum), query expansion 2 + k-reciprocal"
    assert words in done.stdout
    assert words in page.read_text(encoding="utf-8")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if "in 2" in line] == ["rank-1", "mAP_step"]


def test_modes_are_rows_of_their_own(call, tiny_run, people, tmp_path):
    file = tmp_path / "results.json"
    file.write_text("[]")
    arguments = (people, tiny_run, "--row", "Tiny", "--recipe", "tiny.toml", "--file", file)
    for more in ((), ("--rerank",), ("--multi-query", "average")):
        done = call("results", "add", *arguments, *more, "--device", "cpu")
        assert done.exit_code == 0, done.output
    rows = json.loads(file.read_text())
    assert [(row["multi_query"], row["rerank"]) for row in rows] == [
        *((None, None), (None, "k-reciprocal"), ("average", None))
    ]
    assert [row["command"].partition(".csv")[2] for row in rows] == [
        *("; done", " --rerank; done", " --multi-query average; done")
    ]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    for label in ("| Tiny |", "| Tiny, k-reciprocal |", "| Tiny, multi query (average) |"):
        assert label in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["people", "--protocol", "instance"], ["1 junk", "any-camera"]),
        (["people", "--protocol", "cross"], ["cross", "cross-camera"]),
        (["people", "--multi-query", "median"], ["median", "average", "maximum"]),
        (["people", "--expand", "0"], ["--expand", "0"]),
        (
            ["synthetic:18", "--multi-query", "average"],
            ["gt_bbox", "queries (--multi-query)"],
        ),
        (["synthetic:18", "--protocol", "cross-camera"], ["no camera", "any-camera"]),
        (["synthetic:18", "--cameras"], ["instance", "leave --cameras out"]),
        (["synthetic:18", "--cameras", "--protocol", "any-camera"], ["fill the column camera"]),
    ],
)
def test_what_does_not_fit_is_refused_before_the_model_is_loaded(call, people, arguments, words):
    arguments = [people if word == "people" else word for word in arguments]
    done = call("eval", "no-run", *arguments)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "no-run" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_middle_maps_join_after_training(call, tiny_run, people, tmp_path):
    plain = judged(call, tiny_run, people)
    joined = judged(call, tiny_run, people, "--join", "pool2", "--join-pool", "grid2", "--join-l2")
    assert joined["metrics"]["mAP_step"] != plain["metrics"]["mAP_step"]
    # What it is compared with is the model as it was trained.
    both = judged(call, tiny_run, people, "--join", "pool2", "--compare", tiny_run)
    alone = judged(call, tiny_run, people, "--join", "pool2")
    difference = both["compare"]["metrics"]["mAP_step"]["difference"]
    gain = alone["metrics"]["mAP_step"]["value"] - plain["metrics"]["mAP_step"]["value"]
    assert difference == pytest.approx(gain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--join-l2",), "no map to join"),
        (("--join", "pool3"), "did you mean 'pool"),
        (("--join", "pool2", "--join-pool", "gem"), "gem"),
    ],
)
def test_what_cannot_be_joined_is_told(call, tiny_run, people, options, message):
    done = call("eval", tiny_run, people, "--device", "cpu", *options)
    assert done.exit_code == 2
    assert message in done.stderr
