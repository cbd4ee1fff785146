"""Distances and queries improved after the search: k-reciprocal re-ranking, query expansion.

Axes: q queries, g gallery items, d dimensions; n = q + g vectors, queries first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cdim.errors import UsageError
from cdim.metrics.distances import distances, embeddings, too_long
from cdim.metrics.nearest import Nearest, first_columns, panels, squared

_QUERIES = 16  # queries worked on at a time
_EXPANDED = 512  # and in query expansion, where each time the whole gallery is converted


def k_reciprocal(
    query: ArrayLike, gallery: ArrayLike, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> NDArray[np.float32]:
    """Distances re-ranked by k-reciprocal encoding (Zhong et al., CVPR 2017).

    Equals the authors' code on Euclidean distances, in its details:

    1. The original distance is the squared Euclidean one, d(i, j) / max_j d(i, j), the maximum
       over all n vectors. (Toolkits that hand squared distances to that code square twice.)
    2. R(i, k): the j among the first k + 1 of i (i itself is one) that have i among theirs.
    3. R*(i): R(i, k1), and R(c, k1 / 2) of each c in it of which more than 2/3 is in R(i, k1).
       k1 / 2 is rounded, a half to the even number.
    4. V(i): exp(-d(i, j)) for j in R*(i), divided by its sum; then the mean of V over the first
       k2 of i (local query expansion; k2 = 1: none).
    5. Jaccard distance 1 - m / (2 - m), m = sum of min(V(i), V(j)); the result is
       (1 - weight) * Jaccard + weight * original.

    Of equally near vectors the earlier one counts as nearer; the authors' code leaves it to the
    sort. A set of fewer than k1 + 1 or k2 vectors is used whole, as there. Vectors that are all
    equal have original distance 0, where the authors' code divides by zero.

    The whole gallery takes part, as in the field's practice, also items that a protocol ignores
    for a query afterwards (junk, the query's own camera), and so do the other queries: a
    distance depends on what else is searched, and is comparable within one query only.

    Args:
        query, gallery: (q, d) and (g, d) embeddings.
        k1, k2: neighbours of the k-reciprocal sets and of the local query expansion, from 1.
        weight: of the original distance, 0 to 1 (the paper's lambda).

    Returns:
        (q, g) float32, 0 to 1, smaller is nearer.

    Raises:
        UsageError: not two matrices of one width with at least one row each, or k1, k2 or
            weight out of range.
        ModelError: a value that is not finite, or distances that overflow.

    >>> k_reciprocal([[0.0]], [[1.0], [2.0], [9.0]], k1=2, k2=1).round(3)
    array([[0.016, 0.046, 1.   ]], dtype=float32)
    """
    for name, k in (("k1", k1), ("k2", k2)):
        if k < 1:
            raise UsageError(f"{name} = {k}", "at least one neighbour", "leave it out for 20 and 6")
    if not 0 <= weight <= 1:
        raise UsageError(f"weight {weight}", "a weight is from 0 to 1", "leave it out for 0.3")
    left, right = embeddings(query, gallery, some=True)
    vectors = _shifted(left, right)
    nearest, farthest, out = _neighbours(vectors, len(left), max(k1 + 1, k2))
    encoded = _encode(vectors, nearest, farthest, k1)
    if k2 > 1:
        encoded = _links(nearest[:, :k2]) @ encoded / np.float32(min(k2, len(nearest)))
    out *= weight
    _add_jaccard(out, encoded[: len(left)], encoded[len(left) :], 1 - weight)
    return out


def expand_queries(query: ArrayLike, gallery: ArrayLike, n: int = 5) -> NDArray[np.float32]:
    """Average query expansion (Chum et al., ICCV 2007): a query and its n nearest, averaged.

    new(query) = (query + its n nearest gallery vectors) / (n + 1), nearest by Euclidean
    distance, of equally near ones the earlier. As in that paper the mean is not normalised:
    Euclidean search with it is ranked against the gallery's own vectors as they are.

    The whole gallery takes part, also items that a protocol ignores for a query afterwards
    (junk, the query's own camera). A gallery of fewer than n is used whole.

    Args:
        query, gallery: (q, d) and (g, d) embeddings.
        n: gallery vectors averaged with each query, from 1.

    Returns:
        (q, d) float32.

    Raises:
        UsageError: not two matrices of one width with at least one row each, or n below 1.
        ModelError: a value that is not finite, or distances that overflow.

    >>> expand_queries([[0.0, 0.0]], [[3.0, 0.0], [0.0, 6.0], [9.0, 9.0]], n=2)
    array([[1., 2.]], dtype=float32)
    """
    if n < 1:
        raise UsageError(f"n = {n}", "at least one gallery vector", "leave expansion out")
    left, right = embeddings(query, gallery, some=True)
    out = np.empty(left.shape, dtype=np.float32)
    for start in range(0, len(left), _EXPANDED):
        rows = slice(start, start + _EXPANDED)
        near = first_columns(distances(left[rows], right), min(n, len(right)))
        total = left[rows] + right[near].sum(axis=1, dtype=np.float64)
        out[rows] = total / (near.shape[1] + 1)
    return out


def _shifted(query: NDArray[Any], gallery: NDArray[Any]) -> NDArray[np.float32]:
    """All vectors (n, d) less the first of the gallery.

    Distances stay; vectors far from the origin and near each other keep their digits.
    """
    q = len(query)
    out = np.empty((q + len(gallery), query.shape[1]), dtype=np.float32)
    origin = gallery[0].astype(np.float64)
    with np.errstate(over="ignore"):
        np.subtract(query, origin, out=out[:q], casting="same_kind")
        np.subtract(gallery, origin, out=out[q:], casting="same_kind")
        longest = np.einsum("ij,ij->i", out, out).max()
    if not np.isfinite(4 * longest):
        raise too_long()
    return out


def _neighbours(
    vectors: NDArray[np.float32], q: int, k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The k nearest (n, k) of every vector, its largest distance (n,), original distances (q, g).

    Distances are squared; the original ones are divided by the query's largest.
    """
    n = len(vectors)
    nearest = Nearest(n, k)
    farthest = np.full(n, np.finfo(np.float32).tiny)  # equal vectors are 0 / tiny = 0 apart
    out = np.empty((q, n - q), dtype=np.float32)
    for first, panel in panels(vectors):
        last = len(panel)
        nearest.add(first, panel)
        for rows, axis in ((slice(first, last), 0), (slice(last), 1)):
            np.maximum(farthest[rows], panel.max(axis=axis), out=farthest[rows])
        if last > q:
            start = max(first, q)
            out[:, start - q : last - q] = panel[:q, start - first :]
    np.maximum(out, 0, out=out)
    out /= farthest[:q, None]
    return nearest.indices(vectors), farthest, out


def _links(columns: NDArray[np.int32]) -> sparse.csr_array:
    """A (n, n) matrix with ones in row i at columns[i]."""
    n, k = columns.shape
    ones = np.ones(columns.size, dtype=np.float32)
    starts = np.arange(0, columns.size + 1, k)
    return sparse.csr_array((ones, columns.ravel(), starts), shape=(n, n))


def _reciprocal(nearest: NDArray[np.int32]) -> sparse.csr_array:
    """Ones where j is among the nearest of i and i among those of j."""
    forth = _links(nearest)
    both: sparse.csr_array = forth.multiply(forth.T).tocsr()
    return both


def _encode(
    vectors: NDArray[np.float32], nearest: NDArray[np.int32], farthest: NDArray[np.float32], k1: int
) -> sparse.csr_array:
    """V (n, n): Gaussian weights of the expanded k-reciprocal sets, each row of sum 1."""
    whole = _reciprocal(nearest[:, : k1 + 1])
    half = _reciprocal(nearest[:, : round(k1 / 2) + 1])
    # In row i, column c: how much of c's half set is in i's set; then 1 where it joins.
    joined = whole.multiply(whole @ half.T).tocsr()
    joined.data = (3 * joined.data > 2 * half.sum(axis=1)[joined.indices]).astype(np.float32)
    joined.eliminate_zeros()
    out: sparse.csr_array = (whole + joined @ half).tocsr()
    rows = np.repeat(np.arange(len(vectors)), np.diff(out.indptr))
    out.data = np.exp(-squared(vectors, rows, out.indices) / farthest[rows])
    out.data /= np.bincount(rows, out.data, len(vectors)).astype(np.float32)[rows]
    return out


def _add_jaccard(
    out: NDArray[np.float32], query: sparse.csr_array, gallery: sparse.csr_array, weight: float
) -> None:
    """Adds weight * Jaccard distance of V (q, n) and V (g, n) to out (q, g)."""
    inverted = gallery.tocsc()
    g = out.shape[1]
    for start in range(0, len(out), _QUERIES):
        part = query[start : start + _QUERIES]
        rows = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        # Every value of a query meets the column of gallery values at the same place.
        first, counts = inverted.indptr[part.indices], np.diff(inverted.indptr)[part.indices]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + counts, counts)
        least = np.minimum(np.repeat(part.data, counts), inverted.data[places])
        cells = np.repeat(rows * g, counts) + inverted.indices[places]
        m = np.bincount(cells, least, part.shape[0] * g).reshape(-1, g).astype(np.float32)
        np.minimum(m, 1, out=m)  # rounding may leave it above
        out[start : start + _QUERIES] += weight * (1 - m / (2 - m))
