"""HOG features: what they are, and what they do not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.learn.rivals import handcrafted


@pytest.fixture
def patterns(products):
    return products(instances=4, side=252)


def blank():
    white = np.full((256, 256), 255, dtype=np.uint8)
    return Manifest.build([white], ["blank"])


def test_dense_vectors_have_length_one(patterns):
    found = np.stack(handcrafted.dense_hog(patterns))
    assert found.shape == (len(patterns), 1764)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_blank_paper_has_no_descriptors_and_no_words(patterns):
    assert not handcrafted.dense_hog(blank())[0].any()
    described = handcrafted.local_hog(blank())
    assert described[0].shape == (0, 36)
    count = handcrafted.words(handcrafted.local_hog(patterns), 0)
    assert not count(described).any()


def test_words_are_the_nearest_centres_counted(monkeypatch):
    monkeypatch.setattr(handcrafted, "WORDS", 2)
    rng = np.random.default_rng(0)
    left, right = np.zeros(36), np.eye(36)[0] * 9
    some = [(c + rng.normal(0, 0.1, (20, 36))).astype(np.float32) for c in (left, right)]
    count = handcrafted.words(some, 0)
    image = np.concatenate([some[0][:9], some[1][:16]])
    counted = sorted(count([image])[0].tolist())
    np.testing.assert_allclose(counted, [3 / 5, 4 / 5], rtol=1e-5)


def test_where_a_descriptor_lies_does_not_matter_to_words(monkeypatch):
    # Far fewer words than descriptors, so that no two are the same: which of those is taken
    # depends on the processor.
    monkeypatch.setattr(handcrafted, "WORDS", 20)
    described = list(np.random.default_rng(0).random((12, 50, 36), dtype=np.float32))
    count = handcrafted.words(described, 0)
    turned = [d[::-1] for d in described]
    np.testing.assert_allclose(count(described), count(turned))
