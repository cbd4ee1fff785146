"""A `Report`: the results of one model on one test set, on screen, on disk and query by query."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.data.arrays import read_npz
from cdim.data.files import read_bytes
from cdim.disk import write_whole
from cdim.errors import DataError, UsageError
from cdim.metrics.ranking import per_query
from cdim.metrics.retrieval import CameraPairs
from cdim.metrics.significance import LEVEL, RESAMPLES, Estimate
from cdim.strict import checked

_SAID = ("dataset", "protocol", "multi_query", "rerank", "gallery", "junk", "seed")
_ARRAYS = (
    *("rows", "instances", "ranks", "order", "distances", "first", "first_distance"),
    *("confidence", "triplet_hits", "triplet_counts", "correct_ranks", "correct_counts"),
)
_CAMERAS: tuple[tuple[str, str, type[np.generic]], ...] = (
    *((name, name, np.int64) for name in ("query_cameras", "gallery_cameras", "queries")),
    *(("rank-1", "rank_1", np.float64), ("mAP_step", "map_step", np.float64)),
)
"""The keys of the breakdown by camera in JSON, and the fields they stand for."""
# What reading a damaged report raises.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError)
_NAMED = 5  # left-out queries that the table names; the JSON names all


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The results of one model on one test set.

    Args:
        dataset: its name.
        protocol: who may match whom, see `cdim.metrics.protocol`.
        multi_query: how the views of a query were pooled, None for single query.
        rerank: changes to the distances or the queries at search time, None for none.
        metrics: values and intervals, which cover 95 % of 10,000 bootstrap resamples of the
            queries. Protocol "instance": "acc@1", "acc@5", "acc@10" (0 to 1), "median_rank",
            "mean_rank" (from 1). The others: "rank-1", "rank-5", "rank-10", "rank-20" (CMC),
            "mAP_step", "mAP_trapezoid", "mINP" (0 to 1). Where there are human triplets also
            "triplet_accuracy" (0 to 1).
        gallery: number of gallery items, junk among them.
        junk: number of junk items.
        seed: the seed the model was trained with, if any.
        left_out: queries without a correct item under the protocol, by their image's name; they
            are in no number and no array.
        cameras: the breakdown by camera, None under "instance" and without cameras.
        rows: (q,) rows of the queries in their manifest.
        instances: (q,) names of their instances.
        ranks: (q,) rank of the first correct item, ties counted against it.
        triplet_hits: (q,) human triplets of the query that the distances agree with.
        triplet_counts: (q,) human triplets of the query.
        order: (q, top) gallery rows, nearest first, correct items last among equals; -1 where
            ignored items leave fewer.
        distances: (q, top) their distances; infinite there.
        first, first_distance: (q,) gallery row of the first correct item, which may lie beyond
            `order`, and its distance.
        confidence: (q,) 0 to 1: (second - best) / (farthest - best) of the query's distances.
        correct_ranks: (n,) ranks of all correct items, ascending within a query.
        correct_counts: (q,) how many of them each query has.
    """

    dataset: str
    protocol: str
    multi_query: str | None
    rerank: str | None
    metrics: Mapping[str, Estimate]
    gallery: int
    junk: int
    seed: int | None
    left_out: tuple[str, ...]
    cameras: CameraPairs | None
    rows: NDArray[np.int64]
    instances: NDArray[np.str_]
    ranks: NDArray[np.int64]
    order: NDArray[np.int64]
    distances: NDArray[np.float32]
    first: NDArray[np.int64]
    first_distance: NDArray[np.float32]
    confidence: NDArray[np.float32]
    triplet_hits: NDArray[np.int64]
    triplet_counts: NDArray[np.int64]
    correct_ranks: NDArray[np.int64]
    correct_counts: NDArray[np.int64]

    @property
    def queries(self) -> int:
        """Number of queries that count."""
        return len(self.ranks)

    @property
    def conditions(self) -> str:
        """The protocol and the other conditions, in words."""
        words = [f"protocol {self.protocol}"]
        if self.multi_query is not None:
            words.append(f"multi query ({self.multi_query})")
        elif self.protocol != "instance":
            words.append("single query")
        if self.rerank is not None:
            words.append(self.rerank)
        return ", ".join(words)

    def per_query(self, metric: str) -> NDArray[np.float64]:
        """The values (q,) whose mean is the metric; for triplets, of queries that have some.

        Raises:
            UsageError: a metric that is no mean over queries, or that this report lacks.
        """
        if metric != "triplet_accuracy" or metric not in self.metrics:
            return per_query(metric, self.correct_ranks, self.correct_counts)
        asked = self.triplet_counts > 0
        return self.triplet_hits[asked] / self.triplet_counts[asked]

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values for JSON; shares are 0 to 1."""
        return {
            **{name: getattr(self, name) for name in _SAID},
            "metrics": {
                name: {"value": m.value, "low": m.low, "high": m.high}
                for name, m in self.metrics.items()
            },
            "queries": self.queries,
            "left_out": list(self.left_out),
            "cameras": None if self.cameras is None else _plain(self.cameras),
            "level": LEVEL,
            "resamples": RESAMPLES,
        }

    def __repr__(self) -> str:
        name, found = next(iter(self.metrics.items()))
        sizes = f"{self.queries} queries, {self.gallery} gallery items"
        return f"<Report {self.dataset!r}: {sizes}, {name} {found.value:.4f}>"

    def __str__(self) -> str:
        """The numbers as plain text, shares in percent as papers print them."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        junk = f" ({self.junk} junk)" if self.junk else ""
        out = f" ({len(self.left_out)} more left out)" if self.left_out else ""
        sizes = f"{self.queries} queries{out}, {self.gallery} gallery items{junk}"
        lines = [f"{self.dataset}: {sizes}, {self.conditions}{seed}"]
        if self.left_out:
            named = ", ".join(self.left_out[:_NAMED])
            more = len(self.left_out) - _NAMED
            lines.append(
                f"left out, for no gallery item is correct for them under this protocol: "
                f"{named}{f' and {more} more' if more > 0 else ''}"
            )
        lines.append(f"{'':<18}{'value':>8}  {100 * LEVEL:.0f} % interval")
        for name, m in self.metrics.items():
            share = not name.endswith("rank")
            value, low, high = (100 * x if share else x for x in (m.value, m.low, m.high))
            label = f"{name} %" if share else name
            lines.append(f"{label:<18}{value:>8.2f}  [{low:.2f}, {high:.2f}]")
        return "\n".join(lines)

    def camera_table(self) -> str:
        """rank-1 and mAP_step, in percent, by camera of the query (down) and gallery (across).

        Raises:
            UsageError: the report has no breakdown by camera.
        """
        pairs = self.cameras
        if pairs is None:
            raise UsageError(
                f"numbers by camera for {self.dataset}, protocol {self.protocol}",
                "they need cameras, and the protocol cross-camera or any-camera",
                "fill the column camera or choose one of these protocols",
            )
        lines: list[str] = []
        for name, shares in (("rank-1 %", pairs.rank_1), ("mAP_step %", pairs.map_step)):
            heads = "".join(f"{f'in {camera}':>8}" for camera in pairs.gallery_cameras)
            lines.append(f"{name:<18}{heads}")
            for camera, row in zip(pairs.query_cameras, shares, strict=True):
                cells = ("–" if np.isnan(share) else f"{100 * share:.2f}" for share in row)
                lines.append(f"{f'camera {camera}':<18}" + "".join(f"{cell:>8}" for cell in cells))
        return "\n".join(lines)

    @checked
    def save(self, stem: str | Path) -> None:
        """Writes `<stem>.json` (the numbers) and `<stem>.npz` (what `compare` and pages need).

        Raises:
            DataError: the folder cannot be written.
        """
        arrays = io.BytesIO()
        np.savez_compressed(arrays, **{name: getattr(self, name) for name in _ARRAYS})
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        for suffix, content in ((".npz", arrays.getvalue()), (".json", text.encode())):
            write_whole(Path(f"{os.fspath(stem)}{suffix}"), content)

    @classmethod
    @checked
    def load(cls, stem: str | Path) -> Report:
        """Reads what `save` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            said = json.loads(read_bytes(Path(f"{os.fspath(stem)}.json")))
            found = read_npz(f"{os.fspath(stem)}.npz", f"{os.fspath(stem)}.npz")
            arrays: dict[str, Any] = {name: found[name] for name in _ARRAYS}
            return cls(
                metrics=MappingProxyType({k: Estimate(**v) for k, v in said["metrics"].items()}),
                left_out=tuple(said["left_out"]),
                cameras=None if said["cameras"] is None else _pairs(said["cameras"]),
                **{name: said[name] for name in _SAID},
                **arrays,
            )
        except (*_DAMAGE, DataError) as error:
            raise DataError(
                f"cannot read the report {os.fspath(stem)} ({error})",
                "a report is a .json and a .npz file written by save()",
                "evaluate again",
            ) from None


def _plain(pairs: CameraPairs) -> dict[str, Any]:
    """Lists for JSON; null where there are no queries."""
    columns = ((key, getattr(pairs, name)) for key, name, _ in _CAMERAS)
    return {
        key: np.where(np.isnan(column), np.array(None), column).tolist() for key, column in columns
    }


def _pairs(plain: Mapping[str, Any]) -> CameraPairs:
    """What `_plain` was given; null becomes NaN."""
    return CameraPairs(**{name: np.array(plain[key], kind) for key, name, kind in _CAMERAS})
