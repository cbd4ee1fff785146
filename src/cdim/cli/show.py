"""`cdim show activations`."""

from __future__ import annotations

from pathlib import Path

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
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
@click.option(
    "--top", type=options.at_least_one, default=6, show_default=True, help="Number of filters."
)
@click.option(
    "--pairs",
    "shown",
    type=options.at_least_one,
    default=4,
    show_default=True,
    help="Number of pairs to show.",
)
@click.option(
    "--edges", is_flag=True, help="Turn the second image of each pair into an edge map first."
)
@options.out("Folder of the results.")
@options.data_root
@options.split
@options.device
def activations(
    run: Path,
    images: tuple[str, ...],
    layer: str,
    filters: str | None,
    top: int,
    shown: int,
    edges: bool,
    out: Path,
    data: Path | None,
    split: str,
    device: str,
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
    found = show_activations(
        run,
        images,
        out,
        layer=layer,
        filters=_numbers(filters),
        top=top,
        shown=shown,
        edges=edges,
        data=data,
        split=split,
        device=device,
    )
    click.echo(found)
    click.echo(f"pictures: {found.picture}; all filters: {found.table}")


def _numbers(text: str | None) -> list[int]:
    """The filters that --filters names."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"--filters {text}", "it is numbers from 0, divided by commas", "e.g. --filters 3,17"
        )
    return list(dict.fromkeys(int(part) for part in parts))
