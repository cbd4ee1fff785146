"""The runs behind an export: the one that is exported, and its folds that held something out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cdim.bundles.bundle import TrainingSet
from cdim.bundles.heads.choice import Pairs
from cdim.data.manifest import Manifest
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import HeldOut
from cdim.learn.networks.embedder import Embedder, load_run
from cdim.learn.recipes.recipe import Recipe, read_recipe
from cdim.learn.training.data import held_out, load_parts, open_sets


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run that is exported, or speaks for one: its best network, training and held-out rows.

    `own` are the datasets of its recipe, `before` what its weights had been trained on before it.
    """

    name: str
    embedder: Embedder
    train: Manifest
    held: HeldOut | None
    own: tuple[TrainingSet, ...]
    before: tuple[TrainingSet, ...]

    @cached_property
    def training(self) -> Pairs:
        """What heads are fitted on."""
        return self.pairs(self.train)

    def pairs(self, manifest: Manifest) -> Pairs:
        """Images with their embeddings, which to a head are fused vectors."""
        return Pairs(manifest, manifest.domain, {"features": self.embedder.embed(manifest)})


def open_run(run: Path, data: Path | None) -> TrainedRun:
    """Opens a run with its data, and raises as `cdim.export`."""
    embedder = load_run(run, "cpu")
    recipe = embedder.recipe
    train = load_parts(recipe.data, data).train
    own, before = tuple(_own(recipe, data)), tuple(dict.fromkeys(_before(run, recipe, data)))
    return TrainedRun(run.name, embedder, train, held_out(recipe, data), own, before)


def _own(recipe: Recipe, data: Path | None) -> Iterator[TrainingSet]:
    """The datasets that a recipe names."""
    for opened in open_sets(recipe.data, data):  # a bundle travels: it names a file, not its place
        yield TrainingSet(Path(opened.name).name, opened.terms)


def _before(run: Path, recipe: Recipe, data: Path | None) -> Iterator[TrainingSet]:
    """What the weights had seen that a run started from."""
    if recipe.model.weights:
        weights = Path(recipe.model.weights).name
        yield TrainingSet(f"weights of {weights}", "see the upstream licence")
    if start := recipe.model.start:
        earlier = next((p for p in (run.parent / start, Path(start)) if p.is_dir()), None)
        if earlier is None:
            raise ModelError(
                f"the run {start!r}, which {run.name} started from, is not in {run.parent}",
                "a bundle names all that its model was trained on",
                "put the earlier stage's run back beside it",
            )
        stage = read_recipe(earlier / "recipe.toml")
        if stage.loop.steps:
            yield from _own(stage, data)
        yield from _before(earlier, stage, data)


def check_folds(own: TrainedRun, folds: Sequence[TrainedRun]) -> None:
    """Folds are of the same recipe, but for what they held out, and held out different things."""
    taken: dict[str, str] = {}
    for other in folds:
        if other.held is None:
            raise UsageError(
                f"the fold {other.name} held out nothing to search",
                "a fold's recipe has data.validation above 0",
                "train it with data.validation = 0.2 and data.fold = 0, and so on",
            )
        ours, theirs = (_comparable(run.embedder.recipe) for run in (own, other))
        different = [part for part in ours if ours[part] != theirs[part]]
        if different:
            raise UsageError(
                f"the fold {other.name} has another [{different[0]}] than {own.name}",
                "folds are runs of the same recipe",
                "train them by the recipe of the run that is exported",
            )
        held = set(other.held.manifest.instance.tolist())
        twice = sorted(held & taken.keys())
        if twice:
            raise UsageError(
                f"the folds {taken[twice[0]]} and {other.name} both held out {twice[0]!r}",
                "every fold holds out another part",
                "name each fold once, and give each its own data.fold",
            )
        taken.update(dict.fromkeys(held, other.name))


def _comparable(recipe: Recipe) -> dict[str, Any]:
    """What a run and its folds have in common, part by part."""
    table = recipe.to_dict()
    shared = {part: table[part] for part in table if part not in ("name", "seed", "data")}
    return {**shared, "data": {key: table["data"][key] for key in ("train", "target")}}
