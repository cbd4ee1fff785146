"""How well held-out instances are found with any fusion, from Gram matrices.

Axes: n images, h held-out images of a fold, t training images of it, p pairs among those, q queries
of all folds together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from cdim.bundles.heads.fit import EVENNESS, LEAST
from cdim.data.manifest import Manifest
from cdim.judge.conditions import labels_of
from cdim.judge.held_out import folds_of, searched_fold
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.grams import Gram, Grams, shrinking, unit
from cdim.learn.atlas.treatments import Treatment
from cdim.metrics.protocol import relevance
from cdim.metrics.ranking import first_ranks
from cdim.metrics.significance import Estimate, bootstrap

RESAMPLES = 2000
"""For intervals of cells, of which there are hundreds."""
_TINY = 1e-24
_RELATIVE = 1e-6  # of the largest eigenvalue: below it there is only rounding


@dataclass(frozen=True)
class Accuracy:
    """How often the match is found first, and the mean reciprocal rank."""

    acc_1: Estimate
    mrr: float


def accuracy(reciprocal_ranks: NDArray[np.float64]) -> Accuracy:
    """Of queries (q,)."""
    first = reciprocal_ranks == 1
    return Accuracy(bootstrap(first, resamples=RESAMPLES), float(reciprocal_ranks.mean()))


@dataclass(frozen=True, eq=False)
class FoldSearch:
    """Queries of a fold among the gallery images of their kind."""

    # positions of a queries, and of b gallery images, among the fold's h images
    query: NDArray[np.intp]
    gallery: NDArray[np.intp]
    # (a, b) booleans
    correct: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    def ranks(self, kernel: Gram) -> NDArray[np.int64]:
        """Rank (a,) of each query's first correct item."""
        return first_ranks(-self.nearness(kernel), self.correct, self.ignored)

    def nearness(self, kernel: Gram) -> NDArray[np.float32]:
        """Minus half the squared distance (a, b), but for a constant a query: x·y - y·y / 2."""
        half = np.diagonal(kernel)[self.gallery] / np.float32(2)
        found: NDArray[np.float32] = kernel[np.ix_(self.query, self.gallery)] - half
        return found


@dataclass(frozen=True, eq=False)
class Fold:
    """Instances held out, and the others."""

    # rows (h,) and (t,) of the manifest
    held: NDArray[np.intp]
    train: NDArray[np.intp]
    # (domains, n) weights of the training images that give each domain's mean
    means: NDArray[np.float32]
    domains: NDArray[np.intp]  # (n,) number of each image's domain
    # (p, n) sparse; each row is a training query less the mean of its instance's gallery images
    differences: sparse.csr_array[np.float32]
    searches: tuple[FoldSearch, ...]  # of the held-out queries

    @property
    def queries(self) -> NDArray[np.intp]:
        """Rows of the manifest of the queries, in the order they are searched."""
        return np.concatenate([self.held[search.query] for search in self.searches])

    def reciprocal_ranks(self, kernel: Gram) -> NDArray[np.float64]:
        """1 / rank of each query, given the kernel (h, h) of the held-out images."""
        return 1 / np.concatenate([search.ranks(kernel) for search in self.searches])

    def centre(self, gram: Gram) -> Gram:
        """The Gram matrix (n, n) once each domain's training mean is removed."""
        rows = self.means @ gram
        both = (rows @ self.means.T)[np.ix_(self.domains, self.domains)]
        found: Gram = gram - rows[self.domains] - rows[self.domains].T + both
        return found


def make_folds(manifest: Manifest, seed: int) -> list[Fold]:
    """Divides the instances of a manifest, which all have both sides, into parts held out once.

    Raises as `searched_fold`.
    """
    names, domains = np.unique(manifest.domain, return_inverse=True)
    folds = []
    for mask in folds_of(manifest, seed):
        part = searched_fold(manifest, mask)
        held, train = np.flatnonzero(mask), np.flatnonzero(~mask)
        means = (domains == np.arange(len(names))[:, None]) & ~mask
        weights = (means / np.maximum(1, means.sum(axis=1, keepdims=True))).astype(np.float32)
        searches = []
        for query, gallery in part.groups:
            labels = labels_of(manifest.take(query), manifest.take(gallery))
            correct, ignored = relevance(part.protocol, labels)
            asked = correct.any(axis=1)
            places = np.searchsorted(held, query[asked]), np.searchsorted(held, gallery)
            searches.append(FoldSearch(*places, correct[asked], ignored[asked]))
        differences = _differences(manifest, train)
        folds.append(Fold(held, train, weights, domains, differences, tuple(searches)))
    return folds


def _differences(manifest: Manifest, train: NDArray[np.intp]) -> sparse.csr_array[np.float32]:
    """As `cdim.bundles.heads.fit.pair` makes pairs of the training images."""
    rows, columns, values = [], [], []
    query = train[manifest.role[train] == "query"]
    gallery = train[manifest.role[train] != "query"]
    for row, one in enumerate(query):
        others = gallery[manifest.instance[gallery] == manifest.instance[one]]
        rows += [row] * (1 + len(others))
        columns += [one, *others]
        values += [1.0, *np.full(len(others), -1 / len(others))]
    made = sparse.csr_array((values, (rows, columns)), shape=(len(query), len(manifest)))
    return made.astype(np.float32)


class Scorer:
    """Judges fusions under one treatment; what was judged once is remembered."""

    def __init__(self, grams: Grams, folds: Sequence[Fold], treatment: Treatment) -> None:
        self.grams, self.folds, self.treatment = grams, folds, treatment
        self._pairs = treatment.name == "pairs"
        self._parts: dict[Cell, list[Gram]] = {}
        self._scores: dict[frozenset[Cell], NDArray[np.float64]] = {}

    def reciprocal_ranks(self, cells: Sequence[Cell]) -> NDArray[np.float64]:
        """1 / rank of each query (q,), fold by fold, with the cells joined."""
        key = frozenset(cells)
        if key not in self._scores:
            parts = self._whitened(cells, whole=True) if self._pairs else self.parts(cells)
            found = zip(self.folds, parts, strict=True)
            self._scores[key] = np.concatenate(
                [fold.reciprocal_ranks(np.sum(each, axis=0)) for fold, each in found]
            )
        return self._scores[key]

    def parts(self, cells: Sequence[Cell]) -> list[list[Gram]]:
        """For each fold, what each cell adds to the kernel (h, h) of their fusion.

        The kernel is the sum of the parts: the inner products of the treated vectors. Under "pairs"
        a part is that of the query, against the whole of the other image.
        """
        if self._pairs:
            return self._whitened(cells)
        found = []
        for number in range(len(self.folds)):
            parts = [self._part(cell)[number] for cell in cells]
            if self.treatment.centred:
                factors = shrinking(np.diagonal(np.sum(parts, axis=0)))
                parts = [part * factors[:, None] * factors for part in parts]
            found.append(parts)
        return found

    def _part(self, cell: Cell) -> list[Gram]:
        """A cell's held-out part in each fold, where the treatment is a plain sum over cells."""
        if cell not in self._parts:
            gram, centred = self.treatment.part(self.grams, cell), self.treatment.centred
            self._parts[cell] = [
                (fold.centre(gram) if centred else gram)[np.ix_(fold.held, fold.held)]
                for fold in self.folds
            ]
        return self._parts[cell]

    def _whitened(self, cells: Sequence[Cell], whole: bool = False) -> list[list[Gram]]:
        """Parts under the head of pairs, or as one part what they sum up to, which is quicker."""
        parts = [self.treatment.part(self.grams, cell) for cell in cells]
        factors = shrinking(np.diagonal(np.sum(parts, axis=0)))
        parts = [np.sum(parts, axis=0)] if whole else parts
        parts = [part * factors[:, None] * factors for part in parts]
        dim = sum(cell.dim for cell in cells)
        return [contrast(parts, fold, dim, self.treatment) for fold in self.folds]


def contrast(
    parts: Sequence[Gram], fold: Fold, dim: int, treatment: Treatment
) -> list[NDArray[np.float32]]:
    """The kernel of `cdim.bundles.heads.fit.contrast`, from inner products alone.

    With D the differences within p training pairs, W = D'D / p and m its mean eigenvalue, whitened
    vectors have the inner products x'(W + lambda m I)^-1 y, by Woodbury's identity and but for a
    factor

        k(x, y) = x'y - x'D' (lambda m p I + D D')^-1 D y

    Of k over the training images the largest eigenvalues and their vectors are the directions that
    are kept, and evened.

    Args:
        parts: Gram matrices (n, n) whose sum is that of the vectors.
        fold: which images are known in pairs.
        dim: dimensions of the vectors.
        treatment: gives lambda and the dimensions that are kept.

    Returns:
        Each part's (h, h); their sum, the kernel, has ones on its diagonal.
    """
    centred = [fold.centre(part) for part in parts]
    whole = centred[0] if len(centred) == 1 else np.sum(centred, axis=0)
    known = np.asarray(fold.differences @ whole)
    within = np.asarray(fold.differences @ known.T, dtype=np.float64)
    # Axes that the training images fill: the mean is over those, and no others can be kept.
    filled = max(1, min(dim, len(fold.train) - len(fold.means)))
    noise = treatment.regularisation * max(float(np.trace(within)) / filled, _TINY)
    within[np.diag_indices_from(within)] += noise
    solve = linalg.cho_factor(within)
    train, held = fold.train, fold.held
    solved = linalg.cho_solve(solve, known[:, train].astype(np.float64)).astype(np.float32)
    whitened = whole[np.ix_(train, train)] - known[:, train].T @ solved
    last = len(train) - 1
    kept = (max(0, last - min(filled, treatment.dim) + 1), last)
    squares, vectors = linalg.eigh(whitened, subset_by_index=kept)
    squares = np.maximum(squares, _RELATIVE * squares[-1] + _TINY)
    evened = np.maximum(squares, LEAST * np.trace(whitened) / filled)
    directions = vectors / (squares**0.5 * evened ** (EVENNESS / 2))
    short = [
        (part[np.ix_(held, train)] - (fold.differences @ part)[:, held].T @ solved) @ directions
        for part in centred
    ]
    joined = np.sum(short, axis=0)
    factors = shrinking(np.square(joined).sum(axis=1))
    joined = joined * factors[:, None]
    return [(each * factors[:, None]) @ joined.T for each in short]


def cosines(vectors: NDArray[np.float32]) -> Gram:
    """The kernel (h, h) of vectors (h, d) compared by direction."""
    return unit(vectors @ vectors.T)
