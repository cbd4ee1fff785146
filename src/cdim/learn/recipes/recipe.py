"""A training recipe: strict, typed, read from TOML.

Every key of the file is a field below; a key that is not is an error that names
the nearest one. Nothing is inherited and nothing has two spellings.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from cdim import strict
from cdim.data.preprocess import Preprocess
from cdim.errors import RecipeError
from cdim.learn.recipes import parts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = strict.Document("recipe", RecipeError)
_SHARES = "data.validation augment.erase augment.scale augment.shift augment.elastic"
_COUNTS = "data.validation_seed data.fold fusion.project optimiser.warmup loop.steps loop.patience"
_RANGES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("from 0 to below 2**63", lambda v: 0 <= v < 2**63, "seed"),
    ("from 0 to 1", lambda v: 0 <= v <= 1, "augment.flip augment.erase_chance augment.thicken"),
    ("from 0 to 1", lambda v: 0 <= v <= 1, "loss.hard_share"),
    ("from 0 to below 1", lambda v: 0 <= v < 1, _SHARES),
    ("from 0 to below 1", lambda v: 0 <= v < 1, "loss.smoothing optimiser.momentum optimiser.ema"),
    ("0 or more, and finite", lambda v: 0 <= v < math.inf, _COUNTS),
    ("0 or more, and finite", lambda v: 0 <= v < math.inf, "loss.margin loss.triplet"),
    ("0 or more, and finite", lambda v: 0 <= v < math.inf, "optimiser.weight_decay"),
    ("above 0, and finite", lambda v: 0 < v < math.inf, "optimiser.lr optimiser.decay_every"),
    ("above 0, and finite", lambda v: 0 < v < math.inf, "loop.evaluate_every"),
    ("above 0 and at most 1", lambda v: 0 < v <= 1, "optimiser.decay"),
    ("from 0 to 180", lambda v: 0 <= v <= 180, "augment.rotate"),
    ("2 or more", lambda v: v >= 2, "loop.batch"),
    ("0, or 2 or more", lambda v: v == 0 or v >= 2, "loop.images_per_label"),
)
"""What values may be, and which."""


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see the parts for their keys."""

    name: str
    data: parts.DataPart
    seed: int = 0
    input: Preprocess = field(default_factory=Preprocess)
    augment: parts.AugmentPart = field(default_factory=parts.AugmentPart)
    model: parts.ModelPart = field(default_factory=parts.ModelPart)
    fusion: parts.FusionPart = field(default_factory=parts.FusionPart)
    loss: parts.LossPart = field(default_factory=parts.LossPart)
    optimiser: parts.OptimiserPart = field(default_factory=parts.OptimiserPart)
    loop: parts.LoopPart = field(default_factory=parts.LoopPart)

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, every default written out, ready for TOML or JSON."""
        table: dict[str, Any] = strict.plain(self)
        return table


def read_recipe(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Reads a recipe.

    Args:
        path: a TOML file.
        overrides: "part.key=value" each, values written as in TOML (a bare word is a string).
        seed: replaces the recipe's seed.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, a value of the wrong type or
            out of range.
        ModelError: sizes or channels in [input] that cannot be.
    """
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(
            f"cannot read the recipe {path} ({error})",
            "a recipe is a TOML file",
            "see recipes/ for examples",
        ) from None
    for override in overrides:
        _override(table, override)
    if seed is not None:
        table["seed"] = seed
    return parse_recipe(table)


def parse_recipe(table: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values, as `Recipe.to_dict` gives them.

    Raises:
        RecipeError: as `read_recipe`.
    """
    return strict.build(Recipe, table, DOCUMENT)


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    keys = [p.strip() for p in key.split(".")]
    if not equals or not all(keys):
        raise RecipeError(
            f"the override {text!r}",
            "an override is part.key=value",
            "write one such as loss.margin=0.2",
            argument="overrides",
        )
    for part in keys[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"the override {text!r}",
                f"{part!r} is a value and has no keys",
                "name a key of a part",
                argument="overrides",
            )
    try:
        table[keys[-1]] = tomllib.loads(f"v = {value}")["v"]
    except (ValueError, RecursionError):
        table[keys[-1]] = value.strip()


def _check(recipe: Recipe) -> None:
    """Refuses values out of range, and values that exclude each other."""
    for words, holds, names in _RANGES:
        for name in names.split():
            value = attrgetter(name)(recipe)
            if not holds(value):
                raise RecipeError(f"{name} = {value}", f"it is {words}", "change its value")
    _check_training(recipe)
    _check_loss(recipe.loss, recipe.loop)
    augment = recipe.augment
    if augment.erase_chance < 1 and not augment.erase:
        raise RecipeError(
            f"augment.erase_chance = {augment.erase_chance} with augment.erase = 0",
            "nothing is erased then",
            "set augment.erase, or leave the chance out",
        )


def _check_training(recipe: Recipe) -> None:
    """What is trained, on what."""
    data, model, fusion, loop = recipe.data, recipe.model, recipe.fusion, recipe.loop
    if not data.train:
        raise RecipeError("data.train = []", "at least one dataset is needed", "name a dataset")
    if data.fold and not 0 < data.validation * (data.fold + 1) <= 1 + 1e-9:
        raise RecipeError(
            f"data.fold = {data.fold} with data.validation = {data.validation}",
            "folds count from 0, and together they hold out every instance once",
            "with data.validation = 0.2 there are folds 0 to 4",
        )
    if not loop.steps and not (model.start or model.weights):
        raise RecipeError(
            "loop.steps = 0 without model.start and model.weights",
            "what is not trained was trained before",
            "name where its weights come from, or train it",
        )
    if not loop.steps and fusion.project:
        raise RecipeError(
            f"loop.steps = 0 with fusion.project = {fusion.project}",
            "that layer is new, and needs training",
            "set fusion.project = 0, or train it",
        )
    if not loop.steps and "attention" in fusion.pool:
        raise RecipeError(
            'loop.steps = 0 with fusion.pool = "attention"',
            "its mask is learned",
            "choose another fusion.pool, or train it",
        )


def _check_loss(loss: parts.LossPart, loop: parts.LoopPart) -> None:
    """What is minimised, over which batches."""
    each = loop.images_per_label
    if each and (loop.batch % each or loop.batch < 2 * each):
        raise RecipeError(
            f"loop.batch = {loop.batch} with loop.images_per_label = {each}",
            "a batch of P x K images is a multiple of K, at least 2 K",
            f"use loop.batch = {max(2, loop.batch // each) * each}",
        )
    if each and loss.kind == "triplet" and loss.negatives in ("annotated", "random"):
        raise RecipeError(
            f'loop.images_per_label with loss.negatives = "{loss.negatives}"',
            'P x K batches compare all with all: "in-batch" or "batch-hard"',
            "change loss.negatives, or set loop.images_per_label = 0",
        )
    if loss.smoothing and loss.kind != "cross-entropy":
        raise RecipeError(
            f"loss.smoothing = {loss.smoothing} with loss.kind = {loss.kind!r}",
            'it is for "cross-entropy"',
            "set loss.smoothing = 0",
        )
    if loss.options and loss.kind in ("triplet", "cross-entropy"):
        raise RecipeError(
            f"loss.options {dict(loss.options)} with loss.kind = {loss.kind!r}",
            "they are for losses of pytorch-metric-learning",
            "remove them, or name such a loss",
        )
    if loss.neck == "bn" and loss.kind != "cross-entropy":
        raise RecipeError(
            f'loss.neck = "bn" with loss.kind = {loss.kind!r}',
            'it stands before the classifier of "cross-entropy"',
            'set loss.neck = "none"',
        )
    if loss.triplet and (loss.kind != "cross-entropy" or not each):
        raise RecipeError(
            f"loss.triplet = {loss.triplet} with loss.kind = {loss.kind!r} and "
            f"loop.images_per_label = {each}",
            'it is added to "cross-entropy", over P x K batches',
            "set loop.images_per_label = 4, or loss.triplet = 0",
        )
