"""Distances of every query to every gallery item."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import ModelError, UsageError

Number = TypeVar("Number", np.float32, np.float64)

# Squared distances below this share of the vectors' squared lengths are rounding noise of the
# dot product. Counted as zero, so that identical vectors are tied and not ordered by noise.
_NOISE = 1e-12
_CHUNK = 1024  # rows of each side in float64 at a time; bounds the memory beyond the result


def distances(query: ArrayLike, gallery: ArrayLike) -> NDArray[np.float32]:
    """Euclidean distances (the paper's, Eq. 2) of every query to every gallery item.

    Args:
        query, gallery: (q, d) and (g, d) embeddings.

    Returns:
        (q, g) float32, not negative. Equal vectors are exactly 0 apart.

    Raises:
        UsageError: not two matrices of one width.
        ModelError: a value that is not finite, or vectors so long that their distance overflows.

    >>> distances([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]])
    array([[5., 1.]], dtype=float32)
    """
    left, right = embeddings(query, gallery)
    out = np.empty((len(left), len(right)), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # found below
        for i in range(0, len(left), _CHUNK):
            rows = left[i : i + _CHUNK].astype(np.float64)
            for j in range(0, len(right), _CHUNK):
                columns = right[j : j + _CHUNK].astype(np.float64)
                _distance(rows, columns, out[i : i + _CHUNK, j : j + _CHUNK])
    if out.size and not np.isfinite(out.max()):
        raise too_long()
    return out


def embeddings(
    query: ArrayLike, gallery: ArrayLike, some: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as checked matrices (q, d) and (g, d), or `some`: not empty; errors as `distances`."""
    left, right = np.asarray(query), np.asarray(gallery)
    for name, matrix in (("query", left), ("gallery", right)):
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or (some and not matrix.size):
            least = ", at least one of each" if some else ""
            raise UsageError(
                f"{name} embeddings are {matrix.dtype} {matrix.shape}",
                f"embeddings are numbers of shape (images, dimensions){least}",
                "pass one vector an image",
            )
        if not np.isfinite(matrix).all():
            raise ModelError(
                f"a {name} embedding holds NaN or infinity",
                "embeddings are finite",
                "check the model's weights and its training log",
            )
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"query vectors of {left.shape[1]}, gallery vectors of {right.shape[1]} dimensions",
            "both have the same number",
            "embed both with the same model",
        )
    return left, right


def too_long() -> ModelError:
    """The error of vectors so long that a distance overflows."""
    return ModelError(
        "distances overflow float32",
        "embeddings are of moderate length",
        "normalise the embeddings",
    )


def _distance(
    rows: NDArray[np.float64], columns: NDArray[np.float64], out: NDArray[np.float32]
) -> None:
    """Writes the distances of one block; in float64 until the last step."""
    of_rows, of_columns = (np.square(side).sum(axis=1) for side in (rows, columns))
    squared: NDArray[np.float64] = (-2 * rows) @ columns.T
    squared += np.add.outer(of_rows, of_columns)
    if squared.min(initial=np.inf) <= _NOISE * (of_rows.max() + of_columns.max()):
        squared[squared <= _NOISE * np.add.outer(of_rows, of_columns)] = 0
    np.sqrt(squared, out=out)


def unit(vectors: NDArray[Number]) -> NDArray[Number]:
    """Vectors (n, d) scaled to length one; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[Number] = vectors / np.maximum(lengths, 1e-12).astype(vectors.dtype)
    return scaled
