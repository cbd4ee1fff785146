"""The searches of a run's held-out part: what an export is judged and calibrated on."""

from __future__ import annotations

from pathlib import Path

from cdim.judge import HeldOut, groups_of
from cdim.learn.recipe import Recipe
from cdim.learn.run import load_parts
from cdim.learn.validation import has_cameras, with_roles


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
