"""`cdim results`: the page made from results.json, and new rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
from cdim.errors import UsageError

if TYPE_CHECKING:
    from cdim.judge.options import EvalOptions
    from cdim.judge.split import TrainedModel
    from cdim.paper.plan import Plan

file = click.option(
    "--file",
    type=options.PATH,
    default=Path("docs", "results.json"),
    show_default=True,
    help="The list of rows; the page is written beside it.",
)


@click.group(cls=VerbGroup, invoke_without_command=True)
@file
@click.pass_context
def results(ctx: click.Context, file: Path) -> None:
    """Make docs/results.md from docs/results.json."""
    if ctx.invoked_subcommand is None:
        write_page(file)


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
@file
@options.data_root
@options.split
@options.device
@options.judging
def add(
    dataset: str,
    models: tuple[Path, ...],
    row: str,
    table: str | None,
    recipe: str,
    command: str | None,
    file: Path,
    data: Path | None,
    split: str,
    device: str,
    how: EvalOptions,
) -> None:
    """Judge MODELs, runs or bundles, one a training seed, and write them as one row.

    Replaces a row of the same name, table, dataset and model.

    \b
    cdim results add qmul-shoe runs/strong-fusion-0 runs/strong-fusion-1 \\
        --row strong-fusion --recipe recipes/strong-fusion.toml
    """  # noqa: D301 - click wants the character
    from cdim.api import load
    from cdim.data.sets.catalogue import open_dataset
    from cdim.judge.split import judge, open_test
    from cdim.paper import results as book
    from cdim.paper.maker import about

    opened = open_dataset(dataset, data)
    test = open_test(opened, split, how)
    loaded = [load(model, device, how) for model in models]
    if command is None:
        command = _command(recipe, models[0], loaded, dataset, split, how)
    new = book.pool(
        [judge(each, test) for each in loaded],
        row=row,
        table=table,
        split=split,
        recipe=recipe,
        command=command,
        **about(loaded[0], how),
    )
    book.write(file, book.merge(book.read(file), new))
    write_page(file)


@results.command()
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@click.option(
    "--run",
    "runs",
    multiple=True,
    required=True,
    type=options.PATH,
    help="A run or a bundle; one a seed.",
)
@click.option(
    "--against", "others", multiple=True, required=True, type=options.PATH, help="The same."
)
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
    device: str,
    how: EvalOptions,
) -> None:
    """Test whether one model beats another: on each DATASET, and on all queries together.

    \b
    cdim results paired qmul-shoe qmul-chair --run runs/strong-fusion-0 \\
        --run runs/strong-fusion-1 --against runs/strong-vanilla-0
    """  # noqa: D301 - click wants the character
    from cdim.api import load
    from cdim.data.sets.catalogue import open_dataset
    from cdim.judge.compare import compare, compare_sets
    from cdim.judge.split import judge, open_test

    sides = [
        [load(run, device, how) for run in runs],
        [load(run, device) for run in others],
    ]
    judged = []
    for name in datasets:
        opened = open_dataset(name, data)
        test = open_test(opened, split, how)
        ours, theirs = ([judge(model, test) for model in side] for side in sides)
        judged.append((ours, theirs))
        one = ours[0]
        click.echo(f"{opened.name}, {one.queries} queries, split {split}, {one.conditions}")
        click.echo(compare(ours, theirs))
    if len(judged) > 1:
        total = sum(ours[0].queries for ours, _ in judged)
        click.echo(f"all {total} queries together")
        click.echo(compare_sets(judged))


def _command(
    recipe: str, place: Path, models: list[TrainedModel], dataset: str, split: str, how: EvalOptions
) -> str:
    """What trains and judges each seed's run."""
    first: Any = models[0]
    if not hasattr(first, "recipe"):
        raise UsageError(
            f"the bundle {place} without --command",
            "a bundle does not tell how it was made",
            "say by --command what to type to get it and to judge it",
        )
    seeds = " ".join(str(model.seed) for model in models)
    run = f"runs/{first.recipe.name}-$seed"
    words = [f"--split {split}"] if split != "test" else []
    judged = " ".join([f"cdim eval {run} {dataset}", *words, *([str(how)] if str(how) else [])])
    return f"for seed in {seeds}; do cdim train {recipe} --seed $seed; {judged}; done"


def write_page(file: Path, plan: Plan | None = None) -> None:
    """Writes the page of a file of results beside it.

    Args:
        file: the rows; `agreement.json` beside them is read too, if there is one.
        plan: what is to be measured; None reads `reproduce.toml` beside the file, if there is one.
    """
    from cdim.disk import write_whole
    from cdim.paper import agreement
    from cdim.paper import results as book
    from cdim.paper.plan import read_plan

    rows, listed, notes = book.read(file), file.with_name("reproduce.toml"), None
    if plan is None and listed.is_file():
        plan = read_plan(listed)
    if plan is not None:
        notes = agreement.notes(rows, plan, agreement.read(file.with_name("agreement.json")))
    page = file.with_suffix(".md")
    write_whole(page, book.render(rows, notes).encode())
    click.echo(f"{page}: {len(rows)} rows")
