"""`cdim show activations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
from cdim.cli.printing import say
from cdim.errors import UsageError, training_extra


@click.group(cls=VerbGroup)
def show() -> None:
    """Look inside a trained model."""


@show.command()
@click.argument("run", type=options.PATH)
@click.argument("images", nargs=-1, required=True)
@click.option("--layer", required=True, help="A layer by name: pool5, blocks.4, layer4.1, ...")
@click.option(
    "--filters",
    metavar="N,N,...",
    help="Show these filters, counted from 0 [default: the --top best].",
)
@options.count("--top", "Number of filters.", default=6, metavar=None)
@options.count("--pairs", "Number of pairs to show.", "shown", default=4, metavar=None)
@click.option(
    "--edges", is_flag=True, help="Turn the second image of each pair into an edge map first."
)
@options.out("Folder of the results.")
@options.data_root
@options.split
@options.device
def activations(
    run: Path, images: tuple[str, ...], out: Path, filters: str | None, **how: Any
) -> None:
    """Show where the filters of a layer of RUN fire, and rank those that fire alike on both sides.

    IMAGES are files, in pairs (a sketch, its photo, the next sketch, ...), or one dataset, a name
    or a path, whose pairs of --split are ranked over and the first of which are shown. DIR gets
    activations.png, heat maps side by side, and filters.csv, all filters, best first.

    \b
    cdim show activations runs/small-fusion-0 shoe.png shoe.jpg --edges --layer blocks.4 -o look
    cdim show activations runs/strong-fusion-0 qmul-shoe --split train --layer pool5 -o look
    """  # noqa: D301 - click wants the character
    with training_extra():
        from cdim.learn.inspect.show import show_activations
    found = show_activations(run, images, out, filters=_numbers(filters), **how)
    say(found)
    say(f"pictures: {found.picture}; all filters: {found.table}")


def _numbers(text: str | None) -> list[int]:
    """The filters that --filters names."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"--filters {text}", "it is numbers from 0, divided by commas", "e.g. --filters 3,17"
        )
    return list(dict.fromkeys(int(part) for part in parts))
