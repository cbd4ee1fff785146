"""RankSVM on toys whose answer is known."""

from __future__ import annotations

import numpy as np

from cdim.learn.rivals import rank_svm
from cdim.learn.rivals.rank_svm import PLAIN


def toy(seed, n=200, noise=3):
    """Sketches and photos that agree in the first two values; the others are chance."""
    rng = np.random.default_rng(seed)
    meaning = rng.uniform(0, 1, (n, 2))
    sketch, photo = (
        np.concatenate([meaning, rng.uniform(0, 3, (n, noise))], 1).astype(np.float32)
        for _ in range(2)
    )
    return sketch, photo


def triplets(sketch, photo, seed=0):
    n = len(sketch)
    rows = np.arange(n)
    return sketch, photo, photo[(rows + np.random.default_rng(seed).integers(1, n, n)) % n]


def test_distances_are_the_weighted_sums_written_out():
    rng = np.random.default_rng(0)
    query, gallery, weights = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (5, 4), (5,))
    )
    found = rank_svm.distances(weights, query, gallery)
    assert found.shape == (3, 5)
    for i, q in enumerate(query):
        for j, g in enumerate(gallery):
            total = sum(weights[k] * abs(q[k] - g[k]) for k in range(4))
            total += weights[4] * PLAIN * sum((q[k] - g[k]) ** 2 for k in range(4))
            np.testing.assert_allclose(found[i, j], total, rtol=1e-4)


def test_it_learns_which_values_matter_and_finds_unseen_pairs():
    learned = rank_svm.fit(triplets(*toy(0)), cost=1.0)
    assert learned[:2].min() > 2 * np.abs(learned[2:]).max()
    query, gallery = toy(1, n=30)
    right = rank_svm.distances(learned, query, gallery).argmin(1) == np.arange(30)
    plain = ((query[:, None] - gallery[None]) ** 2).sum(2).argmin(1) == np.arange(30)
    assert right.mean() > 0.7 > 0.4 > plain.mean()


def test_the_nearer_photo_of_a_triplet_is_nearer():
    anchor, nearer, farther = triplets(*toy(2))
    learned = rank_svm.fit((anchor, nearer, farther), cost=1.0)
    near, far = (np.diag(rank_svm.distances(learned, anchor, side)) for side in (nearer, farther))
    assert (near < far).mean() > 0.9


def test_the_scale_of_the_triplets_does_not_matter_to_the_cost():
    one = rank_svm.fit(triplets(*toy(0)), cost=0.01)
    twice = np.concatenate([np.stack(triplets(*toy(0)))] * 2, 1)
    same = rank_svm.fit(twice, cost=0.005)
    np.testing.assert_allclose(one, same, rtol=0.05, atol=0.02)
