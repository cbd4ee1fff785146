"""`cdim train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb, stoppable
from cdim.cli.printing import say


@click.command(cls=Verb)
@click.argument("recipe", type=options.PATH)
@options.several("--set", "overrides", "KEY=VALUE", "Change a key of the recipe. Repeatable.")
@options.data_root
@options.path("--out", "The run's folder [default: in runs/].")
@options.device
@options.seed("Replace the recipe's seed.")
@click.option("--resume", is_flag=True, help="Continue a stopped run.")
def train(recipe: Path, **how: Any) -> None:
    """Train a model by RECIPE, a TOML file.

    Ctrl-C stops the training; --resume continues it exactly where it was.

    \b
    cdim train recipes/strong-fusion.toml --seed 1
    cdim train recipes/fusion-shoe.toml --set loss.margin=0.2 --out runs/margin-0.2
    """  # noqa: D301 - click wants the character
    from cdim.api import train

    with stoppable("to continue, run the same command with --resume"):
        folder = train(recipe, **how)
    say(f"the run is in {folder}; judge it with: cdim eval {folder} DATASET")
