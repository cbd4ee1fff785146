"""What one training step sees: which images, and which of them belong together.

A sampler keeps no state: the loop gives it a generator made from (seed, step), which is why a
resumed run continues exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import psutil
from numpy.typing import NDArray
from tqdm import tqdm

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.data.triplets import Triplets
from cdim.errors import DataError, RecipeError
from cdim.learn.recipes.recipe import Recipe

Index = NDArray[np.intp]
MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Batch:
    """The images of one step."""

    rows: Index  # (n,) rows of the training manifest
    labels: Index  # (n,) target of each image, from 0
    # (n,) whether an image is on the query side; all are where images are compared all with all
    query: NDArray[np.bool_]
    group: Index  # (n,) images of one group are compared as a pair or triplet and flip together
    # (t, 3) positions in the batch: anchor, positive, negative. May be empty.
    triplets: Index = field(default_factory=lambda: np.empty((0, 3), dtype=np.intp))

    @property
    def sides(self) -> tuple[Index, Index]:
        """Positions in the batch of the queries, and of what they are compared with."""
        queries = np.flatnonzero(self.query)
        return queries, queries if self.query.all() else np.flatnonzero(~self.query)


Sampler = Callable[[np.random.Generator], Batch]


class ImageCache:
    """Images of a manifest by row: decoded once when they fit into memory, else for every batch."""

    def __init__(self, manifest: Manifest, preprocess: Preprocess) -> None:
        self.manifest = manifest
        self.preprocess = preprocess
        self.stack: NDArray[np.uint8] | None = None
        size = len(manifest) * preprocess.resize[0] * preprocess.resize[1] * preprocess.channels
        if size <= MEMORY_SHARE * psutil.virtual_memory().available:
            with tqdm(total=len(manifest), desc="images", unit="") as bar:

                def show(done: int, _total: int) -> None:
                    bar.update(done - bar.n)

                self.stack = images.load_stack(manifest, preprocess, show)

    def __getitem__(self, rows: Index) -> NDArray[np.uint8]:
        """Images (n, *resize, channels) of the rows (n,)."""
        if self.stack is not None:
            return self.stack[rows]
        return images.load_stack(self.manifest.take(rows), self.preprocess)


class Targets:
    """The training rows by target: what the samplers draw from.

    An image without a role, or of role "both", stands on both sides: paired with itself, it is
    told apart from others under two random changes (instance discrimination).

    Raises:
        DataError: the target is "category", and images have none.
    """

    def __init__(self, manifest: Manifest, target: str, triplets: list[Triplets]) -> None:
        if target == "category" and np.any(manifest.category == ""):
            raise DataError(
                "images without a category",
                'data.target = "category" needs one for every image',
                'fill the column "category" or use target = "instance"',
            )
        self.target = target
        self.names, labels = np.unique(manifest.column(target), return_inverse=True)
        self.labels: Index = labels.astype(np.intp)
        self.query = manifest.role == "query"
        self.category: Index = np.unique(manifest.category, return_inverse=True)[1]
        alone = np.isin(manifest.role, ("", "both"))
        self.query_rows = self._by_label(self.query | alone)
        self.gallery_rows = self._by_label((manifest.role == "gallery") | alone)
        sides = zip(self.query_rows, self.gallery_rows, strict=True)
        self.paired: Index = np.flatnonzero([min(len(q), len(g)) for q, g in sides])
        self.label_category = np.zeros(len(self.names), dtype=np.intp)
        self.label_category[self.labels] = self.category
        if target == "instance":  # alone in its category, an instance has no negatives
            paired = self.label_category[self.paired]
            self.paired = self.paired[np.bincount(paired)[paired] > 1]
        self.triplets: Index = np.empty((0, 3), dtype=np.intp)
        """(t, 3) labels: human triplets whose three instances are all trained on."""
        if target == "instance" and triplets:
            values = np.concatenate(
                [np.stack([t.anchor, t.nearer, t.farther], 1) for t in triplets]
            )
            place = np.minimum(np.searchsorted(self.names, values), len(self.names) - 1)
            self.triplets = place[(self.names[place] == values).all(1)].astype(np.intp)

    def _by_label(self, mask: NDArray[np.bool_]) -> list[Index]:
        rows = np.flatnonzero(mask)
        order = rows[np.argsort(self.labels[rows], kind="stable")]
        ends = np.cumsum(np.bincount(self.labels[rows], minlength=len(self.names)))
        return np.split(order, ends[:-1])

    def several(self) -> list[Index]:
        """The rows of each label that has two images or more, whatever their role."""
        rows = self._by_label(np.ones(len(self.labels), dtype=np.bool_))
        return [own for own in rows if len(own) > 1]

    def others(self, label: int | np.intp) -> Index:
        """The labels whose photos are negatives for `label`.

        Instances compete within their category, as in a catalogue; categories with each other.
        """
        rivals: Index = self.paired[self.paired != label]
        if self.target == "instance":
            rivals = rivals[self.label_category[rivals] == self.label_category[label]]
        return rivals


def make_sampler(recipe: Recipe, targets: Targets) -> Sampler:
    """The sampler a recipe's loss needs.

    Raises:
        RecipeError: the recipe wants annotated triplets and the data has none.
        DataError: nothing to pair.
    """
    size, loss, each = recipe.loop.batch, recipe.loss, recipe.loop.images_per_label
    if each:
        rows = targets.several()
        if len(rows) < 2:
            raise DataError(
                f"{len(rows)} {targets.target} labels with two images or more",
                "P x K batches need at least 2",
                "check the dataset, or set loop.images_per_label = 0",
            )
        return lambda rng: _p_by_k(targets, rows, size // each, each, rng)
    if loss.kind == "cross-entropy":
        return lambda rng: _images(targets, size, rng)
    if len(targets.paired) < 2:
        raise DataError(
            f"{len(targets.paired)} {targets.target} labels with both a query and a gallery image",
            "a loss over pairs needs at least 2",
            "check the dataset",
        )
    if loss.kind == "triplet" and loss.negatives in ("annotated", "random"):
        share = loss.hard_share if loss.negatives == "annotated" else 0.0
        if share and not len(targets.triplets):
            raise RecipeError(
                'loss.negatives = "annotated" and no human triplets in the data',
                'shoes and chairs of QMUL have them, for target = "instance"',
                'use negatives = "random", "in-batch" or "batch-hard"',
            )
        return lambda rng: _triplets(targets, size, share, rng)
    return lambda rng: _pairs(targets, size, rng)


def _images(targets: Targets, size: int, rng: np.random.Generator) -> Batch:
    rows = rng.choice(len(targets.labels), min(size, len(targets.labels)), replace=False)
    return Batch(rows, targets.labels[rows], targets.query[rows], np.arange(len(rows)))


def _p_by_k(
    targets: Targets, rows: list[Index], labels: int, each: int, rng: np.random.Generator
) -> Batch:
    """`each` images of each of `labels` labels; a label with fewer gives some twice."""
    chosen = rng.choice(len(rows), min(labels, len(rows)), replace=False)
    drawn = np.concatenate([rng.choice(rows[k], each, replace=len(rows[k]) < each) for k in chosen])
    n = len(drawn)
    return Batch(drawn, targets.labels[drawn], np.ones(n, dtype=np.bool_), np.arange(n))


def _pairs(targets: Targets, size: int, rng: np.random.Generator) -> Batch:
    """One query and one gallery image of each of `size` labels, all of one category."""
    labels = targets.paired
    if targets.target == "instance":
        first = int(rng.choice(labels))
        labels = labels[targets.label_category[labels] == targets.label_category[first]]
    chosen = rng.permutation(labels)[:size]
    queries = [rng.choice(targets.query_rows[k]) for k in chosen]
    gallery = [rng.choice(targets.gallery_rows[k]) for k in chosen]
    n = len(chosen)
    return Batch(
        rows=np.array([*queries, *gallery]),
        labels=np.tile(chosen, 2),
        query=np.repeat([True, False], n),
        group=np.tile(np.arange(n), 2),
    )


def _triplets(targets: Targets, size: int, share: float, rng: np.random.Generator) -> Batch:
    """`size` triplets: a share annotated, the rest the true match and a random other."""
    annotated = round(size * share)
    picked = rng.integers(max(len(targets.triplets), 1), size=annotated)
    drawn = [
        (k, k, rng.choice(targets.others(k))) for k in rng.choice(targets.paired, size - annotated)
    ]
    labels = np.array([*targets.triplets[picked], *drawn], dtype=np.intp)
    sides = targets.query_rows, targets.gallery_rows, targets.gallery_rows
    rows = [
        [rng.choice(side[label]) for side, label in zip(sides, each, strict=True)]
        for each in labels
    ]
    return Batch(
        rows=np.array(rows).T.ravel(),
        labels=labels.T.ravel(),
        query=np.repeat([True, False, False], size),
        group=np.tile(np.arange(size), 3),
        triplets=np.arange(3 * size).reshape(3, size).T,
    )
