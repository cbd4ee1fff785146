"""Tables of the paper, from the list of rows to the page: the function behind `cdim reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdim.judge.options import Device
from cdim.paper.agreement import merge_agreements, read_agreements
from cdim.paper.maker import Maker, Told, silent
from cdim.paper.plan import quick_row, read_plan
from cdim.paper.results import merge_results, read_results, write_page
from cdim.paper.row import write_list

RUNS = Path("runs")
ALL = "all"


def reproduce(
    table: str,
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    listed: Path = Path("docs", "reproduce.toml"),
    file: Path = Path("docs", "results.json"),
    data: Path | None = None,
    device: Device = "auto",
    told: Told = silent,
) -> Path:
    """Makes rows of the paper's tables: trains missing models, judges, compares, writes.

    Args:
        table: its number, or "all".
        names: these rows of the table alone; () for all but those with needs of their own.
        quick: two steps, one seed, few images, in a folder of their own: does all of it run?
        listed: the list of rows, see `cdim.paper.plan`.
        file: the rows of results; agreements and the page, which is returned, lie beside it.
        data, device, told: as for `Maker`.

    Raises:
        CdimError: a wrong list or file of results, or what `Maker.row` raises.
    """
    plan, rows = read_plan(listed), read_results(file)
    runs, found = RUNS, read_agreements(file.with_name("agreement.json"))
    tables = plan.tables if table == ALL and not names else [table]
    wanted = [row for each in tables for row in plan.of(each, names)]
    if quick:
        wanted = [quick_row(row) for row in wanted]
        plan, runs, file = plan.quick(), RUNS / "quick", RUNS / "quick" / "results.json"
        rows, found = [row for row in rows if row.source == "published"], []
        runs.mkdir(parents=True, exist_ok=True)
    maker = Maker(plan, runs, data, device, quick, told)
    for row in wanted:
        needs = plan.models[row.model].needs
        if needs and not names:
            told(f"left out: {row.row}, which needs {needs}: {row.command}")
            continue
        for dataset in row.datasets:
            rows = merge_results(rows, maker.row(row, dataset))
            write_list(file, rows)
    for each in dict.fromkeys(row.table for row in wanted):
        found = merge_agreements(found, maker.agreements(each, rows))
    write_list(file.with_name("agreement.json"), found)
    return write_page(file, plan)
