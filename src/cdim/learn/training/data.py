"""A recipe's training and held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import Dataset, open_dataset
from cdim.data.triplets import Triplets
from cdim.errors import DataError
from cdim.judge.held_out import HeldOut, groups_of, has_cameras, with_roles
from cdim.learn.recipes.parts import DataPart
from cdim.learn.recipes.recipe import Recipe


@dataclass(frozen=True)
class Parts:
    """The training data of a recipe, divided."""

    train: Manifest  # the training rows
    validation: Manifest  # instances held out of the train split; may be empty
    # human triplets over the train split, by majority, never against the pairing
    triplets: list[Triplets]


def open_sets(part: DataPart, data: Path | None) -> list[Dataset]:
    """A recipe's datasets; a DataError where one cannot be opened."""
    return [open_dataset(name, data, layout=part.layout or None) for name in part.train]


def load_parts(part: DataPart, data: Path | None) -> Parts:
    """Opens a recipe's datasets and carves the validation part from train, by instance.

    The share is taken from each category; which instances depends on `validation_seed` and
    `fold` alone.

    Raises:
        DataError: a dataset cannot be opened or has no train split.
    """
    sets = open_sets(part, data)
    manifest = Manifest.concat([s.training() for s in sets])
    if not len(manifest):
        raise DataError(
            f"no image of {', '.join(part.train)} is of split 'train'",
            "that split is trained on, or the whole of a set in which no image names a split",
            "give the manifest's rows a split",
        )
    held: set[str] = set()
    for category in np.unique(manifest.category):
        names = np.unique(manifest.instance[manifest.category == category])
        rng = np.random.default_rng(part.validation_seed)
        first, end = (round(len(names) * part.validation * f) for f in (part.fold, part.fold + 1))
        held.update(rng.permutation(names)[first:end].tolist())
    if part.validation and not held:
        raise DataError(
            f"data.validation = {part.validation} of {len(np.unique(manifest.instance))} instances",
            "the share must be at least one instance of a category",
            "raise data.validation, or set it to 0 to train without",
        )
    mask = np.isin(manifest.instance, sorted(held))
    triplets = [s.triplets["train"].agreed() for s in sets if "train" in s.triplets]
    return Parts(manifest.take(~mask), manifest.take(mask), triplets)


def held_out(recipe: Recipe, data: Path | None) -> HeldOut | None:
    """What a recipe holds out of training, or None where there is nothing to search there.

    That is so where it trains on everything, and where the images have neither roles nor cameras.

    Raises:
        DataError: a dataset cannot be opened.
    """
    if not recipe.data.validation:
        return None
    manifest, protocol = load_parts(recipe.data, data).validation, "instance"
    if has_cameras(manifest):
        manifest, protocol = with_roles(manifest), "cross-camera"
    groups = groups_of(manifest, protocol)
    return HeldOut(manifest, protocol, groups) if groups else None
