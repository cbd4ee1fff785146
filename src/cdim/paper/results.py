"""Every reported number in one file: `docs/results.json`, and the page made from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from cdim import strict
from cdim.disk import write_whole
from cdim.errors import DataError, UsageError
from cdim.judge.compare import check_same_queries
from cdim.judge.report import Report
from cdim.metrics.significance import bootstrap
from cdim.paper.agreement import notes, read_agreements
from cdim.paper.plan import Plan, read_plan
from cdim.paper.row import DOCUMENT, METRICS, ResultRow, read_list

TITLES = {
    "3": "sketch to photo",
    "4": "people, Market-1501",
    "5": "people, DukeMTMC-reID",
    "6": "people, CUHK03 with the new split",
    "7": "which layers are fused",
    "8": "which layers are fused, people",
    "9": "how the fused map is pooled",
    "10": "how the fused maps are pooled, people",
    "11": "another backbone",
}


def read_results(path: Path) -> list[ResultRow]:
    """Reads and checks `docs/results.json`.

    Raises:
        DataError: no such file, no JSON list, a wrong row, or the same row twice.
    """
    rows = []
    seen: dict[tuple[object, ...], int] = {}
    for number, given in enumerate(read_list(path)):
        try:
            row = strict.build(ResultRow, given, DOCUMENT)
        except DataError as error:
            found = f"row {number} of {path}: {error.given}"
            raise DataError(found, error.allowed, error.todo) from None
        if seen.setdefault(row.identity, number) != number:
            raise DataError(
                f"rows {seen[row.identity]} and {number} of {path} are the same row ({row.row!r})",
                "a row is reported once",
                "remove one",
            )
        rows.append(row)
    return rows


def merge_results(rows: Sequence[ResultRow], new: ResultRow) -> list[ResultRow]:
    """The rows with a new one: in place of the row of the same identity, else at the end."""
    named = {row.identity: row for row in rows}
    return list((named | {new.identity: new}).values())


def pool(reports: Sequence[Report], **about: Any) -> ResultRow:
    """One measured row from one report a training seed, all on the same queries.

    Its values are means over seeds, with the interval of a bootstrap over queries of each
    query's mean over seeds.

    Args:
        reports: at least one.
        **about: `row`, `split`, `backbone`, `dim`, `command` and, where they apply, `table`,
            `params`, `fusion`, `recipe`.

    Raises:
        UsageError: reports of different queries, or searched in different ways.
        DataError: no reports, the same seed twice, or keys that a row does not have.
    """
    if not reports:
        raise DataError("no reports", "a row needs at least one", "evaluate first")
    check_same_queries(reports)
    one = reports[0]
    if any(report.conditions != one.conditions for report in reports):
        raise UsageError(
            " and ".join(sorted({report.conditions for report in reports})),
            "one row is about one way to search",
            "make a row of each",
        )
    metrics = {
        name: asdict(bootstrap([r.per_query(name) for r in reports]))
        for name in METRICS
        if name in one.metrics
    }
    seeds = [report.seed for report in reports if report.seed is not None]
    if 0 < len(seeds) < len(reports):
        raise DataError(
            f"{len(reports) - len(seeds)} reports without a seed",
            "all or none of the pooled reports name their seed",
            "evaluate again with the seed",
        )
    same = ("dataset", "protocol", "multi_query", "rerank", "queries", "gallery")
    row = {
        **dict.fromkeys(field.name for field in fields(ResultRow)),
        **{key: getattr(one, key) for key in same},
        "metrics": metrics,
        "seed": seeds[0] if len(seeds) == 1 else None,
        "seeds": seeds,
        "source": "measured",
        **about,
    }
    return strict.build(ResultRow, row, DOCUMENT)


def write_page(file: Path, plan: Plan | None = None) -> Path:
    """Writes the page of a file of results beside it, and returns its path.

    `agreement.json` beside the file is read too, if there is one, and so is `reproduce.toml`,
    where no list of rows, `plan`, is given.

    Raises:
        CdimError: one of the files is wrong, or the page cannot be written.
    """
    rows, listed, lines = read_results(file), file.with_name("reproduce.toml"), None
    if plan is None and listed.is_file():
        plan = read_plan(listed)
    if plan is not None:
        lines = notes(rows, plan, read_agreements(file.with_name("agreement.json")))
    page = file.with_suffix(".md")
    write_whole(page, render(rows, lines).encode())
    return page


def render(rows: Sequence[ResultRow], notes: Mapping[str, Sequence[str]] | None = None) -> str:
    """`docs/results.md`: the rows by table and dataset, published beside measured.

    Args:
        rows: what `read_results` returns; shares are written in percent.
        notes: by table, lines of Markdown below its heading, such as `cdim.paper.agreement` writes.
    """
    lines = [
        "# Results",
        "",
        "Made from `results.json` by `cdim results`; change that file, not this one.",
        "",
        "All numbers are percent. *Paper* is what was published, *cdim* what was measured here:",
        "the mean over the training seeds, with the 95 % interval of a bootstrap over the test",
        "queries (10,000 resamples of each query's mean over seeds). A dash: not reported.",
        "*mAP* alone: published without saying which convention (`docs/judging.md`).",
    ]
    for table in sorted({row.table for row in rows}, key=_place):
        title = TITLES.get(table or "", "")
        heading = "Beyond the paper's tables" if table is None else f"Table {table}"
        lines += ["", f"## {heading}{': ' + title if title else ''}"]
        if notes and notes.get(table or ""):
            lines += ["", *notes[table or ""]]
        mine = [row for row in rows if row.table == table]
        for key in dict.fromkeys((row.dataset, row.split, row.protocol) for row in mine):
            group = [row for row in mine if (row.dataset, row.split, row.protocol) == key]
            lines += ["", *_section(group)]
    return "\n".join(lines) + "\n"


def _place(table: str | None) -> tuple[bool, int, str]:
    return table is None, int(table) if table and table.isdecimal() else 10**6, table or ""


def _section(group: Sequence[ResultRow]) -> list[str]:
    """One dataset of one table: a heading, a Markdown table, the commands."""
    one = group[0]
    columns = [
        (metric, source)
        for metric in METRICS
        for source in ("published", "measured")
        if any(row.source == source and metric in row.metrics for row in group)
    ]
    words = {"published": "paper", "measured": "cdim"}
    head = ["row", *(f"{metric} {words[source]}" for metric, source in columns)]
    head += ["backbone", "fused taps", "dim", "parameters", "seeds"]
    sizes = sorted({(row.queries, row.gallery) for row in group if row.queries and row.gallery})
    counts = "; ".join(f"{q} queries, {g} gallery items" for q, g in sizes)
    lines = [
        f"### {one.dataset}",
        "",
        f"Split {one.split}, protocol {one.protocol}{'; ' + counts if counts else ''}.",
        "",
        _line(head),
        _line(["---", *["---:"] * len(columns), "---", "---", *["---:"] * 2, "---"]),
    ]
    for paper, ours in _side_by_side(group):
        about = ours or paper
        if about is None:
            continue
        cells = [_cell(paper if source == "published" else ours, m) for m, source in columns]
        fusion = "–" if about.fusion is None else ", ".join(about.fusion) or "none (vanilla)"
        cells += [about.backbone or "–", fusion]
        cells += ["–" if size is None else f"{size:,}" for size in (about.dim, about.params)]
        lines.append(_line([_label(about), *cells, ", ".join(map(str, about.seeds)) or "–"]))
    commands = [f"- {_label(row)}: `{row.command}`" for row in group if row.command]
    return [*lines, *(["", "Commands:", "", *commands] if commands else [])]


def _side_by_side(group: Sequence[ResultRow]) -> list[tuple[ResultRow | None, ResultRow | None]]:
    """Published and measured rows of one name in pairs; further measured ones stand alone."""
    pairs: list[tuple[ResultRow | None, ResultRow | None]] = []
    for label in dict.fromkeys(_label(row) for row in group):
        same = [row for row in group if _label(row) == label]
        papers, ours = ([r for r in same if r.source == s] for s in ("published", "measured"))
        pairs.extend(itertools.zip_longest(papers, ours))
    return pairs


def _label(row: ResultRow) -> str:
    """The row's name and how its search differs from the plain one."""
    pooled = f"multi query ({row.multi_query})" if row.multi_query else None
    return ", ".join(word for word in (row.row, pooled, row.rerank) if word)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(row: ResultRow | None, metric: str) -> str:
    if row is None or metric not in row.metrics:
        return "–"
    value, low, high = (row.metrics[metric][key] for key in ("value", "low", "high"))
    if value is None:
        return "–"
    interval = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.2f}{interval}"
