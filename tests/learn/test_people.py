"""The person re-identification recipes train, learn and resume on people of Market-1501."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from cdim.data.sets.catalogue import open_dataset
from cdim.errors import RecipeError
from cdim.learn.networks.embedder import load_run
from cdim.learn.training.run import train

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PEOPLE, IMAGES = 6, 8
SMALL = (
    'model.weights=""',
    "input.resize=[64, 32]",
    "input.crop=[64, 32]",
    "loop.batch=16",
    "loop.evaluate_every=20",
)
"""The whole network on small images from random weights; the rest is the paper's."""


@pytest.fixture(scope="module")
def few(data_root, tmp_path_factory):
    """A CSV of some images of a few training people."""
    manifest = open_dataset("market1501", data_root).manifest.where(split="train")
    rows: list[int] = []
    for name in np.unique(manifest.instance)[:PEOPLE]:
        rows += np.flatnonzero(manifest.instance == name)[:IMAGES].tolist()
    path = tmp_path_factory.mktemp("people") / "few.csv"
    manifest.take(rows).to_csv(path)
    return path


WHOLE = 'model.freeze=["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]'


def fit(recipe, few, out, steps, *more, resume=False):
    changes = (*SMALL, f'data.train=["{few.as_posix()}"]', f"loop.steps={steps}", *more)
    return train(RECIPES / f"{recipe}.toml", changes, out=out, device="cpu", resume=resume)


def losses(run):
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return np.array([row["loss"] for row in rows if "loss" in row])


@pytest.mark.full
def test_the_papers_resnet_with_fusion_learns_people(few, tmp_path):
    run = fit("reid-resnet50-fusion", few, tmp_path / "run", 20)
    found = losses(run)
    assert found[:3].mean() > 0.8 * np.log(PEOPLE)
    assert found[-5:].mean() < 0.5 * found[:3].mean()
    embedder = load_run(run, "cpu")
    assert embedder.dim == 1024 + 2048
    assert embedder.backbone.network.taps == ("layer4.0", "layer4.1")


@pytest.mark.full
def test_the_strong_recipe_resumes_exactly(few, tmp_path):
    """P x K draws, the neck's statistics, frozen norms and averaged weights go on as they were."""
    strong = ("loop.images_per_label=4", "loop.precision=fp32", "loop.evaluate_every=3")
    whole = fit("reid-small-fusion", few, tmp_path / "whole", 6, *strong)
    fit("reid-small-fusion", few, tmp_path / "halves", 3, *strong)
    halves = fit("reid-small-fusion", few, tmp_path / "halves", 6, *strong, resume=True)
    one, other = (safetensors.torch.load_file(r / "best.safetensors") for r in (whole, halves))
    assert one.keys() == other.keys()
    # Warm-up depends on the step alone, so shorter runs share their first steps.
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.full
def test_a_network_frozen_as_a_whole_is_refused(few, tmp_path):
    with pytest.raises(RecipeError, match="freezes the whole network"):
        fit("reid-resnet50-vanilla", few, tmp_path / "run", 1, 'model.backbone="resnet18"', WHOLE)
