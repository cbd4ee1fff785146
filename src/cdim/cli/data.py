"""`cdim data list` and `cdim data check`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars
from cdim.errors import UsageError


@click.group(cls=VerbGroup)
def data() -> None:
    """List the known datasets, and check one."""


@data.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """Name the known datasets, where to get them and under what terms."""
    from cdim.data.sets.catalogue import KNOWN

    if as_json:
        names = ("name", "title", "where", "terms")
        cards = [{name: getattr(card, name) for name in names} for card in KNOWN.values()]
        say(json.dumps(cards, indent=2))
        return
    for card in KNOWN.values():
        click.echo(f"{click.style(card.name, bold=True)}: {card.title}")
        say(f"    get it: {card.where}")
        say(f"    terms:  {card.terms}")


@data.command()
@click.argument("dataset", metavar="NAME|PATH")
@options.data_root
@click.option(
    "--input",
    "size",
    metavar="HxW",
    help="Height and width of the network's input, such as 256x128: name images that do not fit.",
)
@options.layout
@options.exclude
@click.option("--verbose", is_flag=True, help="Name every file that is left out.")
@options.as_json
def check(dataset: str, size: str | None, verbose: bool, as_json: bool, **given: Any) -> None:
    """Explain what is wrong with a dataset and what to do.

    NAME is one of `cdim data list`; PATH a CSV file, a folder or a zip (see docs/data.md). The exit
    code is 0 without errors, 1 with errors, and 2 if the dataset cannot be checked.
    """
    from cdim.data.check.table import check_known

    wanted = None if size is None else _size(size)
    with progress_bars() as progress:
        findings = check_known(dataset, partial(progress, "images"), wanted, **given)
    text = json.dumps(findings.to_json(), indent=2) if as_json else findings.text(verbose)
    say(text)
    if findings.failed:
        click.get_current_context().exit(1)


def _size(given: str) -> tuple[int, int]:
    height, x, width = given.lower().partition("x")
    if not (x and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UsageError(
            f"--input {given}", "it is height x width in pixels", "try --input 256x128"
        )
    return int(height), int(width)
