"""`cdim reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cdim.cli import options
from cdim.cli.failures import Verb, resumable
from cdim.cli.results import file, write_page
from cdim.paper.maker import Maker

if TYPE_CHECKING:
    from cdim.judge.report import Report
    from cdim.paper.agreement import Agreement
    from cdim.paper.plan import Row
    from cdim.paper.row import ResultRow

ALL = "all"
RUNS = Path("runs")
QUICK = RUNS / "quick"


@click.command(cls=Verb)
@click.argument("table")
@click.option(
    "--row",
    "names",
    multiple=True,
    metavar="NAME",
    help="Make only this row of the table. Repeatable.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Two steps, one seed, few images: does all of it run? Writes to runs/quick alone.",
)
@click.option(
    "--list",
    "listed",
    type=options.PATH,
    default=Path("docs", "reproduce.toml"),
    show_default=True,
    help="The list of rows to make.",
)
@file
@options.data_root
@options.device
def reproduce(
    table: str,
    names: tuple[str, ...],
    quick: bool,
    listed: Path,
    file: Path,
    data: Path | None,
    device: str,
) -> None:
    """Make the rows of a TABLE of the paper, or of all: train missing models, judge, compare.

    Finished models are kept, stopped ones resumed. Some rows need what not every machine has; they
    are made only when --row names them.

    \b
    cdim reproduce 9
    cdim reproduce 11 --row Ours --row Vanilla
    cdim reproduce all --quick
    """  # noqa: D301 - click wants the character
    from cdim.paper import agreement
    from cdim.paper import results as book
    from cdim.paper.plan import quick_row, read_plan

    plan, rows = read_plan(listed), book.read(file)
    runs, found = RUNS, agreement.read(file.with_name("agreement.json"))
    wanted = [row for each in (plan.tables if table == ALL else [table]) for row in plan.of(each)]
    if names:
        wanted = plan.of(table, names)
    if quick:
        wanted = [quick_row(row) for row in wanted]
        plan, runs, file = plan.quick(), QUICK, QUICK / "results.json"
        rows, found = [row for row in rows if row.source == "published"], []
        QUICK.mkdir(parents=True, exist_ok=True)
    maker = Maker(plan, runs, data, device, few=quick)
    for row in wanted:
        needs = plan.models[row.model].needs
        if needs and not names:
            click.echo(f"left out: {row.row}, which needs {needs}: {row.command}", err=True)
            continue
        for dataset in row.datasets:
            rows = book.merge(rows, _measured(maker, row, dataset))
            book.write(file, rows)
    for each in dict.fromkeys(row.table for row in wanted):
        found = agreement.merge(found, _compared(maker, each, rows))
    agreement.write(file.with_name("agreement.json"), found)
    write_page(file, plan)


def _measured(maker: Maker, row: Row, dataset: str) -> ResultRow:
    from cdim.paper import results as book

    with resumable():
        reports, about = maker.reports(row, dataset)
    return book.pool(
        reports,
        row=row.row,
        table=row.table,
        split="test",
        recipe=maker.plan.models[row.model].recipe or None,
        command=row.command,
        **about,
    )


def _compared(maker: Maker, table: str, rows: list[ResultRow]) -> list[Agreement]:
    """The table's comparisons of rows that have been made, now or before."""
    from cdim.paper import agreement

    made: dict[tuple[str, str, str], tuple[Row, list[Report]]] = {}
    for row in maker.plan.of(table):
        for dataset in row.datasets:
            reports = maker.kept(row, dataset)
            if reports is not None:
                made[row.row, dataset, row.multi_query] = (row, reports)
    found = []
    for pair in (pair for pair in maker.plan.comparisons if pair.table == table):
        for (name, dataset, views), (row, reports) in made.items():
            other = made.get((pair.against, dataset, views))
            if name == pair.row and other is not None:
                sides = reports, other[1]
                found += agreement.between(row, other[0], sides, rows)
    return found
