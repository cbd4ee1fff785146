"""A shorter embedding: each domain's mean removed, principal components, partly whitened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError

WHITENING = (0.0, 0.5, 1.0)
"""Strengths to choose from: 0 keeps the spread of the components, 1 makes all equal."""


@dataclass(frozen=True, eq=False)
class Projection:
    """y = (x - mean of its domain) matrix, scaled to length one.

    Args:
        domains: names, in the order of the rows of `means`.
        means: (domains, d).
        matrix: (d, dim).
        whitening: its strength.
    """

    domains: tuple[str, ...]
    means: NDArray[np.float32]
    matrix: NDArray[np.float32]
    whitening: float

    @property
    def words(self) -> str:
        """What it does, for people."""
        mean = "each domain's mean" if len(self.domains) > 1 else "the mean"
        return (
            f"{self.matrix.shape[0]} to {self.matrix.shape[1]} dimensions: {mean} removed, "
            f"principal components, whitened to the power {self.whitening:g}, length one"
        )


def fit(vectors: ArrayLike, domains: ArrayLike, dim: int, whitening: float) -> Projection:
    """Fits a projection, without looking at instances.

    The components are those of all vectors together, each around its own domain's mean, so that
    what tells the domains apart is not among them. They come from the Gram matrix (n, n): n
    training images are fewer than the dimensions of a fused vector.

    Args:
        vectors: (n, d) embeddings of training images.
        domains: (n,) their domains.
        dim: dimensions to keep, from 1 to min(n - number of domains, d).
        whitening: 0 to 1: component i is divided by its standard deviation to this power.

    Raises:
        UsageError: more dimensions than the training images span.
    """
    x, names = np.asarray(vectors, dtype=np.float64), np.asarray(domains)
    order = tuple(str(name) for name in np.unique(names))
    means = np.stack([x[names == name].mean(0) for name in order])
    x = x - means[np.searchsorted(order, names)]
    most = min(len(x) - len(order), x.shape[1])
    if not 1 <= dim <= most:
        raise UsageError(
            f"{dim} dimensions from {len(x)} training images of {x.shape[1]} dimensions",
            f"1 to {most} can be told apart",
            "choose fewer dimensions",
        )
    values, vectors_ = np.linalg.eigh(x @ x.T)
    values, vectors_ = values[::-1][:dim], vectors_[:, ::-1][:, :dim]
    values = np.maximum(values, values[0] * 1e-12)
    # Components of length one are x^T v / sqrt(value); their variance is value / n.
    scale = np.sqrt(values) * (values / len(x)) ** (whitening / 2)
    matrix = x.T @ (vectors_ / scale)
    return Projection(order, means.astype(np.float32), matrix.astype(np.float32), whitening)


def apply(projection: Projection, vectors: ArrayLike, domains: ArrayLike) -> NDArray[np.float32]:
    """Vectors (n, d) of the named domains (n,) as (n, dim) of length one.

    Raises:
        UsageError: a domain that the projection was not fitted on.
    """
    names = np.asarray(domains)
    strange = sorted(set(names.tolist()) - set(projection.domains))
    if strange:
        raise UsageError(
            f"vectors of domain {strange[0]!r}",
            f"the projection knows {', '.join(projection.domains)}",
            "fit it on all domains",
        )
    rows = np.searchsorted(projection.domains, names)
    short = (np.asarray(vectors, dtype=np.float32) - projection.means[rows]) @ projection.matrix
    scaled: NDArray[np.float32] = short / np.maximum(
        np.linalg.norm(short, axis=1, keepdims=True), 1e-12
    )
    return scaled
