"""Two models on the same queries: which is better, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cdim.errors import UsageError
from cdim.judge.report import Report
from cdim.metrics.significance import Paired, paired_test


class Comparison(dict[str, Paired]):
    """Paired tests by metric. Printed, each is a line: the difference, its 95 % interval, p."""

    def __str__(self) -> str:
        return "\n".join(
            f"{name:<18}{t.difference:>+8.3f}  [{t.low:+.3f}, {t.high:+.3f}]  p = {t.p:.3g}"
            for name, t in self.items()
        )


def compare(a: Report | Sequence[Report], b: Report | Sequence[Report]) -> Comparison:
    """Paired tests of model a against model b on the same queries.

    Args:
        a, b: a report each, or one a training seed (their values are averaged per query).

    Returns:
        By metric: the mean of a minus that of b, its interval, and p. The median rank is left
        out: it is not a mean over queries. Triplet accuracy weighs every query alike.

    Raises:
        UsageError: no reports, or reports of different queries.
    """
    left, right = ([x] if isinstance(x, Report) else list(x) for x in (a, b))
    return compare_sets([(left, right)])


def compare_sets(sets: Sequence[tuple[Sequence[Report], Sequence[Report]]]) -> Comparison:
    """Paired tests over several datasets at once; every query weighs alike.

    Args:
        sets: for each dataset the reports of model a, one a training seed, and those of b.

    Returns:
        As `compare`, for the metrics that all datasets have.

    Raises:
        UsageError: no datasets, or as `compare`.
    """
    if not sets:
        raise UsageError("no datasets", "at least one is needed", "name a dataset")
    for left, right in sets:
        if not left or not right:
            raise UsageError("no reports", "each side has at least one", "evaluate both models")
        check_same_queries([*left, *right])
    firsts = [side[0].metrics for pair in sets for side in pair]
    names = [k for k in firsts[0] if k != "median_rank" and all(k in found for found in firsts)]

    def joined(side: int, name: str) -> NDArray[np.float64]:
        parts = [np.mean([r.per_query(name) for r in pair[side]], axis=0) for pair in sets]
        return np.concatenate(parts)

    return Comparison((name, paired_test(joined(0, name), joined(1, name))) for name in names)


def check_same_queries(reports: Sequence[Report]) -> None:
    """Refuses reports that cannot be averaged or compared query by query.

    Raises:
        UsageError: they differ in dataset, protocol, gallery size, queries or triplets.
    """
    one = reports[0]
    for other in reports[1:]:
        same = (
            (one.dataset, one.protocol, one.gallery)
            == (other.dataset, other.protocol, other.gallery)
            and np.array_equal(one.rows, other.rows)
            and np.array_equal(one.instances, other.instances)
            and np.array_equal(one.triplet_counts, other.triplet_counts)
        )
        if not same:
            raise UsageError(
                f"reports on {_searched(one)} and {_searched(other)}",
                "only runs on the same queries, gallery and triplets, under the same protocol, "
                "can be put together",
                "evaluate them on the same set",
            )


def _searched(report: Report) -> str:
    sizes = f"{report.queries} queries, {report.gallery} gallery items"
    return f"{report.dataset} ({sizes}, protocol {report.protocol})"
