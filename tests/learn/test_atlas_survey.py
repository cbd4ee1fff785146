"""An atlas from a run or a recipe to its folder: what it writes works, and memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import tomli_w

from cdim.bundles.heads.kinds import read_head
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import CdimError, ModelError, UsageError
from cdim.judge.held_out import paired
from cdim.learn.atlas import page
from cdim.learn.atlas import survey as surveys
from cdim.learn.atlas.scoring import cosines, make_folds
from cdim.learn.atlas.survey import AtlasOptions, survey
from cdim.learn.export.export import export
from cdim.learn.networks.embedder import load_run
from cdim.learn.recipes.recipe import read_recipe
from cdim.learn.training.run import train

DATA = "synthetic:60"
TAPS = ("conv5", "pool5", "fc6")


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "r.toml").write_text(tomli_w.dumps(small(loop={"steps": 2})), encoding="utf-8")
    return train(folder / "r.toml", out=folder / "own", device="cpu")


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """An atlas of the run."""
    folder = tmp_path_factory.mktemp("atlases") / "atlas"
    return survey(run, [DATA], folder, AtlasOptions(taps=TAPS)), folder


def test_it_writes_numbers_a_page_a_picture_and_a_recipe_and_leaves_nothing_else(made):
    atlas, folder = made
    assert {path.name for path in folder.iterdir()} == {
        "atlas.html",
        "atlas.json",
        "atlas.svg",
        "recipe.toml",
    }
    told = json.loads((folder / "atlas.json").read_text("utf-8"))
    assert [layer["tap"] for layer in told["layers"]] == [*TAPS, "fc7"]
    assert len(told["matches"]) == told["queries"] == atlas.queries
    assert {s["treatment"]["name"] for s in told["selections"]} == {
        *("none", "l2", "root", "centred", "pairs")
    }
    for each in told["cells"]:
        assert all(s["acc_1"]["low"] <= s["acc_1"]["value"] for s in each["scores"].values())


def test_only_the_train_split_is_looked_at(made):
    atlas, _ = made
    train_split = open_dataset(DATA).training()
    assert atlas.images <= len(train_split)
    assert {m.query for m in atlas.matches} <= set(train_split.instance.tolist())


def test_the_recipe_gives_what_was_measured(run, tmp_path):
    atlas = survey(run, [DATA], tmp_path / "atlas", AtlasOptions(taps=TAPS, treatments=("root",)))
    plan = read_recipe(tmp_path / "atlas" / "recipe.toml")
    assert (plan.loop.steps, plan.data.train) == (0, (DATA,))
    again = train(tmp_path / "atlas" / "recipe.toml", out=tmp_path / "again", device="cpu")
    embedder = load_run(again, "cpu")
    assert embedder.dim == atlas.choice.dim
    images = paired(open_dataset(DATA).training(), None, 0)
    vectors = embedder.embed(images)
    found = [fold.reciprocal_ranks(cosines(vectors[fold.held])) for fold in make_folds(images, 0)]
    assert np.concatenate(found).mean() == pytest.approx(atlas.choice.on_chosen.mrr)


def test_the_recipe_becomes_a_bundle_with_its_head(made, tmp_path):
    atlas, folder = made
    chosen = next(s for s in atlas.selections if s.treatment.name == atlas.chosen).treatment
    again = train(folder / "recipe.toml", out=tmp_path / "again", device="cpu")
    head = read_head(chosen.head) if chosen.head else None
    bundle = export(again, tmp_path / "bundle", dim=16 if head else None, head=head)
    assert bundle.features == atlas.choice.dim
    if head:
        assert f"--head {chosen.head}" in (folder / "recipe.toml").read_text("utf-8")


def test_the_same_again_gives_the_same(made, run, tmp_path):
    atlas, _ = made
    options = AtlasOptions(taps=TAPS, treatments=("pairs", "l2"))
    one, two = (survey(run, [DATA], tmp_path / name, options) for name in ("one", "two"))
    assert (tmp_path / "one/atlas.json").read_bytes() == (tmp_path / "two/atlas.json").read_bytes()
    assert one == two
    own = {s.treatment.name: s for s in atlas.selections}
    assert [own[s.treatment.name] for s in one.selections] == list(one.selections)


def test_the_page_stands_alone_and_marks_what_was_chosen(made):
    atlas, folder = made
    for name in ("atlas.html", "atlas.svg"):
        text = (folder / name).read_text("utf-8")
        for foreign in ("src=", "href=", "@import", "url("):
            assert foreign not in text
        assert text.count('class="badge"') >= len(atlas.choice.cells)
    picture = (folder / "atlas.svg").read_text("utf-8")
    cells = len(atlas.cells)
    assert picture.count('class="value"') == cells
    assert picture.startswith("<svg")
    assert picture.count('class="badge"') == len(atlas.choice.cells)


def test_the_page_shows_what_each_part_adds(made):
    atlas, _ = made
    assert "first only with it" not in page.page(replace(atlas, parts=atlas.parts[:1]))
    first = replace(atlas.matches[0], found=True, margins=(-0.1, 0.3))
    second = replace(atlas.matches[1], found=False, margins=(0.2, -0.4))
    text = page.page(replace(atlas, parts=atlas.parts[:1] * 2, matches=(first, second)))
    assert "first only with it" in text
    assert "Found although the first part is against it" in text
    assert text.count('class="track"') == 4
    assert [text.count(f">{margin}<") for margin in ("+0.200", "-0.200")] == [1, 1]  # the sums
    assert 'class="against" style="left: 25.0%; width: 25.0%"' not in text  # each table its scale
    assert text.count("width: 50.0%") == 2


@pytest.mark.parametrize(
    ("name", "crop"), [("resnet10t", [64, 64]), ("vit_tiny_patch16_224", [96, 96])]
)
def test_a_recipe_with_random_weights_is_left_to_be_trained(small, tmp_path, name, crop):
    table = small(
        model={"backbone": name},
        input={
            "resize": crop,
            "crop": crop,
            "channels": 3,
            "mean": [124.0, 116.0, 104.0],
            "std": [58.0, 57.0, 57.0],
        },
    )
    (tmp_path / "r.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    options = AtlasOptions(treatments=("l2", "pairs"), budget=2000, instances=16)
    atlas = survey(tmp_path / "r.toml", [DATA], tmp_path / "atlas", options)
    assert atlas.images == 32
    assert atlas.choice.dim <= 2000
    plan = read_recipe(tmp_path / "atlas" / "recipe.toml")
    assert plan.loop.steps == 6
    assert len(plan.fusion.taps) + plan.fusion.final == len(atlas.choice.cells)


def test_what_cannot_be_is_told_before_anything_is_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(surveys.descriptors, "record", None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    wrong: list[tuple[dict[str, object], type[CdimError], str]] = [
        ({"folder": tmp_path / "full"}, UsageError, "not overwritten"),
        ({"model": tmp_path / "none"}, ModelError, "neither a run nor a recipe"),
        ({"options": AtlasOptions(instances=2)}, UsageError, "4 or more"),
        ({"options": AtlasOptions(treatments=("rooted",))}, UsageError, "did you mean 'root'"),
        ({"options": AtlasOptions(budget=3)}, UsageError, "a budget of 3"),
    ]
    for given, kind, message in wrong:
        whole = {
            "model": run,
            "datasets": [DATA],
            "folder": tmp_path / "a",
            "options": AtlasOptions(),
        }
        with pytest.raises(kind, match=message):
            survey(**{**whole, **given})
    monkeypatch.setattr(surveys, "MOST_IMAGES", 20)
    with pytest.raises(UsageError, match=r"20 images at most; .*take .* instances"):
        survey(run, [DATA], tmp_path / "a", AtlasOptions())


def test_a_stopped_run_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(surveys, "is_over", lambda _run: False)
    with pytest.raises(ModelError, match="not trained to its end"):
        survey(run, [DATA], tmp_path / "a", AtlasOptions())


MEMORY = """
import resource, sys, tempfile
from pathlib import Path
import numpy as np, torch
from cdim.data.manifest import Manifest
from cdim.learn.atlas import descriptors, grams
from cdim.learn.atlas.cells import cells_of
from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.recipe import parse_recipe

torch.set_num_threads(1)
rng = np.random.default_rng(0)
pixels = [rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) for _ in range(192)]
manifest = Manifest.build(pixels, range(len(pixels)))
embedder = Embedder(parse_recipe({
    "name": "x", "data": {"train": ["a"]}, "model": {"backbone": "resnet10t"},
    "input": {"resize": [128, 128], "crop": [128, 128], "channels": 3,
              "mean": [124.0] * 3, "std": [58.0] * 3},
}))
cells = cells_of(embedder.backbone)
descriptors.BLOCK = 2 << 20
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
    descriptors.record(embedder, manifest.take(range(32)), cells, Path(a))
    before = peak()
    found = descriptors.record(embedder, manifest, cells, Path(b))
    grams.measure(found, Path(b))
    kept = sum(path.stat().st_size for path in Path(b).glob("*.descriptors"))
    print(kept, peak() - before)
"""


def test_memory_does_not_grow_with_what_is_kept():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY)],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, grown = map(int, done.stdout.split())
    assert kept > 40e6
    assert grown < 0.4 * kept
