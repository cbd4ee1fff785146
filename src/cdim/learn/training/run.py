"""From a recipe to a run's folder: the function behind `cdim train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tomli_w
import torch
from tqdm import tqdm

from cdim.disk import write_whole
from cdim.errors import ModelError, RecipeError, TrainingError, UsageError, nearest
from cdim.learn.networks import checkpoint
from cdim.learn.networks.embedder import Embedder, choose_device, has_bf16, load_weights
from cdim.learn.networks.weights import load_pretrained
from cdim.learn.recipes.parts import TrainPrecision
from cdim.learn.recipes.recipe import Recipe, parse_recipe, read_recipe
from cdim.learn.training.batches import ImageCache, Targets, make_sampler
from cdim.learn.training.data import load_parts
from cdim.learn.training.loop import Trainer, is_over
from cdim.learn.training.losses import build_loss
from cdim.learn.training.validation import make_judge

RUNS = Path("runs")


def train(
    recipe: Path,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    seed: int | None = None,
    waiting: tuple[Path, ...] = (),
) -> Path:
    """Trains a recipe: `cdim.train`, whose arguments and errors it has.

    Args:
        waiting: the runs that wait for this one as their earlier stage.

    Returns:
        The run's folder: `recipe.toml`, `best.safetensors`, `last.safetensors`,
        `log.jsonl`, `tensorboard/`. Nothing that was saved there before is lost.
    """
    here = choose_device(device)
    plan = read_recipe(recipe, overrides, seed)
    folder = out or RUNS / f"{plan.name}-{plan.seed}"
    saved = folder / "last.safetensors"
    if saved.exists() and not resume:
        raise UsageError(
            f"{folder} already holds a run",
            "a run is not overwritten",
            "choose another folder, or resume the run",
            argument="resume",
        )
    if resume and not saved.exists():
        tqdm.write(f"{folder} has saved nothing yet: starting anew", file=sys.stderr)
        resume = False
    if plan.loop.precision == "auto":
        precision: TrainPrecision = "bf16" if has_bf16(here) else "fp32"
        if resume:  # as it began
            precision = parse_recipe(checkpoint.read(saved)[1]["recipe"]).loop.precision
        tqdm.write(f"precision: {precision}", file=sys.stderr)
        plan = replace(plan, loop=replace(plan.loop, precision=precision))
    parts = load_parts(plan.data, data)
    torch.manual_seed(plan.seed)
    embedder = Embedder(plan)
    targets = Targets(parts.train, plan.data.target, parts.triplets)
    criterion = build_loss(plan.loss, embedder.dim, len(targets.names))
    if not any(weights.requires_grad for weights in embedder.parameters()):
        raise RecipeError(
            f"model.freeze = {list(plan.model.freeze)}",
            "it freezes the whole network: something has to learn",
            "freeze less",
        )
    sample = make_sampler(plan, targets)
    if plan.model.weights and not resume:
        load_pretrained(embedder.backbone, plan)
    if plan.model.start and not resume:
        # Last of what can fail, since it may train for long.
        start_from(embedder, plan, find_start(plan, recipe, (*waiting, folder), data, device))
    layout = torch.channels_last if plan.loop.channels_last else torch.contiguous_format
    embedder.to(device=here, memory_format=layout)  # type: ignore[call-overload]
    trainer = Trainer(plan, embedder, criterion.to(here), folder)
    if resume:
        trainer.resume()
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "recipe.toml", tomli_w.dumps(plan.to_dict()).encode(), TrainingError)
    judge = make_judge(parts.validation, embedder.preprocess, targets, criterion)
    trainer.fit(ImageCache(parts.train, embedder.preprocess), sample, judge)
    return folder


def find_start(
    plan: Recipe, recipe: Path, waiting: tuple[Path, ...], data: Path | None, device: str
) -> Path:
    """The finished run of the earlier stage that a recipe starts from.

    A stage `<name>-<seed>` whose recipe `<name>.toml` lies beside this one is trained first if it
    is missing, and resumed if it was stopped.

    Args:
        plan, recipe: the recipe, and its file.
        waiting: the run that is to start, last, and those that wait for it.

    Raises:
        ModelError: there is no such run and no recipe for it, or a run elsewhere is unfinished.
        RecipeError: the stages start from each other in a circle.
    """
    start, runs = plan.model.start, waiting[-1].parent
    name, _, seed = Path(start).name.rpartition("-")
    earlier = recipe.parent / f"{name}.toml"
    beside = runs / start
    for place in (beside, Path(start)):
        if is_over(place):
            return place
    if seed.isdigit() and earlier.is_file() and Path(start).name == start:
        if beside in waiting:
            raise RecipeError(
                f"model.start = {start!r} leads back to {beside}",
                "a stage starts from an earlier one, the first from none",
                'correct model.start, or set it to ""',
            )
        resume = (beside / "last.safetensors").exists()
        tqdm.write(f"{plan.name} starts from {start}: training that first", file=sys.stderr)
        return train(earlier, (), data, beside, device, resume, int(seed), waiting)
    raise ModelError(
        f"model.start = {start!r} is no finished run, in {runs} or as a path",
        f"it is the run of an earlier stage, or has a recipe {earlier.name} in {recipe.parent}",
        "train that stage first, or resume it",
    )


def start_from(embedder: Embedder, plan: Recipe, found: Path) -> None:
    """Takes the backbone's weights from the run of an earlier stage.

    Raises:
        ModelError: a layer differs that is not in `start_skip`.
        RecipeError: `start_skip` names a layer that does not exist.
    """
    tensors, _ = checkpoint.read(found / "best.safetensors")
    given = checkpoint.select(tensors, "model.backbone.")
    layers = {part for name in embedder.backbone.state_dict() for part in name.split(".")}
    for layer in plan.model.start_skip:
        if layer not in layers:
            raise RecipeError(
                f"model.start_skip names {layer!r}",
                f"the layers are {', '.join(sorted(layers))}",
                nearest(layer, layers),
            )
    for name, own in embedder.backbone.state_dict().items():
        if set(plan.model.start_skip) & set(name.split(".")):
            given[name] = own
    load_weights(embedder.backbone, given, found)
