"""What a closed-form head computes: roots, each domain's mean away, a matrix, hubs lowered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.bundles.heads import hubness
from cdim.errors import UsageError
from cdim.metrics.distances import Number, unit


@dataclass(frozen=True, eq=False)
class Projection:
    """y = (x - mean of its domain) matrix, scaled to length one; with a bank, hubs are lowered."""

    domains: tuple[str, ...]  # names, in the order of the rows of `means`
    means: NDArray[np.float32]  # (domains, d)
    matrix: NDArray[np.float32]  # (d, dim), or (d, dim - 2) with a bank
    how: str  # which head it is, in words
    rooted: bool = False  # whether x is `rooted` first
    # (b, dim - 2) queries of training, for `hubness.lower`; None where hubs are left
    bank: NDArray[np.float32] | None = None
    asking: tuple[str, ...] = ()  # the domains whose images are queries there

    @property
    def dim(self) -> int:
        """Dimensions of y."""
        return int(self.matrix.shape[1]) + (0 if self.bank is None else hubness.DIMS)

    @property
    def words(self) -> str:
        """What it does, for people."""
        mean = "each domain's mean" if len(self.domains) > 1 else "the mean"
        roots = "square roots at length one, " if self.rooted else ""
        bank = self.bank
        hubs = "" if bank is None else f", hubs of {len(bank):,} queries lowered (CSLS)"
        return (
            f"{self.matrix.shape[0]} to {self.dim} dimensions: {roots}{mean} removed, "
            f"{self.how}, length one{hubs}"
        )


def rooted(vectors: ArrayLike) -> NDArray[np.float64]:
    """Signed square roots of vectors (n, d), each scaled to length one; zeros stay zeros.

    A few strong cells of a feature map no longer outvote all others.

    >>> rooted([[9.0, -16.0]]).tolist()
    [[0.6, -0.8]]
    """
    return unit(roots(np.asarray(vectors, dtype=np.float64)))


def roots(vectors: NDArray[Number]) -> NDArray[Number]:
    """Signed square roots of the values of vectors (n, d), in the same precision."""
    found: NDArray[Number] = np.sign(vectors) * np.sqrt(np.abs(vectors))
    return found


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
    x = rooted(vectors) if projection.rooted else np.asarray(vectors)
    short = (x.astype(np.float32) - projection.means[rows]) @ projection.matrix
    scaled = unit(short.astype(np.float32))
    if projection.bank is None:
        return scaled
    return hubness.lower(scaled, np.isin(names, projection.asking), projection.bank)
