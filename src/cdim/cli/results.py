"""`cdim results`: the page made from results.json, and new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
from cdim.cli.printing import say
from cdim.judge.options import Device, EvalOptions


@click.group(cls=VerbGroup, invoke_without_command=True)
@options.results
@click.pass_context
def results(ctx: click.Context, file: Path) -> None:
    """Make docs/results.md from docs/results.json."""
    if ctx.invoked_subcommand is None:
        from cdim.paper.results import write_page

        say(f"the page: {write_page(file)}")


@results.command()
@click.argument("dataset")
@click.argument("models", metavar="MODEL...", type=options.PATH, nargs=-1, required=True)
@click.option("--row", required=True, help="The row's name.")
@click.option("--table", help="Number of the paper's table it belongs to.")
@click.option("--recipe", required=True, help="The recipe they were trained by.")
@click.option(
    "--command",
    help="The command that makes the row [default, for runs: train and eval each seed].",
)
@options.results
@options.data_root
@options.split
@options.device
@options.judging
def add(dataset: str, models: tuple[Path, ...], file: Path, **row: Any) -> None:
    """Judge MODELs, runs or bundles, one a training seed, and write them as one row.

    Replaces a row of the same name, table, dataset and model.

    \b
    cdim results add qmul-shoe runs/strong-fusion-0 runs/strong-fusion-1 \\
        --row strong-fusion --recipe recipes/strong-fusion.toml
    """  # noqa: D301 - click wants the character
    from cdim.paper.add import add_row

    say(f"the page: {add_row(file, dataset, models, **row)}")


@results.command()
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@options.several(
    "--run", "runs", None, "A run or a bundle; one a seed.", required=True, type=options.PATH
)
@options.several("--against", "others", None, "The same.", required=True, type=options.PATH)
@options.data_root
@options.split
@options.device
@options.judging
def paired(
    datasets: tuple[str, ...],
    runs: tuple[Path, ...],
    others: tuple[Path, ...],
    data: Path | None,
    split: str,
    device: Device,
    how: EvalOptions,
) -> None:
    """Test whether one model beats another: on each DATASET, and on all queries together.

    \b
    cdim results paired qmul-shoe qmul-chair --run runs/strong-fusion-0 \\
        --run runs/strong-fusion-1 --against runs/strong-vanilla-0
    """  # noqa: D301 - click wants the character
    from cdim.api import load
    from cdim.judge.compare import compare, compare_sets
    from cdim.judge.split import judge, open_test

    sides = [[load(run, device, how) for run in runs], [load(run, device) for run in others]]
    judged = []
    for name in datasets:
        test = open_test(name, split, how, data)
        ours, theirs = ([judge(model, test) for model in side] for side in sides)
        judged.append((ours, theirs))
        one = ours[0]
        say(f"{test.dataset}, {one.queries} queries, split {split}, {one.conditions}")
        say(compare(ours, theirs))
    if len(judged) > 1:
        say(f"all {sum(ours[0].queries for ours, _ in judged)} queries together")
        say(compare_sets(judged))
