"""One row of `docs/results.json`: its keys, and what they may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cdim.errors import DataError, nearest

METRICS = (
    *("acc@1", "acc@5", "acc@10"),
    *("rank-1", "rank-5", "rank-10", "rank-20"),
    *("mAP", "mAP_step", "mAP_trapezoid", "mINP"),
)
_UNSTATED = "mAP"
"""Average precision of a convention nobody stated: of published rows only."""
SOURCES = ("measured", "published")
_ESTIMATE = {"value", "low", "high"}

# What each key of a row may hold, besides null where the last column says so.
_KINDS: dict[str, tuple[type, str, bool]] = {
    "dataset": (str, "a name", False),
    "protocol": (str, "a name", False),
    "metrics": (dict, "an object of metrics", False),
    "queries": (int, "a whole number from 1", True),
    "gallery": (int, "a whole number from 1", True),
    "seed": (int, "a whole number", True),
    "table": (str, 'a table of the paper, such as "3"', True),
    "row": (str, "the row's name", False),
    "source": (str, "measured or published", False),
    "split": (str, "a name", False),
    "multi_query": (str, "a way to pool the views of a query", True),
    "rerank": (str, "a method", True),
    "backbone": (str, "a name", True),
    "params": (int, "a whole number from 1", True),
    "dim": (int, "a whole number from 1", True),
    "fusion": (list, "a list of taps, [] for vanilla", True),
    "recipe": (str, "a file", True),
    "seeds": (list, "a list of whole numbers", False),
    "command": (str, "a command line", True),
}
_FROM_ONE = ("queries", "gallery", "params", "dim")
_MEASURED_NEEDS = ("queries", "gallery", "backbone", "dim", "command")


@dataclass(frozen=True)
class ResultRow:
    """One row: one model on one test set.

    Args:
        dataset: as `cdim eval` calls it.
        protocol: "instance", "cross-camera" or "any-camera", see `cdim.metrics.protocol`.
        metrics: value, low and high by metric; shares, 0 to 1; low and high are None where
            nobody published them. Values are means over seeds.
        queries, gallery: their numbers.
        seed: the training seed where there is exactly one, else None.
        table: number of the paper's table, or None.
        row: its name there, or a name of its own.
        source: "measured" or "published".
        split: the split judged on.
        multi_query: how the views of a query were pooled, such as "average"; None for single
            query.
        rerank: what was done at search time, such as "k-reciprocal"; None for nothing.
        backbone: the network, or None.
        params: its number of parameters.
        dim: length of the embedding.
        fusion: names of the fused taps, () for vanilla, None where the design is another.
        recipe: the recipe's file.
        seeds: training seeds the values are means of; () where unknown or nothing is trained.
        command: what to type to get the row.
    """

    dataset: str
    protocol: str
    metrics: Mapping[str, Mapping[str, float | None]]
    queries: int | None
    gallery: int | None
    seed: int | None
    table: str | None
    row: str
    source: str
    split: str
    multi_query: str | None
    rerank: str | None
    backbone: str | None
    params: int | None
    dim: int | None
    fusion: tuple[str, ...] | None
    recipe: str | None
    seeds: tuple[int, ...]
    command: str | None

    @classmethod
    def from_json(cls, given: object, where: str = "the row") -> ResultRow:
        """Reads and checks one row.

        Args:
            given: the parsed JSON object.
            where: how error messages call it.

        Raises:
            DataError: a key missing or unknown, or a value that cannot be.
        """
        if not isinstance(given, dict):
            raise DataError(
                f"{where} is no object", "a row is a JSON object", "see docs/results.json"
            )
        for key in given:
            if key not in _KINDS:
                raise DataError(
                    f"{where} has the key {key!r}",
                    "rows have fixed keys",
                    nearest(str(key), _KINDS),
                )
        missing = [key for key in _KINDS if key not in given]
        if missing:
            raise DataError(
                f"{where} lacks {', '.join(missing)}", "a row has every key", "null means unknown"
            )
        for key in _KINDS:
            _check_kind(key, given[key], where)
        _check_metrics(given["metrics"], given["source"], where)
        _check_together(given, where)
        fusion = given["fusion"]
        return cls(
            **{
                **given,
                "fusion": None if fusion is None else tuple(fusion),
                "seeds": tuple(given["seeds"]),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The row as plain values; `from_json` reads them back."""
        plain = asdict(self)
        plain["fusion"] = None if self.fusion is None else list(self.fusion)
        plain["seeds"] = list(self.seeds)
        return plain

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two rows the same row, whatever their numbers."""
        return (
            *(self.source, self.table, self.row, self.dataset, self.split, self.protocol),
            *(self.multi_query, self.rerank, self.backbone, self.fusion, self.recipe),
        )


def _check_kind(key: str, value: object, where: str) -> None:
    kind, words, may_be_null = _KINDS[key]
    if value is None and may_be_null:
        return
    good = isinstance(value, kind) and not isinstance(value, bool)
    if isinstance(value, str):
        good = good and value.strip() != ""
    if key in _FROM_ONE and isinstance(value, int):
        good = good and value >= 1
    if isinstance(value, list):
        inner = str if key == "fusion" else int
        good = good and all(type(x) is inner for x in value) and len(set(value)) == len(value)
    if key == "source":
        good = value in SOURCES
    if not good:
        raise DataError(
            f"{where} has {key} {value!r}",
            f"{key} is {words}" + (" or null" if may_be_null else ""),
            "correct the row",
        )


def _check_metrics(metrics: Mapping[str, object], source: str, where: str) -> None:
    if not metrics:
        raise DataError(f"{where} has no metrics", "a row reports at least one", "add it")
    for name, found in metrics.items():
        if name not in METRICS:
            raise DataError(
                f"{where} has the metric {name!r}",
                f"known are {', '.join(METRICS)}",
                nearest(name, METRICS),
            )
        if name == _UNSTATED and source != "published":
            raise DataError(
                f"{where} is measured and has {name!r}",
                "who measures knows the convention: mAP_step or mAP_trapezoid",
                "name it",
            )
        if not isinstance(found, dict) or set(found) != _ESTIMATE:
            raise DataError(
                f"{where} has {name} {found!r}",
                "a metric is an object with exactly value, low and high",
                "correct the row",
            )
        bounds = [found["low"], found["value"], found["high"]]
        if source == "published" and bounds[0] is None and bounds[2] is None:
            bounds = bounds[1:2]
        numbers = [round(x, 9) for x in bounds if type(x) in (int, float) and 0 <= x <= 1]
        if len(numbers) < len(bounds) or numbers != sorted(numbers):
            raise DataError(
                f"{where} has {name} {found!r}",
                "shares are 0 to 1, low <= value <= high; only published rows lack an interval",
                "divide percentages by 100",
            )


def _check_together(given: Mapping[str, Any], where: str) -> None:
    """Rules between keys."""
    seeds = given["seeds"]
    if given["seed"] != (seeds[0] if len(seeds) == 1 else None):
        raise DataError(
            f"{where} has seed {given['seed']} and seeds {seeds}",
            "seed is the only one of seeds, or null where there are none or several",
            "correct the row",
        )
    lacking = [key for key in _MEASURED_NEEDS if given[key] is None]
    if given["source"] == "measured" and lacking:
        raise DataError(
            f"{where} is measured and lacks {', '.join(lacking)}",
            "who measures a row knows these",
            "fill them in",
        )
