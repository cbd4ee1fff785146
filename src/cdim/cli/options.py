"""Options that several verbs share; the group shows every default."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from cdim.judge.options import Device, EvalOptions

PATH = click.Path(path_type=Path)
Decorator = Callable[[Any], Any]


def path(
    option: str, words: str, *name: str, metavar: str | None = "DIR", **more: Any
) -> Decorator:
    """A file or folder, with its help."""
    return click.option(option, *name, type=PATH, metavar=metavar, help=words, **more)


def several(option: str, name: str, metavar: str | None, words: str, **more: Any) -> Decorator:
    """What may be given again, with its help."""
    return click.option(option, name, multiple=True, metavar=metavar, help=words, **more)


def choice(option: str, words: str, *allowed: str, default: str | None = None) -> Decorator:
    """One of a few words, with its help."""
    return click.option(option, type=click.Choice(allowed), default=default, help=words)


def count(
    option: str, words: str, *name: str, default: int | None = None, metavar: str | None = "N"
) -> Decorator:
    """A number from 1, with its help; no default is None."""
    kind = click.IntRange(min=1)
    return click.option(option, *name, type=kind, default=default, metavar=metavar, help=words)


def seed(words: str, default: int | None = None) -> Decorator:
    """The seed of a verb, with its help."""
    return click.option("--seed", type=click.IntRange(min=0), default=default, help=words)


def out(words: str) -> Decorator:
    """The folder that a verb writes, with its help."""
    return click.option("-o", "--out", type=PATH, required=True, metavar="DIR", help=words)


data_root = path(
    "--data",
    "Folder of the benchmark files as released [default: $CDIM_DATA].",
    envvar="CDIM_DATA",
)
layout = click.option(
    "--layout",
    metavar="LAYOUT",
    help='Levels of a folder or zip, such as "{split}/{instance}/{domain}"; see docs/data.md '
    "[default: known names of folders tell].",
)
exclude = several(
    *("--exclude", "exclude", "GLOB"),
    'Leave out files and folders, such as "old/*" or "*.bak.jpg". Repeatable.',
)
device = choice("--device", "Where the network runs.", *get_args(Device), default="auto")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
tests = several(
    "--test", "tests", "DATASET", "Measure the new bundle on the test split of DATASET. Repeatable."
)
url_model = path(
    "--model",
    "The bundle, for a gallery at a URL, or to mend a gallery's own copy.",
    metavar="BUNDLE",
)
split = choice("--split", "The part of the dataset.", "train", "val", "test", default="test")
results = path(
    "--file",
    "The rows that were measured, as JSON; the page is written beside it.",
    metavar=None,
    default=Path("docs", "results.json"),
)

_JUDGING = (
    click.option("--join-l2", is_flag=True, help="Scale each joined part to length one before."),
    choice(
        "--join-pool",
        "How the joined maps are pooled.",
        *("average", "max", "flatten", "grid2", "grid3", "grid4", "grid8"),
        default="average",
    ),
    several(
        "--join",
        "join",
        "TAP",
        "Join a middle map to the model's embedding: fusion after training. Repeatable; "
        "the model of --compare stays as it is.",
    ),
    click.option(
        "--rerank", is_flag=True, help="Re-rank by k-reciprocal neighbours (k1 20, k2 6)."
    ),
    count("--expand", "Average each query with its N nearest gallery images and search again."),
    choice(
        "--multi-query",
        "Pool all views of a query's person in its camera [default: single query].",
        *("average", "maximum"),
    ),
    choice(
        "--protocol",
        "Who may match whom [default: cross-camera if all images have a camera; if none has, "
        "leave-one-out if images are query and gallery at once, else instance].",
        *("instance", "cross-camera", "any-camera", "leave-one-out"),
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
