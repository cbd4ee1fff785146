"""Distances, ranks and what is counted on them: acc@K, median and mean rank, triplet accuracy.

Axes: q queries, g gallery items, d dimensions, t triplets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import DataError, ModelError, UsageError, nearest

METRICS = ("euclidean", "squared", "cosine")

# Squared distances below this share of the vectors' squared lengths are rounding noise of the
# dot product. Counted as zero, so that identical vectors are tied and not ordered by noise.
_NOISE = 1e-12


def distances(
    query: ArrayLike, gallery: ArrayLike, metric: str = "euclidean", chunk: int = 1024
) -> NDArray[np.float32]:
    """Distances of every query to every gallery item.

    Args:
        query: (q, d) embeddings.
        gallery: (g, d) embeddings.
        metric: "euclidean" (the paper's, Eq. 2), "squared" (its square) or "cosine"
            (1 - cosine similarity, 0 to 2).
        chunk: rows of each side held in float64 at a time; bounds the memory beyond the result.

    Returns:
        (q, g) float32, not negative. Equal vectors are exactly 0 apart.

    Raises:
        UsageError: not two matrices of one width, an unknown metric, or a chunk below 1.
        ModelError: a value that is not finite, a zero vector under "cosine", or vectors so
            long that their distance overflows.

    >>> distances([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
    array([[5., 1.]], dtype=float32)
    >>> distances([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]], metric="cosine")
    array([[0., 1.]], dtype=float32)
    """
    if metric not in METRICS:
        raise UsageError(
            f"distance {metric!r}", f"known are {', '.join(METRICS)}", nearest(metric, METRICS)
        )
    if chunk < 1:
        raise UsageError(f"chunk {chunk}", "a chunk has at least one row", "leave it out")
    left, right = _embeddings(query, "query"), _embeddings(gallery, "gallery")
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"query vectors of {left.shape[1]}, gallery vectors of {right.shape[1]} dimensions",
            "both have the same number",
            "embed both with the same model",
        )
    out = np.empty((len(left), len(right)), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # found below
        for i in range(0, len(left), chunk):
            rows = _block(left[i : i + chunk], metric)
            for j in range(0, len(right), chunk):
                columns = _block(right[j : j + chunk], metric)
                _distance(rows, columns, metric, out[i : i + chunk, j : j + chunk])
    if out.size and not np.isfinite(out.max()):
        raise ModelError(
            "distances overflow float32",
            "embeddings are of moderate length",
            "normalise the embeddings",
        )
    return out


def _embeddings(values: ArrayLike, name: str) -> NDArray[Any]:
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} embeddings are {matrix.dtype} {matrix.shape}",
            "embeddings are numbers of shape (images, dimensions)",
            "pass one vector an image",
        )
    return matrix


def _block(rows: NDArray[Any], metric: str) -> NDArray[np.float64]:
    block = rows.astype(np.float64)
    if not np.isfinite(block).all():
        raise ModelError(
            "an embedding holds NaN or infinity",
            "embeddings are finite",
            "check the model's weights and its training log",
        )
    if metric == "cosine":
        length = np.linalg.norm(block, axis=1, keepdims=True)
        if (length == 0).any():
            raise ModelError(
                "an embedding is all zeros",
                "the cosine distance needs a direction",
                "use the euclidean distance or check the model",
            )
        block /= length
    return block


def _distance(
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    metric: str,
    out: NDArray[np.float32],
) -> None:
    """Writes the distances of one block; in float64 until the last step."""
    of_rows, of_columns = (np.square(side).sum(axis=1) for side in (rows, columns))
    squared: NDArray[np.float64] = (-2 * rows) @ columns.T
    squared += np.add.outer(of_rows, of_columns)
    if squared.min(initial=np.inf) <= _NOISE * (of_rows.max() + of_columns.max()):
        squared[squared <= _NOISE * np.add.outer(of_rows, of_columns)] = 0
    if metric == "euclidean":
        np.sqrt(squared, out=out)
    else:
        np.multiply(squared, 0.5 if metric == "cosine" else 1, out=out)


def matches(query_ids: ArrayLike, gallery_ids: ArrayLike) -> NDArray[np.bool_]:
    """Which gallery item is correct for which query: equal names.

    Args:
        query_ids: (q,) names.
        gallery_ids: (g,) names.

    Returns:
        (q, g) booleans.

    >>> matches(["a", "b"], ["b", "b", "a"]).tolist()
    [[False, False, True], [True, True, False]]
    """
    same: NDArray[np.bool_] = np.asarray(query_ids)[:, None] == np.asarray(gallery_ids)[None, :]
    return same


def ranks(
    distances: ArrayLike, query_ids: ArrayLike, gallery_ids: ArrayLike, chunk: int = 1024
) -> NDArray[np.int64]:
    """Rank of the first correct gallery item, per query.

    A wrong item exactly as far as the first correct one counts as nearer: a model that maps
    everything to one point comes last, not first.

    Args:
        distances: (q, g), finite.
        query_ids: (q,) names of the queries' instances.
        gallery_ids: (g,) names of the gallery's instances; several may be equal.
        chunk: queries handled at a time; bounds the memory.

    Returns:
        (q,) ranks, from 1.

    Raises:
        UsageError: shapes that do not fit together.
        ModelError: a distance that is not a number.
        DataError: a query without any correct item in the gallery.

    >>> ranks([[0.1, 0.5, 0.3], [0.2, 0.2, 0.9]], ["c", "a"], ["a", "b", "c"]).tolist()
    [2, 2]
    """
    matrix = np.asarray(distances)
    wanted, offered = np.asarray(query_ids), np.asarray(gallery_ids)
    if wanted.ndim != 1 or offered.ndim != 1 or matrix.shape != (len(wanted), len(offered)):
        raise UsageError(
            f"distances {matrix.shape} for {wanted.shape} query and {offered.shape} gallery names",
            "distances have one row a query and one column a gallery item",
            "check the order of the arguments",
        )
    _, codes = np.unique(np.concatenate([wanted, offered]), return_inverse=True)
    codes_wanted, codes_offered = codes[: len(wanted)], codes[len(wanted) :]
    missing = np.flatnonzero(~np.isin(codes_wanted, codes_offered))
    if len(missing):
        raise DataError(
            f"{len(missing)} of {len(wanted)} queries have no correct item in the gallery, "
            f"the first is {str(wanted[missing[0]])!r} (row {missing[0]})",
            "every query's instance is in the gallery",
            "add the gallery image or remove the query",
        )
    out = np.empty(len(wanted), dtype=np.int64)
    for i in range(0, len(wanted), chunk):
        block = matrix[i : i + chunk]
        if np.isnan(block).any():
            raise ModelError("a distance is not a number", "distances are numbers", "check them")
        correct = matches(codes_wanted[i : i + chunk], codes_offered)
        first = np.where(correct, block, np.inf).min(axis=1, keepdims=True)
        out[i : i + chunk] = 1 + (~correct & (block <= first)).sum(axis=1)
    return out


def _some_ranks(values: ArrayLike) -> NDArray[Any]:
    found = np.asarray(values)
    if found.ndim != 1 or found.size == 0 or (found < 1).any():
        raise UsageError(
            f"ranks of shape {found.shape}",
            "ranks are a row of at least one number from 1 up",
            "pass what ranks() returns",
        )
    return found


def acc_at(ranks: ArrayLike, k: int) -> float:
    """Share of queries whose correct item is among the first k (acc@K, CMC at K), 0 to 1.

    Raises:
        UsageError: no ranks, a rank below 1, or k below 1.

    >>> acc_at([1, 3, 12, 1], 1), acc_at([1, 3, 12, 1], 10)
    (0.5, 0.75)
    """
    if k < 1:
        raise UsageError(f"acc@{k}", "K is at least 1", "use acc@1")
    return float((_some_ranks(ranks) <= k).mean())


def median_rank(ranks: ArrayLike) -> float:
    """Median rank of the correct item, from 1; lower is better.

    Raises:
        UsageError: no ranks or a rank below 1.

    >>> median_rank([1, 3, 12, 1])
    2.0
    """
    return float(np.median(_some_ranks(ranks)))


def mean_rank(ranks: ArrayLike) -> float:
    """Mean rank of the correct item, from 1; lower is better.

    Raises:
        UsageError: no ranks or a rank below 1.

    >>> mean_rank([1, 3, 12, 1])
    4.25
    """
    return float(_some_ranks(ranks).mean())


def triplet_hits(
    distances: ArrayLike, anchor: ArrayLike, nearer: ArrayLike, farther: ArrayLike
) -> NDArray[np.bool_]:
    """Which triplets the distances agree with; equal distances do not agree.

    Args:
        distances: (q, g).
        anchor: (t,) rows of the distances.
        nearer: (t,) columns people called nearer to the anchor.
        farther: (t,) columns people called farther from it.

    Returns:
        (t,) booleans.

    Raises:
        UsageError: rows or columns that do not exist, or arrays of unequal length.

    >>> triplet_hits([[0.1, 0.5, 0.1]], [0, 0, 0], [0, 1, 0], [1, 0, 2]).tolist()
    [True, False, False]
    """
    matrix = np.asarray(distances)
    rows, near, far = (np.asarray(x) for x in (anchor, nearer, farther))
    limits = (*matrix.shape[:1], *matrix.shape[1:] * 2)
    for name, index, limit in zip(
        ("anchor", "nearer", "farther"), (rows, near, far), limits, strict=True
    ):
        bad = index.shape != rows.shape or index.ndim != 1 or index.dtype.kind not in "iu"
        if bad or ((index < 0) | (index >= limit)).any():
            raise UsageError(
                f"{name} indices of {index.dtype} {index.shape}",
                f"one whole number from 0 to {limit - 1} a triplet",
                "map names to rows first",
            )
    hits: NDArray[np.bool_] = matrix[rows, near] < matrix[rows, far]
    return hits


def triplet_accuracy(
    distances: ArrayLike, anchor: ArrayLike, nearer: ArrayLike, farther: ArrayLike
) -> float:
    """Share of human triplets whose nearer item is nearer (the field's %corr.), 0 to 1.

    Arguments and errors are those of `triplet_hits`; no triplets at all is a UsageError.

    >>> triplet_accuracy([[0.1, 0.5, 0.1]], [0, 0, 0, 0], [0, 2, 1, 0], [1, 1, 0, 2])
    0.5
    """
    hits = triplet_hits(distances, anchor, nearer, farther)
    if hits.size == 0:
        raise UsageError("no triplets", "at least one is needed", "leave the triplets out")
    return float(hits.mean())
