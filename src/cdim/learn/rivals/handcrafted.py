"""Features of Table 3's rivals that nothing was learned for: histograms of oriented gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog
from sklearn.cluster import MiniBatchKMeans

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.metrics.distances import unit

Vectors = NDArray[np.float32]
Described = list[Vectors]
"""What is known of each image, before anything is learned from it."""

PREPROCESS = Preprocess(resize=(256, 256), crop=(256, 256))
ORIENTATIONS, CELL, BLOCK = 9, 32, 2
"""Orientations, pixels of a cell's side, and cells of a block's side, which overlap by one cell."""
WORDS, SEEN = 500, 50_000
"""Size of the vocabulary, as in Yu et al. (CVPR 2016), and how many descriptors it is made from."""


def dense_hog(manifest: Manifest) -> Described:
    """One histogram of gradients of each image: (1764,), 7 x 7 blocks of 2 x 2 cells."""
    return list(unit(_blocks(manifest).reshape(len(manifest), -1)))


def local_hog(manifest: Manifest) -> Described:
    """Descriptors (m, 36) of each image: its blocks, but for those of blank paper."""
    grids = _blocks(manifest).reshape(len(manifest), -1, ORIENTATIONS * BLOCK**2)
    return [grid[grid.any(1)] for grid in grids]


def words(train: Described, seed: int) -> Callable[[Described], Vectors]:
    """Bags of words: how often each of 500 kinds of descriptors occurs, wherever it is.

    The words are the centres of k-means on some descriptors of `train`, both drawn by the seed.
    The counts' square roots are compared: vectors (n, 500) of length one, zero where an image is
    blank.
    """
    found = np.concatenate(train)
    drawn = np.random.default_rng(seed).permutation(len(found))[:SEEN]
    means = MiniBatchKMeans(min(WORDS, len(drawn)), batch_size=4096, n_init=1, random_state=seed)
    means.fit(found[drawn])

    def count(described: Described) -> Vectors:
        counts = np.zeros((len(described), means.n_clusters), dtype=np.float32)
        for row, descriptors in zip(counts, described, strict=True):
            if len(descriptors):
                row += np.bincount(means.predict(descriptors), minlength=means.n_clusters)
        return unit(np.sqrt(counts))

    return count


def _blocks(manifest: Manifest) -> Vectors:
    """(n, 7, 7, 2, 2, 9): every block normalised (L2-Hys)."""
    found = [
        hog(image[..., 0], ORIENTATIONS, (CELL, CELL), (BLOCK, BLOCK), feature_vector=False)
        for image in images.load_stack(manifest, PREPROCESS)
    ]
    return np.stack(found).astype(np.float32)
