"""Recipes: strict, typed, and the same after writing and reading."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.errors import RecipeError
from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.parts import DataPart
from cdim.learn.recipes.recipe import Recipe, parse_recipe, read_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted([*(ROOT / "recipes").glob("*.toml"), *(ROOT / "src").rglob("*.toml")])
LEAST = {"name": "least", "data": {"train": ["synthetic"]}}


def with_key(path, value):
    table = {"name": "least", "data": {"train": ["synthetic"]}}
    part, _, key = path.rpartition(".")
    (table.setdefault(part, {}) if part else table)[key] = value
    return table


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\n[data]\ntrain = ["synthetic"]\n', encoding="utf-8")
    return path


def test_there_are_recipes():
    assert len(SHIPPED) >= 2


@pytest.mark.full
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_recipe_parses_and_builds_its_network(path):
    plan = read_recipe(path)
    assert plan.name == path.stem
    assert Embedder(plan).dim > 0
    assert parse_recipe(plan.to_dict()) == plan
    assert path.read_text("utf-8").startswith("#"), "a recipe says what it is for"


def test_only_a_name_and_data_are_required():
    assert parse_recipe(LEAST) == Recipe("least", DataPart(("synthetic",)))
    for table, missing in (({"data": LEAST["data"]}, "no name"), ({"name": "x"}, "no data")):
        with pytest.raises(RecipeError, match=missing):
            parse_recipe(table)
    with pytest.raises(RecipeError, match=r"no data\.train"):
        parse_recipe({"name": "x", "data": {}})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("loss.marign", r"unknown key 'loss\.marign'.*did you mean 'margin'"),
        ("optimizer.lr", r"unknown key 'optimizer'.*did you mean 'optimiser'"),
        ("sed", r"unknown key 'sed'.*did you mean 'seed'"),
        ("loop.epochs", r"\[loop\] has the keys .*batch.*steps"),
        ("data.test", r"unknown key 'data\.test'"),
    ],
)
def test_an_unknown_key_names_the_nearest(path, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(with_key(path, 1))


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("name", 3, "a string"),
        ("seed", 1.0, "a whole number"),
        ("seed", True, "a whole number"),
        ("seed", "1", "a whole number"),
        ("loop.channels_last", 1, "true or false"),
        ("optimiser.lr", "fast", "a number"),
        ("optimiser.lr", True, "a number"),
        ("data.train", "synthetic", "a list"),
        ("data.train", [1], "a string"),
        ("input.crop", [225], "a list of 2 values"),
        ("input.crop", [225.0, 225.0], "a whole number"),
        ("augment.crop", "centre", "did you mean 'center'"),
        ("loss.negatives", 3, "'in-batch'"),
        ("fusion.pool", "flaten", "did you mean 'flatten'"),
        ("fusion.pool", ["gem", "median"], "'flatten', 'average', 'gem'"),
        ("loss.options", 3, "a table"),
        ("loss", 3, r"\[loss\]"),
        ("data", [], r"\[data\]"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(path, value, allowed):
    with pytest.raises(RecipeError, match=allowed) as caught:
        parse_recipe(with_key(path, value))
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", -1),
        ("seed", 2**64),
        ("data.validation", 1.0),
        ("data.validation", -0.1),
        ("data.fold", -1),
        ("augment.flip", 1.1),
        ("augment.erase", 1.0),
        ("augment.rotate", -1.0),
        ("fusion.project", -1),
        ("loss.margin", -0.1),
        ("loss.hard_share", 1.5),
        ("loss.smoothing", 1.0),
        ("loss.triplet", -1.0),
        ("augment.erase_chance", 1.5),
        ("optimiser.decay", 0.0),
        ("optimiser.decay_every", 0),
        ("loop.images_per_label", 1),
        ("optimiser.lr", 0.0),
        ("optimiser.lr", float("nan")),
        ("optimiser.lr", float("inf")),
        ("optimiser.ema", 1.0),
        ("optimiser.momentum", 1.0),
        ("optimiser.warmup", -1),
        ("loop.batch", 1),
        ("loop.steps", -1),
        ("loop.evaluate_every", 0),
        ("loop.patience", -1),
        ("data.train", []),
    ],
)
def test_a_value_out_of_range_is_named(path, value):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(with_key(path, value))
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"loop": {"batch": 10, "images_per_label": 4}}, r"loop\.batch = 10 .*use loop\.batch = 8"),
        ({"loop": {"steps": 0}}, r"loop\.steps = 0 without model\.start"),
        (
            {"loop": {"steps": 0}, "model": {"start": "x"}, "fusion": {"project": 9}},
            r"fusion\.project = 9",
        ),
        (
            {"loop": {"steps": 0}, "model": {"start": "x"}, "fusion": {"pool": "attention"}},
            r"its mask is learned",
        ),
        ({"loop": {"batch": 8, "images_per_label": 4}}, r'loss\.negatives = "annotated"'),
        ({"loss": {"kind": "cross-entropy", "triplet": 1.0}}, r"loss\.triplet = 1\.0"),
        ({"loop": {"batch": 4, "images_per_label": 4}}, r"at least 2 K.*use loop\.batch = 8"),
        ({"data": {"train": ["x"], "validation": 0.2, "fold": 5}}, r"data\.fold = 5"),
        ({"data": {"train": ["x"], "validation": 0.0, "fold": 1}}, r"data\.fold = 1"),
        ({"loss": {"smoothing": 0.1}}, r"loss\.smoothing = 0\.1"),
        ({"loss": {"options": {"margin": 1}}}, r"loss\.options"),
        ({"augment": {"erase_chance": 0.5}}, r"augment\.erase = 0"),
        ({"loss": {"neck": "bn"}}, r"loss\.neck"),
        (
            {
                "loss": {"kind": "triplet", "negatives": "in-batch", "triplet": 1.0},
                "loop": {"batch": 8, "images_per_label": 4},
            },
            r"loss\.triplet = 1\.0",
        ),
    ],
)
def test_values_that_cannot_stand_beside_each_other_are_named(parts, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"name": "x", "data": {"train": ["a"]}, **parts})


def test_whole_numbers_are_numbers():
    plan = parse_recipe(with_key("optimiser.lr", 1))
    assert plan.optimiser.lr == 1.0
    assert isinstance(plan.optimiser.lr, float)


def test_there_is_one_pool_for_all_taps_or_one_a_tap():
    table = with_key("fusion.taps", ["conv4", "pool5"])
    for pool in ("gem", ["gem", "flatten"]):
        parse_recipe({**table, "fusion": {**table["fusion"], "pool": pool}})
    with pytest.raises(RecipeError, match="one a tap"):
        parse_recipe({**table, "fusion": {**table["fusion"], "pool": ["gem"]}})


@pytest.mark.parametrize(
    ("text", "part", "key", "value"),
    [
        ("loss.margin=0.2", "loss", "margin", 0.2),
        ("loss.negatives=in-batch", "loss", "negatives", "in-batch"),
        ('loss.kind="triplet"', "loss", "kind", "triplet"),
        ("fusion.taps=['conv4', 'pool5']", "fusion", "taps", ("conv4", "pool5")),
        ("loop.channels_last = false", "loop", "channels_last", False),
        ("loss.options={temperature = 0.1}", "loss", "options", {"temperature": 0.1}),
        ("loss.options.temperature=0.1", "loss", "options", {"temperature": 0.1}),
    ],
)
def test_an_override_is_written_as_in_toml(file, text, part, key, value):
    more = ["loss.kind=NTXentLoss"] if key == "options" else []
    assert getattr(getattr(read_recipe(file, [text, *more]), part), key) == value


def test_the_last_override_and_the_seed_win(file):
    plan = read_recipe(file, ["seed=1", "loop.steps=5", "loop.steps=6"], seed=2)
    assert (plan.seed, plan.loop.steps) == (2, 6)
    assert read_recipe(file, ["seed=1"]).seed == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss.margin", "part.key=value"),
        ("=3", "part.key=value"),
        ("loss.=3", "part.key=value"),
        ("name.first=3", "'name' is a value"),
        ("loss.marign=3", "did you mean 'margin'"),
        ("loss.margin=wide", "a number"),
    ],
)
def test_a_wrong_override_is_told(file, text, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(file, [text])


def test_what_is_no_recipe_is_told(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "Stöckelschuh"'.encode("latin-1"))
    digits, deep = tmp_path / "digits.toml", tmp_path / "deep.toml"
    digits.write_text("seed = " + "9" * 5000, encoding="utf-8")
    deep.write_text("name = " + "[" * 5000, encoding="utf-8")
    for path in (broken, latin, digits, deep, tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(RecipeError, match="cannot read the recipe"):
            read_recipe(path)


share = st.floats(0, 0.99)
taps = st.lists(st.sampled_from(["conv3", "conv4", "pool5"]), max_size=3, unique=True)
tables = st.fixed_dictionaries(
    {
        "name": st.text(max_size=8),
        "data": st.fixed_dictionaries(
            {"train": st.lists(st.text(max_size=8), min_size=1, max_size=3)},
            optional={"validation": share, "target": st.sampled_from(["instance", "category"])},
        ),
    },
    optional={
        "seed": st.integers(0, 2**31),
        "augment": st.fixed_dictionaries(
            {}, optional={"flip": share, "crop": st.sampled_from(["random", "center"])}
        ),
        "fusion": st.fixed_dictionaries(
            {"taps": taps}, optional={"pool": st.sampled_from(["gem", "flatten", "grid2"])}
        ),
        "loss": st.fixed_dictionaries(
            {"kind": st.just("NTXentLoss")},
            optional={
                "margin": share,
                "options": st.dictionaries(st.text(max_size=4), share | st.text(max_size=4)),
            },
        ),
        "optimiser": st.fixed_dictionaries(
            {}, optional={"lr": st.floats(1e-9, 1), "kind": st.sampled_from(["sgd", "adamw"])}
        ),
        "loop": st.fixed_dictionaries(
            {}, optional={"steps": st.integers(1, 10**9), "channels_last": st.booleans()}
        ),
    },
)


@settings(deadline=None, max_examples=60)
@given(tables)
def test_a_recipe_is_the_same_after_writing_and_reading(table):
    plan = parse_recipe(table)
    plain = plan.to_dict()
    assert parse_recipe(plain) == plan
    assert parse_recipe(json.loads(json.dumps(plain))) == plan
    assert parse_recipe(tomllib.loads(tomli_w.dumps(plain))) == plan
    for part, values in table.items():
        if isinstance(values, dict):
            assert {k: plain[part][k] for k in values} == values
        else:
            assert plain[part] == values
