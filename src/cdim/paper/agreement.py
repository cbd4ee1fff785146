"""Which differences of the paper hold here: beside ours, paired over the same queries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdim import strict
from cdim.errors import DataError
from cdim.judge.compare import compare
from cdim.judge.report import Report
from cdim.paper.plan import Plan, Row
from cdim.paper.row import ResultRow, read_list

DOCUMENT = strict.Document("list of agreements", DataError)
PAPER = {"acc@1": "acc@1", "mAP_step": "mAP", "rank-1": "rank-1"}
"""Metrics that are compared, and what the paper calls them. Its mAP states no convention."""
Verdict = Literal["holds", "open", "reversed", "unpublished"]
WORDS: dict[Verdict, str] = {
    "holds": "holds here",
    "open": "cannot be told from zero with these queries",
    "reversed": "is reversed here",
    "unpublished": "not in the paper",
}


@dataclass(frozen=True)
class Agreement:
    """One difference between two rows."""

    # the comparison
    table: str
    dataset: str
    metric: str
    # which rows
    row: str
    against: str
    multi_query: str | None  # how views were pooled, None for single query
    # mean of row minus against, shares, with its 95 % interval
    difference: float
    low: float
    high: float
    p: float  # of the paired permutation test
    queries: int  # their number
    # training seeds that each query's values are means over, of either row
    seeds: tuple[int, ...]
    against_seeds: tuple[int, ...]
    published: float | None  # the difference in the paper, None where it has none

    @property
    def verdict(self) -> Verdict:
        """Whether the published difference holds: its interval is without zero, on its side."""
        if self.published is None:
            return "unpublished"
        if self.low <= 0 <= self.high:
            return "open"
        return "holds" if (self.difference > 0) == (self.published > 0) else "reversed"

    @property
    def sentence(self) -> str:
        """In words, points of percent."""
        pooled = ", multi query" if self.multi_query else ""
        d, low, high = (100 * x for x in (self.difference, self.low, self.high))
        paper = "" if self.published is None else f"published {100 * self.published:+.2f}: "
        counts = [len(self.seeds), len(self.against_seeds)]
        times = " against ".join(str(count) for count in dict.fromkeys(counts))
        many = "seed" if max(counts) == 1 else "seeds"
        return (
            f"{self.dataset}{pooled}, {self.metric}: *{self.row}* against *{self.against}* "
            f"{d:+.2f} points [{low:+.1f}, {high:+.1f}], p = {self.p:.2g}, {self.queries} queries, "
            f"{times} {many}; {paper}{WORDS[self.verdict]}."
        )


def between(
    row: Row,
    against: Row,
    reports: tuple[Sequence[Report], Sequence[Report]],
    published: Iterable[ResultRow],
) -> list[Agreement]:
    """The paired differences of two rows on one dataset, beside the paper's.

    The reports are theirs, one a seed; of all rows of results, those that are published count.

    Raises:
        UsageError: reports of different queries.
    """
    found = compare(*reports)
    one = reports[0][0]
    seeds, others = (
        tuple(sorted({r.seed for r in side if r.seed is not None})) for side in reports
    )
    papers = [r for r in published if r.source == "published" and r.table == row.table]
    return [
        Agreement(
            *(row.table, one.dataset, metric, row.row, against.row, one.multi_query),
            *(test.difference, test.low, test.high, test.p),
            *(one.queries, seeds, others),
            _published(papers, row, against, one, PAPER[metric]),
        )
        for metric, test in found.items()
        if metric in PAPER
    ]


def _published(
    papers: Sequence[ResultRow], row: Row, against: Row, report: Report, metric: str
) -> float | None:
    """The paper's difference, where it has both values and the two rows are two there."""
    values = {
        paper.row: paper.metrics.get(metric, {}).get("value")
        for paper in papers
        if (paper.dataset, bool(paper.multi_query)) == (report.dataset, bool(report.multi_query))
    }
    mine, other = values.get(row.published), values.get(against.published)
    if row.published == against.published or mine is None or other is None:
        return None
    return round(mine - other, 6)


def read_agreements(path: Path) -> list[Agreement]:
    """Reads what `write_list` wrote of agreements; none where there is no file.

    Raises:
        DataError: no JSON list, or an entry that cannot be.
    """
    rows = read_list(path) if path.is_file() else []
    return [strict.build(Agreement, one, DOCUMENT) for one in rows]


def merge_agreements(old: Sequence[Agreement], new: Sequence[Agreement]) -> list[Agreement]:
    """The old ones without those that new ones are about, then the new ones, by table."""
    about = {_about(one) for one in new}
    return sorted(
        [*(one for one in old if _about(one) not in about), *new], key=lambda one: int(one.table)
    )


def _about(one: Agreement) -> tuple[object, ...]:
    return (one.table, one.dataset, one.metric, one.row, one.against, one.multi_query)


def notes(
    rows: Sequence[ResultRow], plan: Plan, found: Sequence[Agreement]
) -> Mapping[str, list[str]]:
    """What `cdim.paper.results.render` writes below each table's heading, of all rows."""
    told = {}
    for table in plan.tables:
        mine = [one for one in found if one.table == table]
        parts = []  # a list in Markdown begins after an empty line
        if mine:
            parts += [[_summary(mine)], [f"- {one.sentence}" for one in mine]]
        if levels := _levels([row for row in rows if row.table == table]):
            parts.append([levels])
        if waiting := _waiting(table, rows, plan):
            parts += [["Not measured yet:"], waiting]
        for one in plan.left_out:
            if one.table == table:
                parts.append([f"Published only: {', '.join(one.rows)} ({one.why})."])
        told[table] = [line for part in parts for line in ("", *part)][1:]
    return told


def _summary(mine: Sequence[Agreement]) -> str:
    """The plain sentence of a table."""
    counts = {verdict: sum(one.verdict == verdict for one in mine) for verdict in WORDS}
    published = len(mine) - counts["unpublished"]
    return (
        f"**What agrees.** Of {published} differences that the paper has as well, "
        f"{counts['holds']} hold here, {counts['open']} cannot be told from zero with these "
        f"queries, and {counts['reversed']} are reversed. (It holds if the 95 % interval of the "
        "paired difference leaves zero out, on the paper's side.)"
    )


def _levels(rows: Sequence[ResultRow]) -> str:
    """Whether published values lie within the intervals of rows of the same name."""
    sides: dict[str, list[str]] = {"within": [], "above": [], "below": []}
    for paper, ours in itertools.product(rows, rows):
        one, other = ((r.row, r.dataset, r.rerank, bool(r.multi_query)) for r in (paper, ours))
        if one != other or (paper.source, ours.source) != ("published", "measured"):
            continue
        for metric, name in PAPER.items():
            value = paper.metrics.get(name, {}).get("value")
            low, high = (ours.metrics.get(metric, {}).get(bound) for bound in ("low", "high"))
            if value is not None and low is not None and high is not None:
                side = "below" if value < low else "above" if value > high else "within"
                sides[side].append(f"{ours.row} ({ours.dataset}, {metric})")
    if not any(sides.values()):
        return ""
    words = [f"{side} it for {', '.join(names)}" for side, names in sides.items() if names]
    return f"Against the measured 95 % interval, the published value lies {'; '.join(words)}."


def _waiting(table: str, rows: Sequence[ResultRow], plan: Plan) -> list[str]:
    """Rows of the plan that have no measured row, with the command that makes them."""
    measured = {
        (row.row, row.dataset, row.multi_query)
        for row in rows
        if row.source == "measured" and row.table == table
    }
    lines = []
    for row in plan.of(table):
        if not all((row.row, name, row.multi_query or None) in measured for name in row.datasets):
            needs = plan.models[row.model].needs
            lines.append(f"- {row.row}{f' (needs {needs})' if needs else ''}: `{row.command}`")
    return list(dict.fromkeys(lines))
