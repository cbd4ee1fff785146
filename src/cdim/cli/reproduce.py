"""`cdim reproduce`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb, stoppable
from cdim.cli.printing import say


@click.command(cls=Verb)
@click.argument("table")
@options.several("--row", "names", "NAME", "Make only this row of the table. Repeatable.")
@click.option(
    "--quick",
    is_flag=True,
    help="Two steps, one seed, few images: does all of it run? Writes to runs/quick alone.",
)
@options.path(
    "--list",
    "The rows to make, as TOML.",
    "listed",
    metavar=None,
    default=Path("docs", "reproduce.toml"),
)
@options.results
@options.data_root
@options.device
def reproduce(table: str, names: tuple[str, ...], **how: Any) -> None:
    """Make the rows of a TABLE of the paper, or of all: train missing models, judge, compare.

    Finished models are kept, stopped ones resumed. Some rows need what not every machine has; they
    are made only when --row names them.

    \b
    cdim reproduce 9
    cdim reproduce 11 --row Ours --row Vanilla
    cdim reproduce all --quick
    """  # noqa: D301 - click wants the character
    from cdim.paper.reproduce import reproduce

    with stoppable("the same command continues from there"):
        page = reproduce(table, names, told=partial(say, err=True), **how)
    say(f"the page: {page}")
