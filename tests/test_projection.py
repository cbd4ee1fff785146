from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim import projection
from cdim.errors import UsageError


def vectors(n=40, d=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.linspace(3, 0.1, d)
    names = np.array(["edge", "sketch"] * (n // 2))
    return x + np.where(names == "edge", 5.0, -5.0)[:, None], names


@given(seed=st.integers(0, 50), strength=st.sampled_from([0.0, 0.5, 1.0]), dim=st.integers(1, 12))
@settings(deadline=None, max_examples=25)
def test_it_is_a_singular_value_decomposition_around_each_domains_mean(seed, strength, dim):
    x, names = vectors(seed=seed)
    fitted = projection.shorten(projection.decompose(x, names), dim, strength)
    centred = x.copy()
    for name in ("edge", "sketch"):
        centred[names == name] -= x[names == name].mean(0)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    spread = values[:dim] / np.sqrt(len(x))
    naive = centred @ rows[:dim].T / spread**strength
    naive /= np.linalg.norm(naive, axis=1, keepdims=True)
    ours = projection.apply(fitted, x, names)
    assert ours.shape == (len(x), dim)
    # The sign of a component means nothing.
    assert ours @ ours.T == pytest.approx(naive @ naive.T, abs=1e-3)


def test_whitened_fully_every_component_has_the_same_spread():
    x, names = vectors(400)
    fitted = projection.shorten(projection.decompose(x, names), 6, 1.0)
    rows = np.searchsorted(fitted.domains, names)
    assert ((x - fitted.means[rows]) @ fitted.matrix).std(0) == pytest.approx(np.ones(6), rel=1e-3)


def test_one_domain_is_centred_on_its_mean():
    x, _ = vectors()
    fitted = projection.shorten(projection.decompose(x, ["photo"] * len(x)), 3, 0.0)
    assert fitted.domains == ("photo",)
    assert fitted.means[0] == pytest.approx(x.mean(0), rel=1e-5)
    assert "the mean removed" in fitted.words
    assert "12 to 3" in fitted.words


@pytest.mark.parametrize("dim", [0, 13, 39])
def test_more_dimensions_than_the_images_span_are_refused(dim):
    x, names = vectors()
    with pytest.raises(UsageError, match="1 to 12 can be told apart"):
        projection.shorten(projection.decompose(x, names), dim, 0.5)


def test_few_and_many_images_give_the_same_projection():
    x, names = vectors(60)
    wide = np.pad(x, ((0, 0), (0, 60)))  # more dimensions than images, the further ones empty
    short = projection.shorten(projection.decompose(x, names), 5, 0.5)
    same = projection.shorten(projection.decompose(wide, names), 5, 0.5)
    ours, theirs = (projection.apply(short, x, names), projection.apply(same, wide, names))
    assert ours @ ours.T == pytest.approx(theirs @ theirs.T, abs=1e-4)


def test_few_images_span_few_dimensions():
    x, names = vectors(6)
    with pytest.raises(UsageError, match="1 to 4 can be told apart"):
        projection.shorten(projection.decompose(x, names), 5, 0.5)


def test_an_unknown_domain_is_refused():
    x, names = vectors()
    fitted = projection.shorten(projection.decompose(x, names), 3, 0.5)
    with pytest.raises(UsageError, match=r"'photo'.*edge, sketch"):
        projection.apply(fitted, x[:1], ["photo"])
