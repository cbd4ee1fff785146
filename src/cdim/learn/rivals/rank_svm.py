"""RankSVM (Joachims, KDD 2002): which differences between sketch and photo matter."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from cdim.learn.rivals.handcrafted import Vectors

PLAIN = 3.0
"""Weight of the squared distance among the features of a pair, so that little needs be learned."""


def distances(weights: Vectors, query: Vectors, gallery: Vectors) -> Vectors:
    """Learned distances (q, g), `w . phi(query, photo)`; smaller is nearer, below zero too.

    `phi` is the elementwise `|query - photo|`, as rankSVM baselines have it, and the squared
    distance: what triplets cannot teach then remains as it was.

    Args:
        weights: (d + 1,); negative where being apart speaks for a match.
        query, gallery: features (q, d) and (g, d).
    """
    return np.stack([_pairs(one, gallery) @ weights for one in query])


def fit(triplets: Iterable[Vectors], cost: float) -> Vectors:
    """Learns weights by which the nearer photo of each triplet is nearer, by a margin.

    A linear SVM without intercept on `phi(a, farther) - phi(a, nearer)`, as Sketch Me That Shoe
    (Yu et al., CVPR 2016) learns its baselines.

    Args:
        triplets: features (3, n, d) of n anchors, nearer and farther photos, of length one.
        cost: the SVM's C; the separated vectors have mean length one, whatever the features.
    """
    anchor, nearer, farther = triplets
    apart = (_pairs(anchor, farther) - _pairs(anchor, nearer)).astype(np.float64)
    apart /= max(np.linalg.norm(apart, axis=1).mean(), 1e-12)
    # A classifier needs two classes: every other difference is turned round.
    side = np.where(np.arange(len(apart)) % 2, -1, 1)
    machine = LinearSVC(C=cost, fit_intercept=False, random_state=0)
    with warnings.catch_warnings():
        # Large costs may stop early; the cost is chosen by what the weights find.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(apart * side[:, None], side)
    weights: Vectors = machine.coef_[0].astype(np.float32)
    return weights


def _pairs(left: Vectors, right: Vectors) -> Vectors:
    """`phi` (n, d + 1) of n pairs."""
    apart = np.abs(left - right)
    whole: Vectors = np.concatenate([apart, PLAIN * (apart**2).sum(1, keepdims=True)], axis=1)
    return whole
