"""What is known of a bundle: held-out searches and test splits, as rows of its record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim import bundle as bundles
from cdim import encoder, model_card
from cdim.bundle import Bundle, Measured
from cdim.conditions import choose_protocol, labels_of
from cdim.data.catalogue import open_dataset
from cdim.data.manifest import Manifest
from cdim.errors import UsageError
from cdim.evaluation import evaluate
from cdim.metrics import calibration_fit
from cdim.metrics.calibration_fit import Search
from cdim.metrics.cross_fit import cross_fit
from cdim.metrics.protocol import relevance
from cdim.metrics.ranking import distances
from cdim.metrics.significance import bootstrap

Group = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of queries and of the gallery they search."""


@dataclass(frozen=True)
class HeldOut:
    """Queries and gallery that a network has not seen.

    Args:
        manifest: the images.
        protocol: who may match whom.
        groups: rows of queries and of the gallery they search in the benchmark's way: those of
            one category, or all.
    """

    manifest: Manifest
    protocol: str
    groups: tuple[Group, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured, the first of them to choose by."""
        people = ("mAP_step", "rank-1")
        return people if self.protocol == "cross-camera" else ("acc@1", "acc@5", "acc@10")

    def measure(self, embeddings: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Each metric's values (q,), query by query; "MRR", the mean reciprocal rank, too."""
        found: dict[str, list[NDArray[np.float64]]] = {}
        for query, gallery in self.groups:
            report = evaluate(
                embeddings[query],
                embeddings[gallery],
                self.manifest.take(query),
                self.manifest.take(gallery),
                dataset="validation",
                protocol=self.protocol,
            )
            for name in self.metrics:
                found.setdefault(name, []).append(report.per_query(name))
            found.setdefault("MRR", []).append(1 / report.ranks)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def reciprocal_ranks(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 / rank of each query's first right hit, (q,): quick, to choose by."""
        found = [
            1 / (1 + np.count_nonzero(search.distances < search.distances[search.correct].min()))
            for query, gallery in self.groups
            for _, search in self._search(embeddings, query, gallery)
        ]
        return np.array(found)

    def searches(self, embeddings: NDArray[np.float32], parts: int = 1) -> list[list[Search]]:
        """Every query in the gallery of its group, and in that of all groups together.

        People have both: a shop of shoes alone, and one of everything.

        Args:
            embeddings: (n, d) of the images.
            parts: into how many the searches are divided, so that no two parts search for the
                same instance; empty ones are left out.
        """
        everything = tuple(np.concatenate(side) for side in zip(*self.groups, strict=True))
        galleries = [*self.groups, everything] if len(self.groups) > 1 else self.groups
        part = np.unique(self.manifest.instance, return_inverse=True)[1] % parts
        divided: list[list[Search]] = [[] for _ in range(parts)]
        for query, gallery in galleries:
            for row, search in self._search(embeddings, query, gallery):
                divided[part[row]].append(search)
        return [searches for searches in divided if searches]

    def _search(
        self,
        embeddings: NDArray[np.float32],
        query: NDArray[np.int64],
        gallery: NDArray[np.int64],
    ) -> Iterator[tuple[int, Search]]:
        """The searches that can find something right and something wrong, with their rows."""
        labels = labels_of(self.manifest.take(query), self.manifest.take(gallery))
        correct, ignored = relevance(self.protocol, labels)
        apart = distances(embeddings[query], embeddings[gallery])
        for row, d, right, out in zip(query, apart, correct, ignored, strict=True):
            if right.any() and not right[~out].all():
                yield int(row), Search(d[~out], right[~out])


def groups_of(manifest: Manifest, protocol: str) -> tuple[Group, ...]:
    """Who searches what in the benchmark's way: across cameras all in all, else by category."""
    query = manifest.role == "query"
    gallery = np.isin(manifest.role, ("gallery", "junk"))
    alike = (
        [np.full(len(manifest), True)]
        if protocol == "cross-camera"
        else [manifest.category == category for category in np.unique(manifest.category)]
    )
    groups = [(np.flatnonzero(kind & query), np.flatnonzero(kind & gallery)) for kind in alike]
    return tuple((left, right) for left, right in groups if len(left) and len(right))


def measured(dataset: str, metric: str, values: NDArray[np.float64], note: str = "") -> Measured:
    """The mean of values (q,), query by query, with its interval, as a row of the record."""
    e = bootstrap(values)
    return Measured(dataset, metric, e.value, e.low, e.high, len(values), note)


def sides(name: str, data: Path | None) -> tuple[Manifest, Manifest]:
    """Queries and gallery of a dataset's test split.

    Raises:
        UsageError: it lacks one of them.
    """
    split = open_dataset(name, data).manifest.where(split="test")
    query, gallery = split.where(role="query"), split.where(role=("gallery", "junk"))
    if not len(query) or not len(gallery):
        raise UsageError(
            f"--test {name}: {len(query)} queries and {len(gallery)} gallery images",
            "its test split has both",
            "name another dataset",
        )
    return query, gallery


def on_tests(made: Bundle, tests: Sequence[str], data: Path | None) -> list[Measured]:
    """The test splits of some datasets, searched with a finished bundle.

    Raises:
        UsageError: a dataset without queries or gallery in its test split.
        DataError: one that cannot be opened.
    """
    rows = []
    for name in tests:
        query, gallery = sides(name, data)
        protocol = choose_protocol(None, query, gallery)
        running = encoder.load(made, "onnxruntime")
        report = evaluate(
            running.embed(query),
            running.embed(gallery),
            query,
            gallery,
            dataset=name,
            protocol=protocol,
        )
        wanted = ("acc@1", "acc@10") if protocol == "instance" else ("rank-1", "mAP_step")
        for metric in wanted:
            e = report.metrics[metric]
            rows.append(Measured(f"{name} test", metric, e.value, e.low, e.high, report.queries))
    return rows


def finish(made: Bundle, searches: Sequence[Sequence[Search]], folder: Path) -> Bundle:
    """Calibrates a bundle, writes its card and moves it to its place.

    Args:
        made: the bundle, in a folder of its own for now.
        searches: held-out ones in two parts or more; with fewer it gets no probabilities.
        folder: where it goes; new or empty.
    """
    reliability = None
    if len(searches) > 1:
        reliability = cross_fit(searches)
        fitted = calibration_fit.fit([search for part in searches for search in part])
        made = replace(made, calibration=fitted)
    made = bundles.save(made, made.folder)
    model_card.write(made, made.folder, reliability)
    if folder.exists():
        folder.rmdir()
    shutil.move(made.folder, folder)
    return bundles.load(folder)
