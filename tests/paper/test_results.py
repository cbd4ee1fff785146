"""The file of results: strict on the way in, the same on the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdim import strict
from cdim.data.manifest import Manifest
from cdim.errors import DataError, UsageError
from cdim.judge.evaluate import evaluate
from cdim.judge.report import Report
from cdim.paper.results import (
    merge_results,
    pool,
    read_results,
    render,
)
from cdim.paper.row import DOCUMENT, ResultRow, write_list

DOCS = Path(__file__).parents[2] / "docs"


def plain(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": "qmul-shoe",
        "protocol": "instance",
        "metrics": {"acc@1": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "queries": 115,
        "gallery": 115,
        "seed": None,
        "table": "3",
        "row": "Ours",
        "source": "measured",
        "split": "test",
        "multi_query": None,
        "rerank": None,
        "backbone": "sketch-a-net",
        "params": 8_000_000,
        "dim": 12800,
        "fusion": ["pool5"],
        "recipe": "recipes/shoe-fusion.toml",
        "seeds": [0, 1, 2],
        "command": "cdim eval runs/shoe-fusion qmul-shoe",
    }
    return row | changes


def built(row: Any) -> ResultRow:
    made: ResultRow = strict.build(ResultRow, row, DOCUMENT)
    return made


def published(**changes: Any) -> dict[str, Any]:
    none = dict.fromkeys(["params", "dim", "recipe", "command"])
    metrics = {"acc@1": {"value": 0.6435, "low": None, "high": None}}
    return plain(**{"source": "published", "seeds": [], "metrics": metrics, **none, **changes})


def some_reports(seeds: list[int | None], n: int = 30) -> list[Report]:
    names = [str(i) for i in range(n)]
    query = Manifest.build([f"q{i}" for i in names], names)
    gallery = Manifest.build([f"g{i}" for i in names], names)
    photos = np.random.default_rng(0).normal(size=(n, 5))
    return [
        evaluate(
            photos + np.random.default_rng([9, seed or 0]).normal(size=(n, 5)),
            *(photos, query, gallery),
            dataset="toys",
            seed=seed,
        )
        for seed in seeds
    ]


ABOUT: dict[str, Any] = {
    "row": "mine",
    "split": "test",
    "backbone": "net",
    "dim": 5,
    "fusion": [],
    "command": "cdim eval x toys",
}


def test_a_row_comes_back_as_it_was() -> None:
    for row in (plain(), published(), plain(fusion=None, seeds=[4], seed=4)):
        assert strict.plain(built(row)) == row


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (plain(datset="x"), "did you mean 'dataset'"),
        ({k: v for k, v in plain().items() if k != "dim"}, "no dim in the row"),
        (plain(metrics={}), "without metrics"),
        (plain(metrics={"acc1": {}}), "did you mean 'acc@1'"),
        (plain(metrics={"acc@1": {"value": 0.5}}), "exactly value, low and high"),
        (plain(metrics={"acc@1": {"value": 50, "low": 40, "high": 60}}), "divide percentages"),
        (plain(metrics={"acc@1": {"value": 0.3, "low": 0.4, "high": 0.6}}), "low <= value"),
        (plain(metrics={"acc@1": {"value": 0.3, "low": None, "high": None}}), "only published"),
        (plain(metrics={"acc@1": {"value": float("nan"), "low": 0, "high": 1}}), "shares"),
        (plain(metrics={"acc@1": {"value": True, "low": 0, "high": 1}}), "it is a number"),
        (plain(source="guessed"), "'measured', 'published'"),
        (plain(row=" "), "row = ' '"),
        (plain(queries=0), "queries = 0; .*from 1"),
        (plain(queries=True), "queries = True; it is a whole number"),
        (plain(table=3), "table = 3; it is a string"),
        (plain(fusion=[1]), r"fusion\[0\] = 1; it is a string"),
        (plain(fusion="pool5"), "fusion = 'pool5'; it is a list"),
        (plain(seeds=[0, 0]), "seeds .*each is there once"),
        (plain(seed=1), "seed is the only one"),
        (plain(seeds=[1]), "seed is the only one"),
        (plain(command=None), "lacks command"),
        (plain(metrics={"mAP": {"value": 0.5, "low": 0.4, "high": 0.6}}), "knows the convention"),
    ],
)
def test_wrong_rows_are_refused(row: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        built(row)


def test_files_come_back_and_wrong_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    rows = [built(row) for row in (published(), plain())]
    write_list(path, rows)
    assert read_results(path) == rows
    for text, message in (
        ("{", "cannot read"),
        ("[" * 100_000, "cannot read"),
        ("{}", "no list"),
        ("[[]]", "no object"),
        (json.dumps([plain(), plain()]), "rows 0 and 1 .* are the same row"),
        (json.dumps([plain(), published(dim=0)]), "row 1 of .*results.json: dim = 0"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_results(path)
    with pytest.raises(DataError, match="cannot read"):
        read_results(tmp_path / "none.json")


def test_merge_replaces_the_row_it_renews() -> None:
    rows = [built(row) for row in (published(), plain(), plain(row="Vanilla"))]
    better = built(plain(seeds=[7], seed=7))
    assert merge_results(rows, better) == [rows[0], better, rows[2]]
    other = built(plain(recipe="recipes/strong.toml"))
    assert merge_results(rows, other) == [*rows, other]


def test_pooling_averages_over_seeds() -> None:
    reports = some_reports([0, 1, 2])
    row = pool(reports, **ABOUT)
    assert row.seeds == (0, 1, 2)
    assert row.seed is None
    assert set(row.metrics) == {"acc@1", "acc@5", "acc@10"}
    for name, found in row.metrics.items():
        mean = np.mean([r.metrics[name].value for r in reports])
        low, value, high = (found[key] for key in ("low", "value", "high"))
        assert value == pytest.approx(mean)
        assert low is not None
        assert high is not None
        assert low <= mean <= high
    one = pool(reports[:1], **ABOUT)
    assert one.metrics["acc@1"]["low"] == reports[0].metrics["acc@1"].low
    assert one.seed == 0


def test_pooling_refuses() -> None:
    with pytest.raises(DataError, match="no reports"):
        pool([], **ABOUT)
    with pytest.raises(DataError, match=r"seeds .*each is there once"):
        pool(some_reports([1, 1]), **ABOUT)
    with pytest.raises(DataError, match="without a seed"):
        pool(some_reports([1, None]), **ABOUT)
    with pytest.raises(DataError, match="'backbon'"):
        pool(some_reports([1]), **ABOUT, backbon="x")
    with pytest.raises(UsageError):
        pool([*some_reports([1]), *some_reports([2], n=20)], **ABOUT)


def test_the_page_puts_published_beside_measured() -> None:
    rows = [
        *(published(), plain(), plain(recipe="strong.toml", row="Strong | best", fusion=[])),
        plain(table=None, row="extra", dataset="chairv2"),
    ]
    text = render([built(row) for row in rows])
    assert "| row | acc@1 paper | acc@1 cdim |" in text
    assert "| Ours | 64.35 | 50.00 [40.0, 60.0] | sketch-a-net | pool5 | 12,800 |" in text
    assert "| Strong \\| best | – | 50.00 [40.0, 60.0] | sketch-a-net | none (vanilla) |" in text
    assert text.index("## Table 3") < text.index("## Beyond the paper's tables")
    assert "- Ours: `cdim eval runs/shoe-fusion qmul-shoe`" in text
    assert "| 0, 1, 2 |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in lines[: 2 + 2]}
    assert len(widths) == 1


def test_tables_stand_in_the_papers_order() -> None:
    text = render([built(published(table=t)) for t in ("11", None, "3", "7")])
    places = [text.index(f"## {t}") for t in ("Table 3", "Table 7", "Table 11", "Beyond")]
    assert places == sorted(places)


def test_notes_stand_below_their_tables_heading() -> None:
    row = built(published(table="7"))
    text = render([row], {"7": ["What agrees: all."], "9": ["Not shown."]})
    assert "## Table 7: which layers are fused\n\nWhat agrees: all.\n\n### qmul-shoe" in text
    assert "Not shown." not in text


def test_the_repositorys_results_are_valid() -> None:
    rows = read_results(DOCS / "results.json")
    ours = {
        row.dataset: (row.metrics["acc@1"]["value"], row.metrics["acc@10"]["value"])
        for row in rows
        if (row.table, row.row, row.source) == ("3", "Ours", "published")
    }
    assert ours == {
        "qmul-shoe": (0.6435, 0.9304),
        "qmul-chair": (0.8454, 0.9794),
        "qmul-handbag": (0.5, 0.8333),
    }
    people = {
        (row.dataset, row.multi_query is not None): tuple(
            row.metrics[name]["value"] for name in ("mAP", "rank-1")
        )
        for row in rows
        if row.table in ("4", "5", "6") and row.row == "Ours"
    }
    assert people == {
        ("market1501", False): (0.7555, 0.8987),
        ("market1501", True): (0.8237, 0.9332),
        ("dukemtmc-reid", False): (0.6388, 0.8043),
        ("cuhk03-np-labelled", False): (0.4752, 0.515),
        ("cuhk03-np-detected", False): (0.4351, 0.4714),
    }


def people_report(**more: Any) -> Report:
    names = ["a", "b", "c"]
    query = Manifest.build([f"q{i}" for i in names], names, camera=1)
    gallery = Manifest.build([f"g{i}" for i in names], names, camera=2)
    points = np.arange(6.0).reshape(3, 2)
    return evaluate(points, points[::-1], query, gallery, dataset="people", **more)


def test_ways_to_search_are_told_apart() -> None:
    plain_row = pool([people_report()], **ABOUT)
    reranked = pool([people_report(rerank=True)], **ABOUT)
    assert (plain_row.protocol, plain_row.multi_query, plain_row.rerank) == (
        *("cross-camera", None, None),
    )
    assert reranked.rerank == "k-reciprocal"
    assert set(plain_row.metrics) == {
        *("rank-1", "rank-5", "rank-10", "rank-20", "mAP_step", "mAP_trapezoid", "mINP")
    }
    pooled = built({**strict.plain(plain_row), "multi_query": "average"})
    rows = merge_results(merge_results([plain_row], reranked), pooled)
    assert len({row.identity for row in rows}) == len(rows) == 3
    text = render(rows)
    name = plain_row.row
    for label in (name, f"{name}, k-reciprocal", f"{name}, multi query (average)"):
        assert f"| {label} |" in text
        assert f"- {label}: `" in text
    with pytest.raises(UsageError, match="one way to search"):
        pool([people_report(), people_report(rerank=True)], **ABOUT)
