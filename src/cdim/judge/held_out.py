"""Searches among held-out pairs: of a training, or of folds of the pairs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.data.manifest import GALLERY, NO_CAMERA, QUERY, Manifest
from cdim.errors import DataError, UsageError
from cdim.judge.conditions import choose_protocol, labels_of
from cdim.metrics.calibration.fit import LabelledSearch
from cdim.metrics.distances import distances
from cdim.metrics.lists import ranked_lists
from cdim.metrics.protocol import relevance
from cdim.metrics.ranking import first_ranks, per_query

FOLDS = 5
FEWEST = 4
"""Instances that a head is fitted on, at least: fewer leave nothing to judge it on."""


def paired(manifest: Manifest, most: int | None, seed: int) -> Manifest:
    """Queries and gallery images of the instances that have both.

    Args:
        manifest: the training images.
        most, seed: this many instances only, drawn by the seed; None for all.

    Raises:
        UsageError: too few instances with both, or images that are query and gallery at once.
    """
    alone = int((manifest.role == "both").sum())
    if alone:
        raise UsageError(
            f"{alone} images are query and gallery at once",
            "pairs have a side of queries and a side of gallery images",
            "give each image the role query or gallery",
        )
    manifest = manifest.where(role=("query", "gallery"))
    query, gallery = (set(manifest.where(role=r).instance.tolist()) for r in ("query", "gallery"))
    both = np.array(sorted(query & gallery))
    if len(both) < FEWEST or (most is not None and most < FEWEST):
        raise UsageError(
            f"{len(both) if most is None else min(most, len(both))} instances with a query and a "
            "gallery image",
            f"{FEWEST} or more are needed, some of which are held out in turn",
            "give more pairs, or check the columns instance and role",
        )
    if seed < 0:
        raise UsageError(f"the seed {seed}", "a seed is 0 or more", "give another", argument="seed")
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(both)[:most])
    return manifest.take(np.isin(manifest.instance, kept))


def folds_of(manifest: Manifest, seed: int) -> list[NDArray[np.bool_]]:
    """Masks (n,) of the rows that are held out in turn, by instance."""
    names, numbers = np.unique(manifest.instance, return_inverse=True)
    count = max(2, min(FOLDS, len(names) // FOLDS))
    part = np.random.default_rng((seed, 1)).permutation(len(names)) % count
    return [part[numbers] == number for number in range(count)]


def searched_fold(manifest: Manifest, fold: NDArray[np.bool_]) -> HeldOut:
    """The fold's queries, each among the fold's gallery images of its kind.

    Images that a head was fitted on would be no fair distractors: it treats them unlike others.

    Raises:
        DataError: there is nothing to tell apart.
    """
    sides = manifest.where(role="query"), manifest.where(role="gallery")
    protocol = choose_protocol(None, *sides)
    groups = [(q[fold[q]], g[fold[g]]) for q, g in groups_of(manifest, protocol)]
    groups = [(q, g) for q, g in groups if len(q) and len(set(manifest.instance[g].tolist())) > 1]
    if not groups:
        raise DataError(
            f"a held-out part of {len(set(manifest.instance[fold].tolist()))} instances has no "
            "category with two of them",
            "a query is searched among gallery images of its category, and some must be wrong",
            "give more pairs a category, or leave the column category empty",
        )
    return HeldOut(manifest, protocol, tuple(groups))


Group = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of queries and of the gallery they search."""


@dataclass(frozen=True)
class HeldOut:
    """Queries and gallery that a network has not seen.

    Raises:
        DataError: under "instance" a query without a correct gallery item; under the other
            protocols a group in which no query has one.
    """

    manifest: Manifest  # the images
    protocol: str  # who may match whom
    # rows of queries and of the gallery they search in the benchmark's way: those of one category,
    # or all
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        for query, gallery in self.groups:
            choose_protocol(self.protocol, self.manifest.take(query), self.manifest.take(gallery))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The measured metrics; the first one chooses."""
        people = ("mAP_step", "rank-1")
        return people if self.protocol == "cross-camera" else ("acc@1", "acc@5", "acc@10")

    def measure(self, embeddings: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Each metric's values (q,), query by query; "MRR", the mean reciprocal rank, too.

        As in a `Report`, queries without a correct item are left out.
        """
        names = (*self.metrics, "MRR")
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
        for group in self.groups:
            _, apart, correct, ignored = self._judged(embeddings, group)
            lists = ranked_lists(np.where(ignored, np.float32(np.inf), apart), correct, 1)
            for name in names:
                found[name].append(per_query(name, lists.correct_ranks, lists.correct_counts))
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def reciprocal_ranks(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """The values (q,) of "MRR" alone: quick, to choose by."""
        judged = (self._judged(embeddings, group) for group in self.groups)
        return np.concatenate([1 / first_ranks(*matrices) for _, *matrices in judged])

    def searches(
        self, embeddings: NDArray[np.float32], parts: int = 1
    ) -> list[list[LabelledSearch]]:
        """Every query in the gallery of its group, and in that of all groups together.

        People have both: a shop of shoes alone, and one of everything.

        Args:
            embeddings: (n, d) of the images.
            parts: into how many the searches are divided, so that no two parts search for the
                same instance; empty ones are left out.
        """
        queries, items = (np.concatenate(side) for side in zip(*self.groups, strict=True))
        galleries = [*self.groups, *[(queries, items)] * (len(self.groups) > 1)]
        part = np.unique(self.manifest.instance, return_inverse=True)[1] % parts
        divided: list[list[LabelledSearch]] = [[] for _ in range(parts)]
        for group in galleries:
            for row, d, right, out in zip(*self._judged(embeddings, group), strict=True):
                if not right[~out].all():
                    divided[part[row]].append(LabelledSearch(d[~out], right[~out]))
        return [searches for searches in divided if searches]

    def _judged(
        self, embeddings: NDArray[np.float32], group: Group
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows (q,) of the queries with a correct item; distances, correct and ignored (q, g)."""
        query, gallery = group
        labels = labels_of(self.manifest.take(query), self.manifest.take(gallery))
        correct, ignored = relevance(self.protocol, labels)
        asked = correct.any(axis=1)
        apart = distances(embeddings[query], embeddings[gallery])
        return query[asked], apart[asked], correct[asked], ignored[asked]


def groups_of(manifest: Manifest, protocol: str) -> tuple[Group, ...]:
    """Who searches what in the benchmark's way: across cameras all in all, else by category."""
    query = np.isin(manifest.role, QUERY)
    gallery = np.isin(manifest.role, (*GALLERY, "junk"))
    alike = (
        [np.full(len(manifest), True)]
        if protocol == "cross-camera"
        else [manifest.category == category for category in np.unique(manifest.category)]
    )
    groups = [(np.flatnonzero(kind & query), np.flatnonzero(kind & gallery)) for kind in alike]
    return tuple((left, right) for left, right in groups if len(left) and len(right))


def has_cameras(manifest: Manifest) -> bool:
    """Whether images can be searched across cameras: they are of two or more."""
    return len(set(manifest.camera.tolist()) - {NO_CAMERA}) > 1


def with_roles(manifest: Manifest) -> Manifest:
    """The images with a camera, as queries and gallery.

    Without roles the first image of every instance in every camera becomes a query, the others
    the gallery.
    """
    manifest = manifest.take(manifest.camera != NO_CAMERA)
    if (manifest.role != "").any():
        return manifest
    keys = np.stack([np.unique(manifest.instance, return_inverse=True)[1], manifest.camera])
    _, first = np.unique(keys, axis=1, return_index=True)
    role = np.full(len(manifest), "gallery")
    role[first] = "query"
    return dataclasses.replace(manifest, role=role)
