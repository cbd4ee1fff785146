from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from cdim.data.edges import SIZE, edge_map
from cdim.data.images import read
from cdim.data.sets import qmul


def box(size=(400, 400), colour=(200, 30, 30)):
    """A box from a quarter to three quarters of a white photo."""
    photo = np.full((*size, 3), 255, dtype=np.uint8)
    h, w = size
    photo[h // 4 : 3 * h // 4, w // 4 : 3 * w // 4] = colour
    return photo


@settings(deadline=None, max_examples=20)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)) | st.just((7, 300))))
def test_any_size_gives_a_map_of_one_size_and_twice_the_same(pixels):
    found = edge_map(pixels)
    assert found.shape == (SIZE, SIZE)
    assert found.dtype == np.uint8
    assert np.array_equal(found, edge_map(np.dstack([pixels] * 3)))


def bounds(found):
    """First and last dark row, first and last dark column."""
    rows, columns = np.nonzero(found < 128)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("side", [60, 256, 900])
def test_the_sides_of_a_box_fill_the_map(side):
    found = edge_map(box((side, side)))
    assert np.allclose(bounds(found), (15, 240, 15, 240), atol=4)
    assert (found[24:232, 24:232] == 255).all()
    assert (found[128, 8:24] < 128).any()
    assert (found < 128).mean() < 0.04


def test_a_margin_and_a_place_do_not_matter():
    tight, wide = box((200, 200)), np.full((600, 800, 3), 255, dtype=np.uint8)
    wide[50:250, 500:700] = tight
    assert close(edge_map(tight), edge_map(wide))


def close(one, other):
    """Whether the lines of each lie within two pixels of the other's."""
    a, b = one < 128, other < 128
    near_a, near_b = (ndimage.binary_dilation(m, iterations=2) for m in (a, b))
    return a.any() and b.any() and near_a[b].mean() > 0.97 and near_b[a].mean() > 0.97


def test_an_edge_between_colours_of_one_grey_is_seen():
    photo = np.zeros((256, 256, 3), dtype=np.uint8)
    photo[:, :128], photo[:, 128:] = (150, 0, 0), (0, 76, 0)
    grey = np.asarray(Image.fromarray(photo).convert("L")).astype(int)
    assert np.ptp(grey) <= 1
    found = edge_map(photo) < 128
    assert (found[:, 125:131]).any(axis=1).mean() > 0.8
    assert found.mean() < 0.01


@pytest.mark.parametrize("photo", [np.zeros((1, 1), np.uint8), np.full((90, 30, 3), 255, np.uint8)])
def test_a_plain_photo_has_no_edges(photo):
    assert (edge_map(photo) == 255).all()


def test_noise_and_specks_leave_no_edges():
    rng = np.random.default_rng(0)
    photo = np.clip(rng.normal(180, 4, (256, 256, 3)), 0, 255).astype(np.uint8)
    photo[100:102, 100:102] = 60
    assert (edge_map(photo) == 255).all()


def test_resolution_does_not_matter():
    rng = np.random.default_rng(0)
    tiles = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    large = tiles.resize((1024, 1024), Image.Resampling.NEAREST)
    small = large.resize((384, 384), Image.Resampling.LANCZOS)
    assert close(edge_map(np.asarray(large)), edge_map(np.asarray(small)))


def test_a_photo_that_is_not_square_keeps_its_proportions_in_the_middle():
    found = edge_map(box((200, 400)))
    assert np.allclose(bounds(found), (72, 184, 15, 240), atol=4)


@pytest.mark.parametrize("category", ["shoe", "chair"])
def test_real_photos_look_like_the_released_edge_maps(data_root, category):
    released = (
        qmul.mat_manifest(data_root, category).where(split="train", domain="edge").take(range(12))
    )
    photos = (
        qmul.rgb_manifest(data_root, category).where(split="train", domain="photo").take(range(12))
    )
    assert released.instance.tolist() == photos.instance.tolist()
    theirs = np.array([read(s, released.root) for s in released.source])
    ours = np.array([edge_map(read(s, photos.root)) for s in photos.source])
    assert abs(ours.mean() - theirs.mean()) < 5
    own = [[_agreement(a, b) for b in theirs] for a in ours]
    assert (np.argmax(own, axis=1) == np.arange(12)).all()


def _agreement(ours, theirs):
    """Share of the lines of each that lie near one of the other, both cut to their bounds."""
    a, b = (_cut(m) < 200 for m in (ours, theirs))
    near_a, near_b = (ndimage.binary_dilation(m, iterations=2) for m in (a, b))
    return (near_a[b].mean() + near_b[a].mean()) / 2


def _cut(found):
    top, bottom, left, right = bounds(found)
    part = Image.fromarray(found[top : bottom + 1, left : right + 1])
    return np.asarray(part.resize((128, 128), Image.Resampling.BILINEAR))
