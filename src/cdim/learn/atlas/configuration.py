"""An atlas's choice as a recipe that `cdim train` and `cdim export` take as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from cdim.learn.atlas.selection import Selected
from cdim.learn.atlas.treatments import HEAD_DIM, Treatment
from cdim.learn.recipes.parts import DataPart, FusionPart, LoopPart, LossPart, ModelPart
from cdim.learn.recipes.recipe import Recipe, parse_recipe


def configure(
    recipe: Recipe, model: ModelPart, datasets: tuple[str, ...], chosen: Selected, final: str
) -> Recipe:
    """The recipe of a chosen fusion: the measured network as it is, and nothing to train.

    Args:
        recipe: of the network that was measured; its input stays.
        model: the network, and where its weights are now.
        datasets: what the heads are fitted on at export.
        chosen: the fusion, and the treatment under which it was chosen.
        final: name of the network's final feature.
    """
    middle = [cell for cell in chosen.cells if cell.tap != final]
    fusion = FusionPart(
        taps=tuple(cell.tap for cell in middle),
        pool=tuple(cell.pool for cell in middle),
        final=len(middle) < len(chosen.cells),
        normalise=chosen.treatment.normalise,
        mirror=recipe.fusion.mirror,
    )
    name, data = f"{recipe.name}-atlas", DataPart(train=datasets, validation=0.0)
    if not (model.start or model.weights):
        # A network with random weights is no use untrained, so this one is trained.
        return replace(recipe, name=name, data=data, model=model, fusion=fusion)
    loss, loop = LossPart(negatives="in-batch"), LoopPart(steps=0)
    return Recipe(
        name, data, recipe.seed, recipe.input, model=model, fusion=fusion, loss=loss, loop=loop
    )


def write(recipe: Recipe, treatment: Treatment, path: Path) -> None:
    """Writes it, with the commands that make a run and a bundle of it."""
    run, folder = f"runs/{recipe.name}-{recipe.seed}", path.parent
    head = f" --dim {HEAD_DIM} --head {treatment.head}" if treatment.head else ""
    lines = [
        f"Chosen by cdim atlas: {treatment.words}. A run, folds of it, and a bundle:",
        f"  cdim train {path}",
        f"  for k in 0 1 2 3 4; do cdim train {path} --out {folder}/fold-$k \\",
        "      --set data.validation=0.2 --set data.fold=$k; done",
        f"  cdim export {run} -o {folder}/bundle{head} \\",
        f"      {' '.join(f'--fold {folder}/fold-{k}' for k in range(5))}",
    ]
    comment = "".join(f"# {line}\n" for line in lines)
    path.write_text(comment + tomli_w.dumps(_short(recipe)), encoding="utf-8")


def _short(recipe: Recipe) -> dict[str, Any]:
    """Plain values of a recipe, without those that are defaults."""
    default = parse_recipe({"name": recipe.name, "data": {"train": recipe.data.train}}).to_dict()
    short: dict[str, Any] = {}
    for key, value in recipe.to_dict().items():
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if v != default[key][k] or k == "train"}
        if value not in ({}, default[key]) or key in ("name", "data"):
            short[key] = value
    return short
