"""Embeddings x manifests x protocol to a `Report`: numbers, intervals and who was found where."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.data.manifest import Manifest
from cdim.errors import DataError, UsageError, nearest
from cdim.metrics.lists import confidence, ranked
from cdim.metrics.ranking import distances, ranks
from cdim.metrics.significance import (
    LEVEL,
    RESAMPLES,
    Estimate,
    Paired,
    bootstrap,
    bootstrap_ratio,
    paired_test,
)
from cdim.metrics.triplets import triplets_by_query

if TYPE_CHECKING:
    from cdim.data.triplets import Triplets

PROTOCOLS = ("instance",)
TOP = 20
_ARRAYS = (
    "instances",
    "ranks",
    "order",
    "distances",
    "first",
    "first_distance",
    "confidence",
    "triplet_hits",
    "triplet_counts",
)


@dataclass(frozen=True, eq=False)
class Report:
    """What one model did on one test set.

    Args:
        dataset: its name.
        protocol: who may match whom; "instance": every gallery item may match, and those of the
            query's instance are correct.
        metrics: "acc@1", "acc@5", "acc@10" (0 to 1), "median_rank", "mean_rank" (from 1) and,
            where there are human triplets, "triplet_accuracy" (0 to 1); intervals cover 95 %
            of 10,000 bootstrap resamples of the queries.
        gallery: number of gallery items.
        seed: the seed the model was trained with, if any.
        instances: (q,) names of the queries' instances.
        ranks: (q,) rank of the first correct item, ties counted against it.
        order: (q, top) gallery rows, nearest first, correct items last among equals.
        distances: (q, top) their distances.
        first: (q,) gallery row of the first correct item, which may lie beyond `order`.
        first_distance: (q,) its distance.
        confidence: (q,) 0 to 1: (second - best) / (farthest - best) of the query's distances;
            see `cdim.metrics.lists.confidence`.
        triplet_hits: (q,) human triplets of the query that the distances agree with.
        triplet_counts: (q,) human triplets of the query.
    """

    dataset: str
    protocol: str
    metrics: Mapping[str, Estimate]
    gallery: int
    seed: int | None
    instances: NDArray[np.str_]
    ranks: NDArray[np.int64]
    order: NDArray[np.int64]
    distances: NDArray[np.float32]
    first: NDArray[np.int64]
    first_distance: NDArray[np.float32]
    confidence: NDArray[np.float32]
    triplet_hits: NDArray[np.int64]
    triplet_counts: NDArray[np.int64]

    @property
    def queries(self) -> int:
        """Number of queries."""
        return len(self.ranks)

    def per_query(self, metric: str) -> NDArray[np.float64]:
        """The values (q,) whose mean is the metric; for triplets, of queries that have some.

        Raises:
            UsageError: a metric that is no mean over queries, or unknown.
        """
        if metric.startswith("acc@") and metric[4:].isdigit():
            return (self.ranks <= int(metric[4:])).astype(np.float64)
        if metric == "mean_rank":
            return self.ranks.astype(np.float64)
        if metric == "triplet_accuracy" and metric in self.metrics:
            asked = self.triplet_counts > 0
            return self.triplet_hits[asked] / self.triplet_counts[asked]
        known = [name for name in self.metrics if name != "median_rank"]
        raise UsageError(
            f"metric {metric!r}",
            f"means over queries are {', '.join(known)}",
            nearest(metric, known),
        )

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values for JSON; shares are 0 to 1."""
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "metrics": {
                name: {"value": m.value, "low": m.low, "high": m.high}
                for name, m in self.metrics.items()
            },
            "queries": self.queries,
            "gallery": self.gallery,
            "seed": self.seed,
            "level": LEVEL,
            "resamples": RESAMPLES,
        }

    def table(self) -> str:
        """The numbers as plain text, shares in percent as papers print them."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        sizes = f"{self.queries} queries, {self.gallery} gallery items"
        lines = [
            f"{self.dataset}: {sizes}, protocol {self.protocol}{seed}",
            f"{'':<18}{'value':>8}  {100 * LEVEL:.0f} % interval",
        ]
        for name, m in self.metrics.items():
            share = not name.endswith("rank")
            value, low, high = (100 * x if share else x for x in (m.value, m.low, m.high))
            label = f"{name} %" if share else name
            lines.append(f"{label:<18}{value:>8.2f}  [{low:.2f}, {high:.2f}]")
        return "\n".join(lines)

    def save(self, stem: str | os.PathLike[str]) -> None:
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
    def load(cls, stem: str | os.PathLike[str]) -> Report:
        """Reads what `save` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            said = json.loads(Path(f"{os.fspath(stem)}.json").read_text(encoding="utf-8"))
            packed = io.BytesIO(Path(f"{os.fspath(stem)}.npz").read_bytes())
            with np.load(packed, allow_pickle=False) as file:
                arrays = {name: file[name] for name in _ARRAYS}
            return cls(
                metrics=_frozen({k: Estimate(**v) for k, v in said["metrics"].items()}),
                **{k: said[k] for k in ("dataset", "protocol", "gallery", "seed")},
                **arrays,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"cannot read the report {os.fspath(stem)} ({error})",
                "a report is a .json and a .npz file written by save()",
                "evaluate again",
            ) from None


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file at once or not at all.

    Raises:
        DataError: the folder is missing, not writable or full.
    """
    if not path.name:
        raise DataError(f"{str(path)!r} names no file", "a file is written", "give a file's name")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(
            f"cannot write {path} ({error})",
            "the folder exists and has room",
            "choose another place or free some space",
        ) from None


def evaluate(
    query: ArrayLike,
    gallery: ArrayLike,
    query_manifest: Manifest,
    gallery_manifest: Manifest,
    *,
    dataset: str,
    protocol: str = "instance",
    triplets: Triplets | None = None,
    seed: int | None = None,
) -> Report:
    """Ranks the gallery for every query by Euclidean distance and counts.

    Args:
        query: (q, d) embeddings.
        gallery: (g, d) embeddings.
        query_manifest: q rows, in the order of the embeddings.
        gallery_manifest: g rows, likewise.
        dataset: name for the report.
        protocol: "instance".
        triplets: human triplets of these queries' instances; with several photos an instance,
            the nearest counts.
        seed: the model's training seed, for the report.

    Raises:
        UsageError: an unknown protocol, or embeddings that do not fit the manifests.
        ModelError: embeddings that are not finite.
        DataError: no queries, a query whose instance the gallery lacks, or triplets that name
            an instance which is not there.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(
            f"protocol {protocol!r}", f"known is {PROTOCOLS[0]}", nearest(protocol, PROTOCOLS)
        )
    if len(query_manifest) == 0:
        raise DataError("no queries", "at least one is needed", "check the split and the roles")
    for name, rows, manifest in (
        ("query", query, query_manifest),
        ("gallery", gallery, gallery_manifest),
    ):
        if len(np.asarray(rows)) != len(manifest):
            raise UsageError(
                f"{len(np.asarray(rows))} {name} embeddings for {len(manifest)} manifest rows",
                "there is one embedding a row",
                "embed the same manifest",
            )
    wanted, offered = query_manifest.instance, gallery_manifest.instance
    matrix = distances(query, gallery)
    found = ranks(matrix, wanted, offered)
    order, first = ranked(matrix, wanted, offered, TOP)
    hits = counts = np.zeros(len(found), dtype=np.int64)
    if triplets is not None:
        hits, counts = triplets_by_query(
            matrix, wanted, offered, triplets.anchor, triplets.nearer, triplets.farther
        )
    return Report(
        dataset=dataset,
        protocol=protocol,
        metrics=_frozen(_estimates(found, hits, counts)),
        gallery=len(offered),
        seed=seed,
        instances=wanted,
        ranks=found,
        order=order,
        distances=np.take_along_axis(matrix, order, axis=1),
        first=first,
        first_distance=matrix[np.arange(len(first)), first],
        confidence=confidence(matrix),
        triplet_hits=hits,
        triplet_counts=counts,
    )


def compare(a: Report | Sequence[Report], b: Report | Sequence[Report]) -> dict[str, Paired]:
    """Paired tests of model a against model b on the same queries.

    Args:
        a: a report, or one a training seed (their values are averaged per query).
        b: likewise.

    Returns:
        By metric: the mean of a minus that of b, its interval, and p. The median rank is left
        out: it is not a mean over queries. Triplet accuracy weighs every query alike.

    Raises:
        UsageError: no reports, or reports of different queries.
    """
    left, right = ([x] if isinstance(x, Report) else list(x) for x in (a, b))
    if not left or not right:
        raise UsageError("no reports", "each side has at least one", "evaluate both models")
    check_same_queries([*left, *right])
    names = [k for k in left[0].metrics if k in right[0].metrics and k != "median_rank"]
    return {
        name: paired_test([r.per_query(name) for r in left], [r.per_query(name) for r in right])
        for name in names
    }


def compare_sets(
    sets: Sequence[tuple[Sequence[Report], Sequence[Report]]],
) -> dict[str, Paired]:
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
    shared = [set(compare(a, b)) for a, b in sets]
    names = [k for k in sets[0][0][0].metrics if all(k in found for found in shared)]

    def joined(side: int, name: str) -> NDArray[np.float64]:
        parts = [np.mean([r.per_query(name) for r in pair[side]], axis=0) for pair in sets]
        return np.concatenate(parts)

    return {name: paired_test(joined(0, name), joined(1, name)) for name in names}


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
            and np.array_equal(one.instances, other.instances)
            and np.array_equal(one.triplet_counts, other.triplet_counts)
        )
        if not same:
            raise UsageError(
                f"reports on {one.dataset} ({one.queries} queries, {one.gallery} gallery items) "
                f"and {other.dataset} ({other.queries} queries, {other.gallery} gallery items)",
                "only runs on the same queries, gallery and triplets can be put together",
                "evaluate them on the same set",
            )


def _frozen(metrics: dict[str, Estimate]) -> Mapping[str, Estimate]:
    return MappingProxyType(metrics)


def _estimates(
    ranks: NDArray[np.int64], hits: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[str, Estimate]:
    found = {f"acc@{k}": bootstrap(ranks <= k) for k in (1, 5, 10)}
    found["median_rank"] = bootstrap(ranks, np.median)
    found["mean_rank"] = bootstrap(ranks)
    asked = counts > 0
    if asked.any():
        found["triplet_accuracy"] = bootstrap_ratio(hits[asked], counts[asked])
    return found
