"""A training recipe: strict, typed, read from TOML.

Every key of the file is a field below; a key that is not is an error that names
the nearest one. Nothing is inherited and nothing has two spellings.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdim import strict
from cdim.data.preprocess import Preprocess
from cdim.errors import RecipeError
from cdim.learn.recipes import rules
from cdim.learn.recipes.parts import (
    AugmentPart,
    DataPart,
    FusionPart,
    LoopPart,
    LossPart,
    ModelPart,
    OptimiserPart,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = strict.Document("recipe", RecipeError)


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see the parts for their keys."""

    name: str
    data: DataPart
    seed: int = 0
    input: Preprocess = field(default_factory=Preprocess)
    augment: AugmentPart = field(default_factory=AugmentPart)
    model: ModelPart = field(default_factory=ModelPart)
    fusion: FusionPart = field(default_factory=FusionPart)
    loss: LossPart = field(default_factory=LossPart)
    optimiser: OptimiserPart = field(default_factory=OptimiserPart)
    loop: LoopPart = field(default_factory=LoopPart)

    def __post_init__(self) -> None:
        rules.check(
            self.seed,
            self.data,
            self.augment,
            self.model,
            self.fusion,
            self.loss,
            self.optimiser,
            self.loop,
        )

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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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
    recipe: Recipe = strict.build(Recipe, table, DOCUMENT)
    return recipe


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = [p.strip() for p in key.split(".")]
    if not equals or not all(parts):
        raise RecipeError(
            f"the override {text!r}",
            "an override is part.key=value",
            "write one such as loss.margin=0.2",
            argument="overrides",
        )
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"the override {text!r}",
                f"{part!r} is a value and has no keys",
                "name a key of a part",
                argument="overrides",
            )
    try:
        table[parts[-1]] = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        table[parts[-1]] = value.strip()
