"""Embeddings with the names of their images, and how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.data.listing import Omission, summary
from cdim.errors import UsageError
from cdim.metrics.distances import unit


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Embeddings of images. NumPy takes them as the array of their vectors.

    Args:
        vectors: float32 (n, d).
        names: n names of the images, in the same order.
        left_out: files of a folder that are none of the images, each with its reason.
    """

    vectors: NDArray[np.float32]
    names: tuple[str, ...]
    left_out: tuple[Omission, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.array(self.vectors, dtype) if copy else np.asarray(self.vectors, dtype)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.names[:3])) + (", ..." if len(self) > 3 else "")
        shape = f"{len(self)} images, {self.vectors.shape[1]} dimensions"
        left_out = f"; {summary(self.left_out)}" if self.left_out else ""
        return f"<Embeddings of {shape}: {names}{left_out}>"


def similarity(a: Any, b: Any) -> NDArray[np.float32]:
    """Cosine similarities, from -1 to 1; two images with the largest are the most alike.

    Galleries rank by Euclidean distance. The order is the same where all embeddings have one
    length, as those of the model "default" do.

    Args:
        a: n embeddings: what `encode` gives, or an array (n, d) or (d,).
        b: m embeddings of the same d.

    Returns:
        float32 (n, m).

    Raises:
        UsageError: something else, or embeddings of different dimensions.
    """
    left, right = _scaled(a), _scaled(b)
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"embeddings of {left.shape[1]} and of {right.shape[1]} dimensions",
            "embeddings of one model are compared",
            "encode both with the same model",
        )
    return left @ right.T


def _scaled(given: Any) -> NDArray[np.float32]:
    """Embeddings (n, d), each scaled to length one; zeros stay zeros."""
    try:
        vectors = np.atleast_2d(np.asarray(given))
        real = vectors.dtype.kind in "biuf"
        with np.errstate(over="ignore"):  # found below
            vectors = vectors.astype(np.float32) if real else vectors
    except (TypeError, ValueError, OverflowError):
        real = False
    if not real or vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise UsageError(
            f"{type(given).__name__} for embeddings",
            "embeddings are what `encode` gives, or an array (n, d) of finite numbers",
            "encode images first",
        )
    return unit(vectors.astype(np.float64)).astype(np.float32)
