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


@dataclass(frozen=True, eq=False)
class Components:
    """The principal components of some vectors, each around its own domain's mean.

    So what tells the domains apart is not among them.

    Args:
        domains: names, in the order of the rows of `means`.
        means: (domains, d).
        axes: (d, m) of length one, the one with the largest spread first.
        variances: (m,) of the vectors along them.
    """

    domains: tuple[str, ...]
    means: NDArray[np.float64]
    axes: NDArray[np.float64]
    variances: NDArray[np.float64]


def decompose(vectors: ArrayLike, domains: ArrayLike) -> Components:
    """Finds the components, without looking at instances.

    Args:
        vectors: (n, d) embeddings of training images.
        domains: (n,) their domains.
    """
    x, names = np.asarray(vectors, dtype=np.float64), np.asarray(domains)
    order = tuple(str(name) for name in np.unique(names))
    means = np.stack([x[names == name].mean(0) for name in order])
    x = x - means[np.searchsorted(order, names)]
    most = max(0, min(len(x) - len(order), x.shape[1]))
    # The smaller of the two products: a fused vector has more dimensions than there are images.
    wide = len(x) <= x.shape[1]
    values, found = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, found = values[::-1][:most], found[:, ::-1][:, :most]
    values = np.maximum(values, values[:1].max(initial=0.0) * 1e-12 + 1e-300)
    axes = x.T @ (found / np.sqrt(values)) if wide else found
    return Components(order, means, axes, values / len(x))


def shorten(components: Components, dim: int, whitening: float) -> Projection:
    """Keeps the first components.

    Args:
        components: of the training images.
        dim: how many, from 1 to all.
        whitening: 0 to 1: component i is divided by its standard deviation to this power.

    Raises:
        UsageError: more dimensions than there are components.
    """
    d, most = components.axes.shape
    if not 1 <= dim <= most:
        raise UsageError(
            f"{dim} dimensions of {d}, where the training images span {most}",
            f"1 to {most} can be told apart",
            "choose fewer dimensions",
        )
    matrix = components.axes[:, :dim] / components.variances[:dim] ** (whitening / 2)
    return Projection(
        components.domains,
        components.means.astype(np.float32),
        matrix.astype(np.float32),
        whitening,
    )


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
