from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.bundles.heads import fit, hubness, kinds, projection
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
    fitted = fit.shorten(fit.decompose(x, names), dim, strength)
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
    fitted = fit.shorten(fit.decompose(x, names), 6, 1.0)
    rows = np.searchsorted(fitted.domains, names)
    assert ((x - fitted.means[rows]) @ fitted.matrix).std(0) == pytest.approx(np.ones(6), rel=1e-3)


def test_one_domain_is_centred_on_its_mean():
    x, _ = vectors()
    fitted = fit.shorten(fit.decompose(x, ["photo"] * len(x)), 3, 0.0)
    assert fitted.domains == ("photo",)
    assert fitted.means[0] == pytest.approx(x.mean(0), rel=1e-5)
    assert "the mean removed" in fitted.words
    assert "12 to 3" in fitted.words


@pytest.mark.parametrize("dim", [0, 13, 39])
def test_more_dimensions_than_the_images_span_are_refused(dim):
    x, names = vectors()
    with pytest.raises(UsageError, match="1 to 12 can be told apart"):
        fit.shorten(fit.decompose(x, names), dim, 0.5)


def test_few_and_many_images_give_the_same_projection():
    x, names = vectors(60)
    wide = np.pad(x, ((0, 0), (0, 60)))  # more dimensions than images, the further ones empty
    short = fit.shorten(fit.decompose(x, names), 5, 0.5)
    same = fit.shorten(fit.decompose(wide, names), 5, 0.5)
    ours, theirs = (projection.apply(short, x, names), projection.apply(same, wide, names))
    assert ours @ ours.T == pytest.approx(theirs @ theirs.T, abs=1e-4)


def test_few_images_span_few_dimensions():
    x, names = vectors(6)
    with pytest.raises(UsageError, match="1 to 4 can be told apart"):
        fit.shorten(fit.decompose(x, names), 5, 0.5)


def test_an_unknown_domain_is_refused():
    x, names = vectors()
    fitted = fit.shorten(fit.decompose(x, names), 3, 0.5)
    with pytest.raises(UsageError, match=r"'photo'.*edge, sketch"):
        projection.apply(fitted, x[:1], ["photo"])


def paired(n=30, d=40, seed=0):
    """Pairs (2n, d) with noise that has directions of its own, and what they are."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((d, d)) * np.linspace(2, 0.05, d)
    things = rng.standard_normal((n, d))
    x = np.concatenate([things + rng.standard_normal((n, d)) @ noise * 0.3 for _ in range(2)])
    sides = np.arange(2 * n) < n
    return x, np.where(sides, "sketch", "photo"), sides, [f"thing {i % n}" for i in range(2 * n)]


@given(seed=st.integers(0, 50), strength=st.sampled_from(kinds.REGULARISATION))
@settings(deadline=None, max_examples=20)
def test_contrast_whitens_what_differs_within_pairs(seed, strength):
    x, names, sides, things = paired(60, 8, seed)
    found = fit.pair(fit.decompose(x, names), sides, things)
    ours = projection.apply(fit.contrast(found, 8, strength), x, names)
    # As the textbook has it, without the detour through the span of the images.
    centred = x.copy()
    for name in ("photo", "sketch"):
        centred[names == name] -= x[names == name].mean(0)
    apart = centred[:60] - centred[60:]
    within = sum(np.outer(row, row) for row in apart) / 60
    values, vectors = np.linalg.eigh(within + strength * np.trace(within) / 8 * np.eye(8))
    naive = centred @ vectors @ np.diag(values**-0.5) @ vectors.T
    spread, axes = np.linalg.eigh(naive.T @ naive / len(naive))
    spread = np.maximum(spread, spread.mean() * fit.LEAST)
    naive = naive @ axes @ np.diag(np.sqrt(spread) ** -fit.EVENNESS)
    naive /= np.linalg.norm(naive, axis=1, keepdims=True)
    assert ours @ ours.T == pytest.approx(naive @ naive.T, abs=1e-4)


def test_contrast_finds_held_out_pairs_that_noise_hides():
    x, names, sides, things = paired(200)
    learned = np.arange(400) % 200 < 150
    found = fit.decompose(x[learned], names[learned])
    numbers = np.array(things)
    known = fit.pair(found, sides[learned], numbers[learned])

    def right(head):
        y = projection.apply(head, x[~learned], names[~learned])
        return (np.argmax(y[:50] @ y[50:].T, axis=1) == np.arange(50)).mean()

    plain, better = fit.shorten(found, 40, 0.0), fit.contrast(known, 40, 0.1)
    assert right(better) > right(plain) + 0.2


def test_csls_lowers_gallery_images_near_to_the_training_queries():
    x, names, sides, things = paired(60)
    found = fit.pair(fit.decompose(x, names), sides, things)
    plain = fit.fit(found, kinds.Head("pairs", 0.3), 12)
    lowered = fit.fit(found, kinds.Head("csls", 0.3), 14)
    assert (plain.dim, lowered.dim, lowered.asking) == (12, 14, ("sketch",))
    assert "60 queries" in lowered.words
    new, _, _, _ = paired(9, seed=1)
    new_names = ["sketch"] * 9 + ["photo"] * 9
    h, y = (projection.apply(head, new, new_names) for head in (plain, lowered))
    bank = projection.apply(plain, x[:60], names[:60])
    hubs = np.sort(h[9:] @ bank.T, axis=1)[:, -hubness.NEIGHBOURS :].mean(1)
    assert y[:9] @ y[9:].T == pytest.approx((h[:9] @ h[9:].T - hubs / 2) / 1.5, abs=1e-5)
    assert np.linalg.norm(y, axis=1) == pytest.approx(np.ones(18), abs=1e-6)


def test_csls_needs_two_sides_and_room():
    x, names, sides, things = paired(8, 6)
    found = fit.pair(fit.decompose(x, names), sides, things)
    with pytest.raises(UsageError, match="ask for 3 or more"):
        fit.fit(found, kinds.Head("csls", 1.0), 2)
    alike = fit.pair(fit.decompose(x, ["photo"] * 16), sides, things)
    with pytest.raises(UsageError, match=r"photo.*queries of one domain"):
        fit.fit(alike, kinds.Head("csls", 1.0), 4)


def test_several_images_of_a_side_count_by_their_mean():
    x, names, sides, things = paired(6, 5)
    doubled = np.concatenate([x, x[6:]])
    more = [*things, *things[6:]]
    found = fit.decompose(doubled, [*names, *names[6:]])
    once = fit.pair(found, np.append(sides, np.zeros(6, dtype=bool)), more)
    rows = found.inside
    apart = rows[:6] - rows[6:12]
    assert once.within == pytest.approx(apart.T @ apart / 6, abs=1e-9)
    assert once.pairs == 6


def test_as_many_images_as_dimensions_do_not_blow_up_the_last_directions():
    x, names, sides, things = paired(200, 40)
    right = []
    for count in (10, 20, 100):
        some = np.arange(400) % 200 < count
        found = fit.decompose(x[some], names[some], whole=True)
        known = fit.pair(found, sides[some], np.array(things)[some])
        rest = np.arange(400) % 200 >= 150
        y = projection.apply(fit.contrast(known, 40, 1.0), x[rest], names[rest])
        right.append((np.argmax(y[:50] @ y[50:].T, axis=1) == np.arange(50)).mean())
    # 20 pairs are 40 images of 40 dimensions: the worst case without the least variance.
    assert right[1] >= right[0] - 0.1
    assert right[2] >= right[1]


def test_all_axes_can_be_kept_where_images_are_few():
    x, names, sides, things = paired(4, 12)
    found = fit.decompose(x, names, whole=True)
    fitted = fit.contrast(fit.pair(found, sides, things), 12, 1.0)
    new = np.random.default_rng(3).standard_normal((5, 12))
    given = projection.apply(fitted, new, ["photo"] * 5)
    assert np.linalg.matrix_rank(given) == 5
    assert fit.decompose(x, names).axes.shape == (12, 6)


def test_roots_have_length_one_and_keep_signs():
    x = np.array([[4.0, -9.0, 0.0], [0.0, 0.0, 0.0]])
    assert projection.rooted(x) == pytest.approx(
        np.array([[2, -3, 0], [0, 0, 0]]) / np.sqrt([[13], [1]])
    )


def test_pairs_are_needed():
    x, names, sides, things = paired(6, 5)
    found = fit.decompose(x, names)
    with pytest.raises(UsageError, match="0 instances with images on both sides"):
        fit.pair(found, sides, [f"{i}" for i in range(12)])
    with pytest.raises(UsageError, match="components without pairs"):
        fit.contrast(found, 3, 1.0)
    assert things


@given(strength=st.floats(1e-3, 1))
def test_a_head_is_named_and_read(strength):
    for kind in get_args(kinds.Kind):
        head = kinds.Head(kind, float(f"{strength:g}"))
        assert kinds.read_head(str(head)) == head


@pytest.mark.parametrize(
    "text", ["", "pairs", "pairs:0", "pairs:-1", "pairs:nan", "pairs:inf", "components:1.5", "x:1"]
)
def test_other_heads_are_refused(text):
    with pytest.raises(UsageError, match=r"components:POWER"):
        kinds.read_head(text)
