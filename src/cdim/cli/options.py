"""Options that several verbs share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cdim.errors import UsageError
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
at_least_one = click.IntRange(min=1)
tests = click.option(
    "--test",
    "tests",
    multiple=True,
    metavar="DATASET",
    help="Measure the new bundle on the test split of DATASET. Repeatable.",
)


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
    click.option(
        "--expand",
        type=click.IntRange(min=1),
        metavar="N",
        help="Average each query with its N nearest gallery images and search again.",
    ),
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
    def gathered(
        *args: Any,
        protocol: str | None,
        multi_query: str | None,
        expand: int | None,
        rerank: bool,
        join: tuple[str, ...],
        join_pool: str,
        join_l2: bool,
        **rest: Any,
    ) -> None:
        if not join and (join_l2 or join_pool != "average"):
            raise UsageError(
                "--join-pool or --join-l2 without --join",
                "they say how the maps named by --join are joined",
                "add --join TAP, or leave them out",
            )
        joined = (join, join_pool, join_l2)
        command(*args, how=EvalOptions(protocol, multi_query, expand or 0, rerank, *joined), **rest)

    for option in _JUDGING:
        gathered = option(gathered)
    return gathered
