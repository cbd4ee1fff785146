"""From a network and datasets to an atlas: the function behind `cdim atlas`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cdim import strict
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset
from cdim.disk import free_folder
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import has_cameras, paired, with_roles
from cdim.learn.atlas import configuration, descriptors, grams, page, report, shortening
from cdim.learn.atlas.cells import cells_of
from cdim.learn.atlas.contributions import contribute
from cdim.learn.atlas.report import Atlas
from cdim.learn.atlas.scoring import Scorer, accuracy, make_folds
from cdim.learn.atlas.selection import LEVEL, best, check_budget, explore
from cdim.learn.atlas.treatments import NAMES, read_treatment
from cdim.learn.export.graph import MOST_FEATURES
from cdim.learn.networks.embedder import Embedder, choose_device, load_run
from cdim.learn.networks.weights import load_pretrained
from cdim.learn.recipes.parts import ModelPart
from cdim.learn.recipes.recipe import read_recipe
from cdim.learn.training.loop import is_over
from cdim.learn.training.run import RUNS, find_start, start_from
from cdim.metrics.significance import paired_test

MOST_IMAGES = 6000
"""Images of an atlas: its matrices have as many rows and columns."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AtlasOptions:
    """What the atlas is to be."""

    taps: tuple[str, ...] = ()  # the maps; () for every block
    treatments: tuple[str, ...] = ()  # their names; () for all
    regularisation: float = 1.0  # lambda of the head of pairs
    budget: int = MOST_FEATURES  # most dimensions of the fusion
    instances: int | None = None  # this many only, drawn by `seed`; None for all
    seed: int = 0  # of that draw and of the folds


def survey(
    model: Path,
    datasets: Sequence[str],
    folder: Path,
    options: AtlasOptions,
    data: Path | None = None,
    device: str = "auto",
    progress: Progress = lambda _what, _done, _all: None,
) -> Atlas:
    """Makes the atlas of a network: what every layer tells, and which to fuse.

    Args:
        model: a run's folder, or a recipe whose weights are used as they are.
        datasets: as for `cdim train`; their train splits are divided into folds, and nothing else
            of them is read.
        folder: where `atlas.json`, `atlas.html`, `atlas.svg` and `recipe.toml` go; new or empty.
        options: the rest.
        progress: called with (what is done, how much, of how much).

    Raises:
        CdimError: of the kind that says what is wrong; nothing is left in the folder but what is
            whole.
    """
    folder = free_folder(folder)
    names = dict.fromkeys(options.treatments or NAMES)
    treatments = [read_treatment(name, options.regularisation) for name in names]
    manifest = _images(datasets, options, data)
    folds = make_folds(manifest, options.seed)
    embedder, part = _open_network(model, data, device)
    taps = embedder.backbone.taps
    cells = cells_of(embedder.backbone, options.taps)
    check_budget(cells, options.budget)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="temp-") as place:
        work = Path(place)
        found = descriptors.record(embedder, manifest, cells, work, partial(progress, "images"))
        products = grams.measure(found, work, partial(progress, "cells"))
        explored = []
        for number, treatment in enumerate(treatments):
            scorer = Scorer(products, folds, treatment)
            explored.append(explore(scorer, cells, options.budget))
            progress("treatments", number + 1, len(treatments))
        best_explored, honest = best(explored)
        chosen, alone = best_explored.selected, best_explored.single[-1]  # the final feature's
        channels = [taps[cell.tap].channels for cell in chosen.cells]
        filters = shortening.filters_of(chosen.cells, channels)
        fused = shortening.vectors(found, chosen.cells, chosen.treatment)
        forms = shortening.try_forms(fused, manifest, folds, filters, chosen.treatment)
        gains, matches = contribute(
            Scorer(products, folds, chosen.treatment), chosen.cells, manifest
        )
    atlas = Atlas(
        model=model.stem,
        backbone=embedder.recipe.model.backbone,
        datasets=tuple(datasets),
        images=len(manifest),
        queries=len(honest),
        folds=len(folds),
        seed=options.seed,
        budget=options.budget,
        level=LEVEL,
        layers=tuple(report.layer(tap, taps[tap]) for tap in dict.fromkeys(c.tap for c in cells)),
        cells=report.scored(cells, explored),
        selections=tuple(each.selected for each in explored),
        chosen=chosen.treatment.name,
        held_out=accuracy(honest),
        last_layer=accuracy(alone),
        gain=paired_test(honest == 1, alone == 1),
        forms=shortening.shorten(forms),
        parts=gains,
        matches=matches,
    )
    text = json.dumps(strict.plain(atlas), indent=1)
    (folder / "atlas.json").write_text(text + "\n", encoding="utf-8")
    (folder / "atlas.svg").write_text(page.picture(atlas), encoding="utf-8")
    (folder / "atlas.html").write_text(page.page(atlas), encoding="utf-8")
    recipe = configuration.configure(
        embedder.recipe, part, tuple(datasets), chosen, embedder.backbone.final
    )
    configuration.write(recipe, chosen.treatment, folder / "recipe.toml")
    return atlas


def _images(datasets: Sequence[str], options: AtlasOptions, data: Path | None) -> Manifest:
    """Queries and gallery images of the train splits."""
    manifest = Manifest.concat([open_dataset(name, data).training() for name in datasets])
    if has_cameras(manifest):
        manifest = with_roles(manifest)
    manifest = paired(manifest, options.instances, options.seed)
    if len(manifest) > MOST_IMAGES:
        names = len(np.unique(manifest.instance))
        raise UsageError(
            f"{len(manifest)} images of {names} instances",
            f"an atlas compares all with all, and takes {MOST_IMAGES} images at most",
            f"take {names * MOST_IMAGES // len(manifest) // 2} instances of them",
            argument="instances",
        )
    return manifest


def _open_network(model: Path, data: Path | None, device: str) -> tuple[Embedder, ModelPart]:
    """The network of a run, or of a recipe with its weights; and how other recipes name it."""
    if model.is_dir():
        embedder = load_run(model, device)
        if not is_over(model):
            raise ModelError(
                f"{model} was not trained to its end",
                "an atlas is of a finished network",
                "resume its training",
            )
        part = replace(embedder.recipe.model, start=str(model.resolve()), start_skip=(), weights="")
        return embedder, part
    if not model.is_file():
        raise ModelError(
            f"{model} is neither a run nor a recipe",
            "a run is the folder of a training, a recipe a TOML file",
            "check the path",
        )
    plan = read_recipe(model)
    torch.manual_seed(plan.seed)
    embedder, part = Embedder(plan), plan.model
    if part.weights:
        load_pretrained(embedder.backbone, plan)
    if part.start:
        start = find_start(plan, model, (RUNS / f"{plan.name}-{plan.seed}",), data, device)
        start_from(embedder, plan, start)
        part = replace(part, start=str(start.resolve()))
    return embedder.to(choose_device(device)).eval(), part
