"""Recipes that have the right types and still cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cdim.errors import RecipeError

if TYPE_CHECKING:
    from cdim.learn.recipes.recipe import Recipe

Rule = tuple[str, Callable[[Any], bool]]
_LISTED = ("annotated", "random")
"""Ways to choose triplets that a batch lists one by one."""


def check(recipe: Recipe) -> None:
    """Refuses values out of range, and values that cannot stand beside each other.

    Raises:
        RecipeError: names the first one.
    """
    _in_range(recipe)
    _fits_together(recipe)


def _in_range(recipe: Recipe) -> None:
    """Values that have the right type and still cannot be."""
    probability: Rule = ("from 0 to 1", lambda v: 0 <= v <= 1)
    below_one: Rule = ("from 0 to below 1", lambda v: 0 <= v < 1)
    not_negative: Rule = ("0 or more, and finite", lambda v: 0 <= v < math.inf)
    positive: Rule = ("above 0, and finite", lambda v: 0 < v < math.inf)
    rules: dict[str, Rule] = {
        "seed": ("from 0 to below 2**63", lambda v: 0 <= v < 2**63),
        "data.validation": below_one,
        "data.validation_seed": not_negative,
        "data.fold": not_negative,
        "augment.flip": probability,
        "augment.erase": below_one,
        "augment.erase_chance": probability,
        "augment.thicken": probability,
        "augment.scale": below_one,
        "augment.rotate": ("from 0 to 180", lambda v: 0 <= v <= 180),
        "augment.shift": below_one,
        "augment.elastic": below_one,
        "fusion.project": not_negative,
        "loss.margin": not_negative,
        "loss.hard_share": probability,
        "loss.smoothing": below_one,
        "loss.triplet": not_negative,
        "optimiser.decay": ("above 0 and at most 1", lambda v: 0 < v <= 1),
        "optimiser.decay_every": positive,
        "optimiser.lr": ("above 0 and finite", lambda v: 0 < v < float("inf")),
        "optimiser.momentum": below_one,
        "optimiser.weight_decay": not_negative,
        "optimiser.warmup": not_negative,
        "optimiser.ema": below_one,
        "loop.batch": ("2 or more", lambda v: v >= 2),
        "loop.images_per_label": ("0, or 2 or more", lambda v: v == 0 or v >= 2),
        "loop.steps": not_negative,
        "loop.evaluate_every": positive,
        "loop.patience": not_negative,
    }
    for name, (words, holds) in rules.items():
        value: Any = recipe
        for part in name.split("."):
            value = getattr(value, part)
        if not holds(value):
            raise RecipeError(f"{name} = {value}", f"it is {words}", "change its value")
    if not recipe.data.train:
        raise RecipeError(
            "data.train = []", "at least one dataset is needed", "see `cdim data list`"
        )
    if not isinstance(recipe.fusion.pool, str) and len(recipe.fusion.pool) != len(
        recipe.fusion.taps
    ):
        raise RecipeError(
            f"fusion.pool = {list(recipe.fusion.pool)} for the taps {list(recipe.fusion.taps)}",
            "it is one value, or one a tap",
            "make the two lists equally long",
        )


def _fits_together(recipe: Recipe) -> None:
    """Values that cannot be beside each other."""
    loss, loop = recipe.loss, recipe.loop
    each, share, fold = loop.images_per_label, recipe.data.validation, recipe.data.fold
    if fold and not 0 < share * (fold + 1) <= 1 + 1e-9:
        raise RecipeError(
            f"data.fold = {fold} with data.validation = {share}",
            "folds count from 0, and together they hold out every instance once",
            "with data.validation = 0.2 there are folds 0 to 4",
        )
    if not loop.steps and not (recipe.model.start or recipe.model.weights):
        raise RecipeError(
            "loop.steps = 0 without model.start and model.weights",
            "what is not trained was trained before",
            "name where its weights come from, or train it",
        )
    if not loop.steps and recipe.fusion.project:
        raise RecipeError(
            f"loop.steps = 0 with fusion.project = {recipe.fusion.project}",
            "that layer is new, and needs training",
            "set fusion.project = 0, or train it",
        )
    if not loop.steps and "attention" in recipe.fusion.pool:
        raise RecipeError(
            'loop.steps = 0 with fusion.pool = "attention"',
            "its mask is learned",
            "choose another fusion.pool, or train it",
        )
    if each and (loop.batch % each or loop.batch < 2 * each):
        raise RecipeError(
            f"loop.batch = {loop.batch} with loop.images_per_label = {each}",
            "a batch of P x K images is a multiple of K, at least 2 K",
            f"use loop.batch = {max(2, loop.batch // each) * each}",
        )
    if loop.images_per_label and loss.kind == "triplet" and loss.negatives in _LISTED:
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
    if recipe.augment.erase_chance < 1 and not recipe.augment.erase:
        raise RecipeError(
            f"augment.erase_chance = {recipe.augment.erase_chance} with augment.erase = 0",
            "nothing is erased then",
            "set augment.erase, or leave the chance out",
        )
    if loss.neck == "bn" and loss.kind != "cross-entropy":
        raise RecipeError(
            f'loss.neck = "bn" with loss.kind = {loss.kind!r}',
            'it stands before the classifier of "cross-entropy"',
            'set loss.neck = "none"',
        )
    if loss.triplet and (loss.kind != "cross-entropy" or not loop.images_per_label):
        raise RecipeError(
            f"loss.triplet = {loss.triplet} with loss.kind = {loss.kind!r} and "
            f"loop.images_per_label = {loop.images_per_label}",
            'it is added to "cross-entropy", over P x K batches',
            "set loop.images_per_label = 4, or loss.triplet = 0",
        )
