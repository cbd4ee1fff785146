"""Hubs lowered: scores against naive loops, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.bundles.heads import hubness
from cdim.metrics.distances import unit


def vectors(n, d, seed):
    return unit(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def naive(query, image, bank, neighbours=10):
    cosines = sorted((float(image @ one) for one in bank), reverse=True)[:neighbours]
    return float(query @ image) - sum(cosines) / len(cosines) / 2


@given(
    seed=st.integers(0, 100),
    bank=st.integers(1, 30),
    dim=st.integers(1, 6),
)
@settings(deadline=None, max_examples=40)
def test_inner_products_are_csls_scores(seed, bank, dim):
    queries, images, known = (vectors(n, dim, (seed, n)) for n in (4, 7, bank))
    asks = np.arange(11) < 4
    found = hubness.lower(np.concatenate([queries, images]), asks, known)
    assert found.shape == (11, dim + hubness.DIMS)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(11), abs=1e-6)
    wanted = [[naive(query, image, known) for image in images] for query in queries]
    assert 1.5 * found[:4] @ found[4:].T == pytest.approx(np.array(wanted), abs=1e-5)


@given(seed=st.integers(0, 50), bank=st.integers(1, 30))
@settings(deadline=None, max_examples=20)
def test_a_hub_is_the_mean_of_the_nearest_queries(seed, bank):
    known, images = vectors(bank, 5, seed), vectors(6, 5, (seed, 1))
    wanted = [np.sort(known @ image)[::-1][: hubness.NEIGHBOURS].mean() for image in images]
    assert hubness.hub(images, known) == pytest.approx(np.array(wanted), abs=1e-6)


def test_an_image_near_to_all_queries_no_longer_stands_first():
    rng = np.random.default_rng(0)
    middle = unit(np.ones((1, 24), np.float32))

    def things_and_queries(n):
        things = unit(rng.standard_normal((n, 24)).astype(np.float32))
        noise = rng.standard_normal((n, 24)).astype(np.float32) * 0.1
        return things, unit(things + 1.2 * middle + noise)

    (things, asked), (_, bank) = things_and_queries(40), things_and_queries(200)
    gallery = np.concatenate([things, middle])
    joined = hubness.lower(np.concatenate([asked, gallery]), np.arange(81) < 40, bank)
    first = np.argmax(asked @ gallery.T, axis=1)
    then = np.argmax(joined[:40] @ joined[40:].T, axis=1)
    assert (first == 40).sum() > 2 * (then == 40).sum()
    assert (then == np.arange(40)).mean() > (first == np.arange(40)).mean()


def test_a_bank_is_never_larger_than_needed():
    few, many = vectors(30, 3, 0), vectors(3000, 3, 1)
    assert hubness.some(few) is few
    kept = hubness.some(many)
    assert len(kept) == hubness.MOST
    assert (kept[0] == many[0]).all()
    assert (kept[-1] == many[-1]).all()
    assert len(np.unique(kept, axis=0)) == hubness.MOST
