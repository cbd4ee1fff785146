"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)

data_root = click.option(
    "--data",
    type=PATH,
    envvar="CDIM_DATA",
    metavar="DIR",
    help="Folder of the benchmark files as released [default: $CDIM_DATA].",
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where the network runs.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
split = click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Which part of the dataset.",
)
