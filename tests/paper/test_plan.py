"""The list of rows: complete, and true to the recipes."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import timm

from cdim.data.sets.catalogue import KNOWN
from cdim.errors import UsageError
from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.recipe import read_recipe
from cdim.paper import plan
from cdim.paper.results import read_results

ROOT = Path(__file__).resolve().parents[2]
PLAN = plan.read_plan(ROOT / "docs" / "reproduce.toml")
PUBLISHED = [r for r in read_results(ROOT / "docs" / "results.json") if r.source == "published"]
BUILT = set()
"""Networks that have been built; many models differ in data and loss alone."""
LEAST = """
[models.one]
recipe = "recipes/one.toml"
seeds = [0, 1]
set = ["model.start=first-{seed}"]
[models.two]
rival = "hog-bow"
seeds = [0]
needs = "luck"
[[rows]]
table = "7"
row = "a b"
model = "one"
datasets = ["synthetic"]
[[rows]]
table = "11"
row = "b"
model = "two"
datasets = ["synthetic"]
paper = ""
[[comparisons]]
table = "7"
row = "a b"
against = "a b"
"""


@pytest.fixture
def least(tmp_path):
    def build(old="", new=""):
        path = tmp_path / "list.toml"
        assert old in LEAST
        path.write_text(LEAST.replace(old, new), encoding="utf-8")
        return plan.read_plan(path)

    return build


def test_a_row_may_be_of_some_seeds_alone(least):
    whole = least()
    assert whole.seeds(whole.rows[0]) == (0, 1)
    part = least('model = "one"\n', 'model = "one"\nseeds = [1]\n')
    assert part.seeds(part.rows[0]) == (1,)
    assert part.quick().seeds(part.quick().rows[0]) == (0,)
    with pytest.raises(UsageError, match=r"seeds \[2\].*has the seeds \[0, 1\]"):
        least('model = "one"\n', 'model = "one"\nseeds = [2]\n')


@pytest.mark.parametrize("paper", PUBLISHED, ids=lambda r: f"{r.table} {r.row} {r.dataset}")
def test_every_published_row_is_measured_or_left_out_with_a_reason(paper):
    left_out = {(o.table, name) for o in PLAN.left_out for name in o.rows}
    rows = [
        row
        for row in PLAN.of(paper.table)
        if row.row == paper.row
        and paper.dataset in row.datasets
        and bool(row.multi_query) == bool(paper.multi_query)
    ]
    assert len(rows) == 1 or (not rows and (paper.table, paper.row) in left_out)


def test_what_a_row_stands_for_was_published():
    known = {(r.table, r.row) for r in PUBLISHED}
    for row in PLAN.rows:
        assert not row.published or (row.table, row.published) in known, row


@pytest.mark.full
@pytest.mark.parametrize("name", PLAN.models)
def test_every_recipe_and_override_parses_and_its_taps_exist(name, monkeypatch):
    model = PLAN.models[name]
    for seed in model.seeds:
        if model.recipe:
            plan = read_recipe(ROOT / model.recipe, model.overrides(seed), seed)
            assert plan.seed == seed
            assert set(plan.data.train) <= set(KNOWN)
    if model.recipe:
        network = (replace(plan.model, weights="", start=""), plan.fusion, plan.input)
        if network not in BUILT:
            assert Embedder(plan).dim > 0
            BUILT.add(network)
        quick = PLAN.quick().models[name]
        short = read_recipe(ROOT / model.recipe, quick.overrides(seed), seed)
        assert (short.loop.steps, short.model.start, short.model.weights) == (2, "", "")


def test_datasets_are_known_and_maps_joined_after_training_exist():
    for row in PLAN.rows:
        assert set(row.datasets) <= set(KNOWN)
        if row.join:
            model = PLAN.models[row.model]
            Embedder(read_recipe(ROOT / model.recipe, model.overrides(0))).join(row.join)


def test_models_that_fetch_weights_say_what_they_need():
    for name, model in PLAN.models.items():
        if model.recipe and read_recipe(ROOT / model.recipe, model.overrides(0)).model.weights == (
            "timm"
        ):
            assert "weights" in model.needs, name
    assert timm.get_pretrained_cfg("inception_v3").has_weights


def test_rows_of_a_table_and_by_name(least):
    plan = least()
    assert plan.tables == ["7", "11"]
    assert [row.row for row in plan.of("7")] == ["a b"]
    assert plan.of("11", ["b"]) == plan.of("11")
    assert shlex.split(plan.of("7")[0].command) == ["cdim", "reproduce", "7", "--row", "a b"]
    assert [row.published for row in plan.rows] == ["a b", ""]
    assert plan.models["one"].overrides(3) == ("model.start=first-3",)


def test_quick_rows_say_so_and_are_short(least):
    plan = least().quick()
    assert [row.row for row in plan.rows] == ["a b, quick", "b, quick"]
    assert plan.rows[0].published == "a b"
    assert plan.rows[0].command == "cdim reproduce 7 --row 'a b' --quick"
    assert plan.models["one"].seeds == (0,)
    assert "loop.steps=2" in plan.models["one"].set


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "one"', 'model = "oen"', "did you mean 'one'"),
        ('against = "a b"', 'against = "a  b"', "did you mean 'a b'"),
        ("seeds = [0]\n", "seeds = []\n", r"models\.two.*without seeds"),
        ('recipe = "recipes/one.toml"\n', "", r"models\.one.*without a recipe"),
        ("hog-bow", "hogbow", "did you mean 'hog-bow'"),
        ("needs", "need", "did you mean 'needs'"),
        ("[models.one]", "[models.one", "cannot read the list of rows"),
        ("[models.one]", "v = " + "[" * 5000, "cannot read the list of rows"),
    ],
)
def test_a_wrong_list_is_refused(least, old, new, message):
    with pytest.raises(UsageError, match=message):
        least(old, new)


def test_a_table_or_row_that_is_not_listed(least):
    with pytest.raises(UsageError, match=r"table '1'.*7, 11"):
        least().of("1")
    with pytest.raises(UsageError, match=r"row 'c'.*has the rows b"):
        least().of("11", ["c"])
