"""Closed-form heads: vectors become short embeddings by linear algebra alone.

Three kinds, all around each domain's own mean, which removes the offset between domains:

- *components* keeps the directions in which images differ most, partly whitened. It needs no
  pairs.
- *pairs* also knows which images show the same instance. What differs within pairs is noise: its
  scatter W, regularised by lambda times its mean eigenvalue m, is whitened away,
  y = (W + lambda m I)^(-1/2) x, and of that the directions with the largest spread are kept, each
  divided by its standard deviation to the power 1/4, so that the first few do not outvote the rest
  (and weak ones, below half of the mean variance, no more than that, so that they do not either).
- *csls* is *pairs*, and then gallery images that are near to every query are lowered
  (`cdim.bundles.heads.hubness`). It needs queries and gallery images that are of different domains.

All is done in the span of the training images (a Gram matrix), so 16,384 dimensions are cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.bundles.heads import hubness
from cdim.bundles.heads.kinds import Head
from cdim.bundles.heads.projection import Projection, rooted
from cdim.errors import UsageError
from cdim.metrics.distances import unit

EVENNESS = 0.25
"""Power of a direction's standard deviation that a head of pairs divides it by."""
LEAST = 0.5
"""Share of the mean variance that a direction is taken to have, at least, when it is evened: where
images are hardly more than dimensions, the last directions hold next to nothing of these images and
much of others."""
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Components:
    """The principal components of some vectors, each around its own domain's mean."""

    domains: tuple[str, ...]  # names, in the order of the rows of `means`
    means: NDArray[np.float64]  # (domains, d)
    axes: NDArray[np.float64]  # (d, m) of length one, the one with the largest spread first
    variances: NDArray[np.float64]  # (m,) of the vectors along them
    rooted: bool  # whether the vectors were `rooted`
    inside: NDArray[np.float64]  # (n, m) the vectors along the axes
    numbers: NDArray[np.intp]  # (n,) of their domains
    # (n,) which of them are queries; None where no pairs are known
    sides: NDArray[np.bool_] | None = None
    # (m, m) scatter of the differences within pairs, along the axes; None where no pairs are known
    within: NDArray[np.float64] | None = None
    pairs: int = 0  # how many of them there are

    @cached_property
    def noise(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues (m,) and eigenvectors (m, m) of `within`: the same for every lambda."""
        if self.within is None:
            raise UsageError(
                "components without pairs", "this head learns from pairs", "pair() first"
            )
        return np.linalg.eigh(self.within)


def decompose(
    vectors: ArrayLike, domains: ArrayLike, *, roots: bool = False, whole: bool = False
) -> Components:
    """Finds the components, without looking at instances.

    Args:
        vectors: (n, d) embeddings of training images.
        domains: (n,) their domains.
        roots: whether they are `rooted` first.
        whole: keep all d axes, also those along which these images do not differ: few images say
            little about all others. For short vectors.
    """
    x = rooted(vectors) if roots else np.asarray(vectors, dtype=np.float64)
    names = np.asarray(domains)
    order = tuple(str(name) for name in np.unique(names))
    means = np.stack([x[names == name].mean(0) for name in order])
    numbers = np.searchsorted(order, names)
    x = x - means[numbers]
    most = x.shape[1] if whole else max(0, min(len(x) - len(order), x.shape[1]))
    # The smaller of the two products: a fused vector has more dimensions than there are images.
    wide = len(x) <= x.shape[1] and not whole
    values, found = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, found = values[::-1][:most], found[:, ::-1][:, :most]
    values = np.maximum(values, values[:1].max(initial=0.0) * _TINY + 1e-300)
    axes = x.T @ (found / np.sqrt(values)) if wide else found
    inside = found * np.sqrt(values) if wide else x @ found
    return Components(order, means, axes, values / len(x), roots, inside, numbers)


def pair(components: Components, sides: NDArray[np.bool_], instances: ArrayLike) -> Components:
    """Adds known pairs: each query with the mean of its instance's other images.

    Args:
        components: of n images.
        sides: (n,) which of them are queries.
        instances: (n,) what each shows.

    Raises:
        UsageError: fewer than two instances with images on both sides.
    """
    numbers = np.unique(np.asarray(instances), return_inverse=True)[1]
    x = components.inside
    counts = np.bincount(numbers[~sides], minlength=numbers.max(initial=-1) + 1)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, numbers[~sides], x[~sides])
    rows = np.flatnonzero(sides & (counts[numbers] > 0))
    if len(np.unique(numbers[rows])) < 2:
        raise UsageError(
            f"{len(np.unique(numbers[rows]))} instances with images on both sides",
            "pairs are learned from at least two",
            "give more pairs",
        )
    apart = x[rows] - sums[numbers[rows]] / counts[numbers[rows], None]
    within = apart.T @ apart / len(rows)
    return replace(components, sides=np.asarray(sides), within=within, pairs=len(rows))


def fit(components: Components, head: Head, dim: int) -> Projection:
    """A head, fitted to the components of the training images.

    Raises:
        UsageError: more dimensions than there are components, or too few; no pairs where they are
            needed, or, with "csls", queries and gallery images of one domain.
    """
    if head.kind == "components":
        return shorten(components, dim, head.strength)
    pairs = contrast(components, dim, head.strength)
    return pairs if head.kind == "pairs" else lower(components, pairs)


def shorten(components: Components, dim: int, whitening: float) -> Projection:
    """Keeps the first `dim` components, divided by their standard deviations to a power, 0 to 1."""
    _check_dim(components, dim)
    matrix = components.axes[:, :dim] / components.variances[:dim] ** (whitening / 2)
    how = f"principal components, whitened to the power {whitening:g}"
    return _projection(components, matrix, how)


def contrast(components: Components, dim: int, regularisation: float) -> Projection:
    """Whitens what differs within pairs and keeps the directions with the largest spread, evened.

    `regularisation` is lambda, above 0.
    """
    _check_dim(components, dim)
    from scipy.linalg import eigh

    values, vectors = components.noise
    # The mean over the axes that the images fill, so that lambda means the same with all kept.
    filled = int((components.variances > _TINY * components.variances[0]).sum())
    mean = float(values.sum()) / max(1, filled)
    values = np.maximum(values, 0) + regularisation * max(mean, _TINY)
    whiten = vectors / np.sqrt(values)
    spread = components.inside @ whiten
    last = spread.shape[1] - 1
    scatter = spread.T @ spread / len(spread)
    squares, kept = eigh(scatter, subset_by_index=(last - dim + 1, last))
    squares, kept = squares[::-1], kept[:, ::-1]
    squares = np.maximum(squares, LEAST * np.trace(scatter) / max(1, filled) + 1e-300)
    matrix = components.axes @ (whiten @ (kept / squares ** (EVENNESS / 2)))
    how = f"whitened within {components.pairs:,} pairs (lambda {regularisation:g})"
    return _projection(components, matrix, how)


def lower(components: Components, pairs: Projection) -> Projection:
    """Puts the training queries into a head of `contrast` as a bank that tells hubs.

    The last two dimensions of the head make room for the hubs.
    """
    dim = pairs.dim - hubness.DIMS
    if dim < 1:
        raise UsageError(
            f"{pairs.dim} dimensions", f"hubs take {hubness.DIMS} of them", "ask for 3 or more"
        )
    sides = components.sides
    shown = np.array(components.domains)[components.numbers]
    asking = () if sides is None else hubness.asking(shown, sides)
    if not asking:
        raise UsageError(
            f"images of {', '.join(components.domains)}",
            "a head csls needs queries of one domain and gallery images of another",
            "take the head of pairs",
        )
    matrix = pairs.matrix[:, :dim]
    queries = components.inside[sides].astype(np.float32)
    bank = unit(queries @ (components.axes.T.astype(np.float32) @ matrix))
    return replace(pairs, matrix=matrix, bank=hubness.some(bank), asking=asking)


def _check_dim(components: Components, dim: int) -> None:
    d, most = components.axes.shape
    if not 1 <= dim <= most:
        raise UsageError(
            f"{dim} dimensions of {d}, where the training images span {most}",
            f"1 to {most} can be told apart",
            "choose fewer dimensions",
        )


def _projection(components: Components, matrix: NDArray[np.float64], how: str) -> Projection:
    return Projection(
        components.domains,
        components.means.astype(np.float32),
        matrix.astype(np.float32),
        how,
        components.rooted,
    )
