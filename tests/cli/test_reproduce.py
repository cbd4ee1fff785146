"""`cdim reproduce` on made-up products: trained once, judged, compared, written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cdim.paper.results import read_results

PLAN = """
[models.fused]
recipe = "tiny.toml"
seeds = [0, 1]
set = ['fusion.taps=["pool5"]']
[models.plain]
recipe = "tiny.toml"
seeds = [0, 1]
[models.hog]
rival = "dense-hog"
seeds = [0]
[models.far]
recipe = "nowhere.toml"
seeds = [0]
needs = "a file from nowhere"
[[rows]]
table = "7"
row = "Ours"
model = "fused"
datasets = ["products.csv"]
[[rows]]
table = "7"
row = "Vanilla"
model = "plain"
datasets = ["products.csv"]
[[rows]]
table = "7"
row = "HOG"
model = "hog"
datasets = ["products.csv"]
[[rows]]
table = "7"
row = "Far"
model = "far"
datasets = ["products.csv"]
[[comparisons]]
table = "7"
row = "Ours"
against = "Vanilla"
[[comparisons]]
table = "7"
row = "Far"
against = "Vanilla"
"""
OPTIONS = ("--list", "plan.toml", "--file", "results.json", "--device", "cpu")


@pytest.fixture
def place(tmp_path, monkeypatch, tiny_recipe):
    """A folder with a list, a recipe, results that are published, and products of two splits."""
    from tests.paper.test_results import published

    from cdim.data.sets.catalogue import open_dataset

    monkeypatch.chdir(tmp_path)
    made = open_dataset("synthetic:30").manifest
    made.to_csv("products.csv")
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    text = tiny_recipe.read_text("utf-8").replace("synthetic:18", "products.csv")
    (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
    papers = [
        published(table="7", row=row, dataset="products.csv", metrics=metrics)
        for row, metrics in (
            ("Ours", {"acc@1": {"value": 0.6, "low": None, "high": None}}),
            ("Vanilla", {"acc@1": {"value": 0.5, "low": None, "high": None}}),
        )
    ]
    (tmp_path / "results.json").write_text(json.dumps(papers), encoding="utf-8")
    return tmp_path


@pytest.fixture
def few(monkeypatch):
    from cdim.learn.rivals import rivals

    monkeypatch.setattr(rivals, "FOLDS", 2)
    monkeypatch.setattr(rivals, "COSTS", (0.01,))


def test_a_table_is_trained_judged_compared_and_written(place, call, few):
    done = call("reproduce", "7", *OPTIONS)
    assert done.exit_code == 0, done.output
    rows = {row.row: row for row in read_results(Path("results.json")) if row.source == "measured"}
    assert set(rows) == {"Ours", "Vanilla", "HOG"}
    assert rows["Ours"].seeds == (0, 1)
    assert rows["Ours"].command == "cdim reproduce 7 --row Ours"
    assert rows["Ours"].fusion == ("pool5",)
    assert (rows["HOG"].dim, rows["HOG"].recipe) == (1764, None)
    (found,) = json.loads((place / "agreement.json").read_text("utf-8"))
    difference = rows["Ours"].metrics["acc@1"]["value"] - rows["Vanilla"].metrics["acc@1"]["value"]
    assert found["difference"] == pytest.approx(difference)
    assert found["published"] == pytest.approx(0.1)
    page = (place / "results.md").read_text("utf-8")
    assert "**What agrees.** Of 1 differences" in page
    assert "- Far (needs a file from nowhere): `cdim reproduce 7 --row Far`" in page
    assert "left out: Far" in done.stderr

    kept = {p: p.stat().st_mtime_ns for p in place.glob("runs/*/best.safetensors")}
    assert len(kept) == 4
    again = call("reproduce", "7", "--row", "Ours", *OPTIONS)
    assert again.exit_code == 0, again.output
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert json.loads((place / "agreement.json").read_text("utf-8")) == [found]

    # A run of that name by another recipe is not taken for this one.
    other = (place / "runs" / "fused-0" / "recipe.toml").read_text("utf-8")
    (place / "runs" / "fused-0" / "recipe.toml").write_text(other.replace("batch = 2", "batch = 3"))
    refused = call("reproduce", "7", "--row", "Ours", *OPTIONS)
    assert refused.exit_code == 2
    assert "another recipe" in refused.stderr


def test_a_model_that_is_newer_than_its_report_is_judged_again(place, call):
    from cdim.paper.maker import Maker
    from cdim.paper.plan import read_plan

    call("reproduce", "7", "--row", "Vanilla", *OPTIONS)
    row = read_plan(place / "plan.toml").of("7", ["Vanilla"])[0]
    maker = Maker(read_plan(place / "plan.toml"), place / "runs", None, "cpu")
    noted = place / "runs" / "reports" / "plain-0" / "products.csv.model.json"
    before = noted.stat().st_mtime_ns
    maker.reports(row, "products.csv")
    assert noted.stat().st_mtime_ns == before
    assert maker.kept(row, "products.csv") is not None
    os.utime(place / "runs" / "plain-0" / "best.safetensors", (2e9, 2e9))
    assert maker.kept(row, "products.csv") is None
    maker.reports(row, "products.csv")
    assert noted.stat().st_mtime_ns != before


def test_reports_outlive_their_runs_but_not_their_recipe(place, call):
    from cdim.paper.maker import Maker
    from cdim.paper.plan import read_plan

    call("reproduce", "7", "--row", "Vanilla", *OPTIONS)
    for run in place.glob("runs/plain-*"):
        shutil.rmtree(run)
    plan = read_plan(place / "plan.toml")
    row = plan.of("7", ["Vanilla"])[0]
    assert Maker(plan, place / "runs", None, "cpu").kept(row, "products.csv") is not None
    recipe = (place / "tiny.toml").read_text("utf-8")
    (place / "tiny.toml").write_text(recipe.replace("steps = 2", "steps = 3"), encoding="utf-8")
    assert Maker(plan, place / "runs", None, "cpu").kept(row, "products.csv") is None


def test_a_report_is_kept_when_recipes_have_a_key_more(place, call):
    from cdim.paper.maker import Maker
    from cdim.paper.plan import read_plan

    call("reproduce", "7", "--row", "Vanilla", *OPTIONS)
    noted = place / "runs" / "reports" / "plain-0" / "products.csv.model.json"
    note = json.loads(noted.read_text())
    del note["model"]["recipe"]["fusion"]["mirror"]
    noted.write_text(json.dumps(note))
    plan = read_plan(place / "plan.toml")
    maker = Maker(plan, place / "runs", None, "cpu")
    assert maker.kept(plan.of("7", ["Vanilla"])[0], "products.csv") is not None


def test_a_quick_look_touches_nothing_but_its_own_folder(place, call, few):
    before = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}
    done = call("reproduce", "all", "--quick", *OPTIONS)
    assert done.exit_code == 0, done.output
    assert {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()} == before
    rows = read_results(place / "runs" / "quick" / "results.json")
    ours = {row.row: row for row in rows if row.source == "measured"}
    assert set(ours) == {"Ours, quick", "Vanilla, quick", "HOG, quick"}
    assert ours["Ours, quick"].seeds == (0,)
    assert ours["Ours, quick"].command == "cdim reproduce 7 --row Ours --quick"
    assert "Ours, quick" in (place / "runs" / "quick" / "results.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["9", *OPTIONS], ["table '9'", "known are 7"]),
        (["7", "--row", "Our", *OPTIONS], ["the row 'Our'", "--row", "did you mean 'Ours'"]),
        (["all", "--row", "Ours", *OPTIONS], ["table 'all'"]),
        (["7", "--list", "no.toml", "--file", "results.json"], ["no.toml", "--list"]),
        (["7", "--row", "Far", *OPTIONS], ["nowhere.toml"]),
    ],
)
def test_bad_input_ends_in_one_line(place, call, arguments, words):
    done = call("reproduce", *arguments)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (place / "results.md").exists()
