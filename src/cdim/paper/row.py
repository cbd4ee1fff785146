"""One row of `docs/results.json`: its keys, and what they may hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cdim import strict
from cdim.disk import write_whole
from cdim.errors import DataError, nearest

METRICS = (
    *("acc@1", "acc@5", "acc@10"),
    *("rank-1", "rank-5", "rank-10", "rank-20"),
    *("mAP", "mAP_step", "mAP_trapezoid", "mINP"),
)
_UNSTATED = "mAP"
"""Average precision of a convention nobody stated: of published rows only."""
_ESTIMATE = {"value", "low", "high"}
_FROM_ONE = ("queries", "gallery", "params", "dim")
_MEASURED_NEEDS = ("queries", "gallery", "backbone", "dim", "command")
DOCUMENT = strict.Document("row of results", DataError)


@dataclass(frozen=True)
class ResultRow:
    """One row: one model on one test set."""

    dataset: str  # as `cdim eval` calls it
    protocol: str  # a name of `cdim.metrics.protocol.PROTOCOLS`
    # value, low and high by metric; shares, 0 to 1; low and high are None where nobody published
    # them. Values are means over seeds.
    metrics: Mapping[str, Mapping[str, float | None]]
    # their numbers
    queries: int | None
    gallery: int | None
    seed: int | None  # the training seed where there is exactly one, else None
    table: str | None  # number of the paper's table, or None
    row: str  # its name there, or a name of its own
    source: Literal["measured", "published"]
    split: str  # the split judged on
    # how the views of a query were pooled, such as "average"; None for single query
    multi_query: str | None
    rerank: str | None  # the change at search time, such as "k-reciprocal"; None for nothing
    backbone: str | None  # the network, or None
    params: int | None  # its number of parameters
    dim: int | None  # length of the embedding
    # names of the fused taps, () for vanilla, None where the design is another
    fusion: tuple[str, ...] | None
    recipe: str | None  # the recipe's file
    # training seeds the values are means of; () where unknown or nothing is trained
    seeds: tuple[int, ...]
    command: str | None  # what to type to get the row

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            empty = isinstance(value, str) and not value.strip()
            if empty or (key in _FROM_ONE and value is not None and value < 1):
                raise _wrong(f"{key} = {value!r}", "names are not empty, sizes are from 1")
        for key in ("fusion", "seeds"):
            listed = getattr(self, key) or ()
            if len(set(listed)) < len(listed):
                raise _wrong(f"{key} = {list(listed)}", "each is there once")
        _check_metrics(self.metrics, self.source)
        if self.seed != (self.seeds[0] if len(self.seeds) == 1 else None):
            raise _wrong(
                f"seed {self.seed} and seeds {list(self.seeds)}",
                "seed is the only one of seeds, or null where there are none or several",
            )
        lacking = [key for key in _MEASURED_NEEDS if getattr(self, key) is None]
        if self.source == "measured" and lacking:
            raise _wrong(
                f"a measured row lacks {', '.join(lacking)}", "who measures a row knows these"
            )

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two rows the same row, whatever their numbers."""
        return (
            *(self.source, self.table, self.row, self.dataset, self.split, self.protocol),
            *(self.multi_query, self.rerank, self.backbone, self.fusion, self.recipe),
        )


def _check_metrics(metrics: Mapping[str, Mapping[str, float | None]], source: str) -> None:
    if not metrics:
        raise _wrong("a row without metrics", "a row reports at least one")
    for name, found in metrics.items():
        if name not in METRICS:
            known = ", ".join(METRICS)
            raise DataError(f"the metric {name!r}", f"known are {known}", nearest(name, METRICS))
        if name == _UNSTATED and source != "published":
            allowed = "who measures knows the convention: mAP_step or mAP_trapezoid"
            raise _wrong(f"a measured row with {name!r}", allowed)
        if set(found) != _ESTIMATE:
            allowed = "a metric is an object with exactly value, low and high"
            raise _wrong(f"{name} = {dict(found)}", allowed)
        bounds = [found["low"], found["value"], found["high"]]
        if source == "published" and bounds[0] is None and bounds[2] is None:
            bounds = bounds[1:2]
        numbers = [round(x, 9) for x in bounds if x is not None and 0 <= x <= 1]
        if len(numbers) < len(bounds) or numbers != sorted(numbers):
            raise DataError(
                f"{name} = {dict(found)}",
                "shares are 0 to 1, low <= value <= high; only published rows lack an interval",
                "divide percentages by 100",
            )


def _wrong(given: str, allowed: str) -> DataError:
    return DataError(given, allowed, "correct the row")


def read_list(path: Path) -> list[Mapping[str, Any]]:
    """Reads a JSON list of objects.

    Raises:
        DataError: it is none.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        wrong = "" if isinstance(given, list) else "it is no list"
        wrong = wrong or next((f"{x!r} is no object" for x in given if not isinstance(x, dict)), "")
    except (OSError, ValueError, RecursionError) as error:
        wrong = str(error)
    if wrong:
        raise DataError(f"cannot read {path} ({wrong})", "it is a JSON list of objects", "check it")
    rows: list[Mapping[str, Any]] = given
    return rows


def write_list(path: Path, rows: Iterable[object]) -> None:
    """Writes dataclasses as `read_list` reads them; all or nothing.

    Raises:
        DataError: the file cannot be written.
    """
    plain = [strict.plain(row) for row in rows]
    write_whole(path, (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode())
