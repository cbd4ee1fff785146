"""The searches of a run's held-out part: what an export is judged and calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.conditions import labels_of
from cdim.data.manifest import Manifest
from cdim.evaluation import evaluate
from cdim.learn.recipe import Recipe
from cdim.learn.run import load_parts
from cdim.learn.validation import has_cameras, with_roles
from cdim.metrics.calibration_fit import Search
from cdim.metrics.protocol import relevance
from cdim.metrics.ranking import distances


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
    groups: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]

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


def held_out(recipe: Recipe, data: Path | None) -> HeldOut | None:
    """What a recipe holds out of training, or None where there is nothing to search there.

    That is so where it trains on everything, and where the images have neither roles nor cameras.

    Raises:
        DataError: a dataset cannot be opened.
    """
    if not recipe.data.validation:
        return None
    manifest = load_parts(recipe.data, data).validation
    if has_cameras(manifest):
        manifest, protocol = with_roles(manifest), "cross-camera"
        kinds = [np.full(len(manifest), True)]
    else:
        protocol = "instance"
        kinds = [manifest.category == category for category in np.unique(manifest.category)]
    groups = [_sides(manifest, kind) for kind in kinds]
    groups = [(query, gallery) for query, gallery in groups if len(query) and len(gallery)]
    return HeldOut(manifest, protocol, tuple(groups)) if groups else None


def _sides(
    manifest: Manifest, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gallery = np.isin(manifest.role, ("gallery", "junk"))
    return np.flatnonzero(chosen & (manifest.role == "query")), np.flatnonzero(chosen & gallery)
