"""The rivals of Table 3: features, and a rankSVM on the triplets of one dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data.manifest import Manifest
from cdim.data.triplets import Triplets
from cdim.errors import UsageError
from cdim.learn.networks.embedder import load_run
from cdim.learn.recipes.parts import DataPart
from cdim.learn.rivals import handcrafted, rank_svm
from cdim.learn.rivals.handcrafted import Described, Vectors
from cdim.learn.training.data import load_parts
from cdim.metrics.distances import unit
from cdim.metrics.ranking import first_ranks

FOLDS = 5
COSTS = (0.0001, 0.001, 0.01, 0.1, 1.0)
TRIPLETS = 4000
"""Triplets that are learned from, at most, drawn by the seed."""
_ROLES = ("query", "gallery")
Name = Literal["hog-bow", "dense-hog", "isn"]
Teacher = Literal["people", "pairs"]
"""Whose triplets: the annotated ones, or each sketch's own photo against any other."""


class Features(NamedTuple):
    """How a rival sees images."""

    describe: Callable[[Manifest], Described]  # features of images, without learning
    # from descriptions of training images and a seed, to what makes them vectors (n, d)
    learn: Callable[[Described, int], Callable[[Described], Vectors]]
    backbone: str  # what a row of results calls them


@dataclass(frozen=True, eq=False)
class Rival:
    """Fitted features and distance."""

    features: Features  # how it sees images
    vectors: Callable[[Described], Vectors]  # descriptions to features (n, d)
    weights: Vectors  # (d + 1,) of the distance
    teacher: Teacher  # whose triplets were learned from
    cost: float  # the SVM's C

    @property
    def dim(self) -> int:
        """Length of the features."""
        return len(self.weights) - 1

    def distances(self, query: Manifest, gallery: Manifest) -> NDArray[np.float32]:
        """(q, g): smaller is nearer."""
        left, right = (self.vectors(self.features.describe(side)) for side in (query, gallery))
        return rank_svm.distances(self.weights, left, right)


def fit(
    name: Name, dataset: str, data: Path | None = None, seed: int = 0, run: Path | None = None
) -> Rival:
    """Fits a rival to the train split of a dataset.

    Triplets are people's or made from the pairs, and the SVM has a cost: the two whose searches
    among held-out instances have the best mean reciprocal rank over five folds of train.

    "isn" needs the run of a network that tells drawings apart (`recipes/stage1-quickdraw.toml`).

    Raises:
        UsageError: "isn" without a run, or a train split without pairs.
        DataError: the dataset cannot be opened.
        ModelError: no such run.
    """
    features = _features(name, run)
    whole = load_parts(DataPart((dataset,), 0.0), data)
    described = features.describe(whole.train)
    found: dict[tuple[Teacher, float], list[NDArray[np.float64]]] = {}
    for fold in range(FOLDS):
        held = load_parts(DataPart((dataset,), 1 / FOLDS, fold=fold), data).validation
        out = np.isin(whole.train.instance, held.instance)
        masks = [~out, *(out & (whole.train.role == role) for role in _ROLES)]
        parts = [list(compress(described, mask)) for mask in masks]
        vectors = features.learn(parts[0], seed)
        known, query, gallery = map(vectors, parts)
        names, items = (held.where(role=role).instance for role in _ROLES)
        for teacher, triplets in _taught(whole.train.take(~out), whole.triplets, seed).items():
            for cost in COSTS:
                weights = rank_svm.fit(known[triplets], cost)
                apart = rank_svm.distances(weights, query, gallery)
                ranks = first_ranks(apart, names[:, None] == items)
                found.setdefault((teacher, cost), []).append(1 / ranks)
    teacher, cost = max(found, key=lambda choice: np.concatenate(found[choice]).mean())
    vectors = features.learn(described, seed)
    triplets = _taught(whole.train, whole.triplets, seed)[teacher]
    weights = rank_svm.fit(vectors(described)[triplets], cost)
    return Rival(features, vectors, weights, teacher, cost)


def _features(name: Name, run: Path | None) -> Features:
    if name == "hog-bow":
        return Features(handcrafted.local_hog, handcrafted.words, "HOG, 500 words")
    if name == "dense-hog":
        return Features(handcrafted.dense_hog, lambda _train, _seed: np.stack, "HOG")
    if run is None:
        raise UsageError(
            "the rival 'isn' without a run",
            "its features are those of a network that tells drawings apart",
            "train recipes/stage1-quickdraw.toml and name its run",
        )
    network = load_run(run)
    return Features(
        lambda manifest: list(unit(network.embed(manifest))),
        lambda _train, _seed: np.stack,
        network.recipe.model.backbone,
    )


def _taught(
    train: Manifest, annotated: list[Triplets], seed: int
) -> dict[Teacher, NDArray[np.int64]]:
    """Rows (3, n) of anchors, nearer and farther photos, by whose triplets they are."""
    # Of an instance with several images in a role, the first counts.
    sketch, photo = (
        {str(train.instance[row]): row for row in np.flatnonzero(train.role == role)[::-1]}
        for role in _ROLES
    )
    given: dict[Teacher, list[tuple[int, int, int]]] = {
        "people": [
            (sketch[a], photo[n], photo[f])
            for answers in annotated
            for a, n, f in zip(answers.anchor, answers.nearer, answers.farther, strict=True)
            if a in sketch and n in photo and f in photo
        ],
        "pairs": [
            (sketch[a], photo[a], photo[f]) for a in sketch if a in photo for f in photo if f != a
        ],
    }
    if not given["pairs"]:
        raise UsageError(
            f"{len(sketch)} sketched and {len(photo)} photographed instances to learn from",
            "a rankSVM learns from sketches, their photos, and other photos",
            "name a dataset whose train split has pairs",
        )
    return {
        teacher: np.random.default_rng(seed).permutation(rows)[:TRIPLETS].T
        for teacher, rows in given.items()
        if rows
    }
