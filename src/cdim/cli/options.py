"""Options that several verbs share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cdim.judge.options import EvalOptions

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
tests = click.option(
    "--test",
    "tests",
    multiple=True,
    metavar="DATASET",
    help="Measure the new bundle on the test split of DATASET. Repeatable.",
)


url_model = click.option(
    "--model", type=PATH, metavar="BUNDLE", help="The bundle, for a gallery at a URL."
)


def count(
    option: str, words: str, *name: str, default: int | None = None, metavar: str | None = "N"
) -> Callable[[Any], Any]:
    """A number from 1, with its help; no default is None."""
    kind = click.IntRange(min=1)
    shown = default is not None
    return click.option(
        option, *name, type=kind, default=default, show_default=shown, metavar=metavar, help=words
    )


def seed(words: str, default: int | None = None) -> Callable[[Any], Any]:
    """The seed of a verb, with its help."""
    kind, shown = click.IntRange(min=0), default is not None
    return click.option("--seed", type=kind, default=default, show_default=shown, help=words)


def out(words: str) -> Callable[[Any], Any]:
    """The folder that a verb writes, with its help."""
    return click.option("-o", "--out", type=PATH, required=True, metavar="DIR", help=words)


split = click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="The part of the dataset.",
)
results = click.option(
    "--file",
    type=PATH,
    default=Path("docs", "results.json"),
    show_default=True,
    help="The list of rows; the page is written beside it.",
)


_JUDGING = (
    click.option("--join-l2", is_flag=True, help="Scale each joined part to length one before."),
    click.option(
        "--join-pool",
        type=click.Choice(["average", "max", "flatten", "grid2", "grid3", "grid4", "grid8"]),
        default="average",
        show_default=True,
        help="How the joined maps are pooled.",
    ),
    click.option(
        "--join",
        multiple=True,
        metavar="TAP",
        help="Join a middle map to the model's embedding: fusion after training. Repeatable; "
        "the model of --compare stays as it is.",
    ),
    click.option(
        "--rerank", is_flag=True, help="Re-rank by k-reciprocal neighbours (k1 20, k2 6)."
    ),
    count("--expand", "Average each query with its N nearest gallery images and search again."),
    click.option(
        "--multi-query",
        type=click.Choice(["average", "maximum"]),
        help="Pool all views of a query's person in its camera [default: single query].",
    ),
    click.option(
        "--protocol",
        type=click.Choice(["instance", "cross-camera", "any-camera"]),
        help="Who may match whom [default: cross-camera if all images have a camera, "
        "instance if none has].",
    ),
)


def judging(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of how to judge, and hands them over as one argument, `how`."""

    @functools.wraps(command)
    def gathered(**given: Any) -> None:
        how = {option.name: given.pop(option.name) for option in dataclasses.fields(EvalOptions)}
        how["expand"] = how["expand"] or 0
        command(how=EvalOptions(**how), **given)

    for option in _JUDGING:
        gathered = option(gathered)
    return gathered
