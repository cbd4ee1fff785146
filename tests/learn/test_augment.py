"""Random changes to images, against crops and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cdim.data.preprocess import Preprocess
from cdim.learn.recipes.parts import AugmentPart
from cdim.learn.training.augment import WHITE, _thicken, augment

PREPROCESS = Preprocess((40, 36), (31, 27), 1, (100.0,), (50.0,))
NOTHING = {"flip": 0.0, "crop": "center"}
TINY = {"rotate": 1e-9}
"""Takes the way of the warp without moving anything."""


def stack(n=5, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 40, 36, channels), dtype=np.uint8)


def run(images, seed=0, group=None, preprocess=PREPROCESS, **part):
    group = np.arange(len(images)) if group is None else np.asarray(group)
    rng = np.random.default_rng(seed)
    return augment(images, group, AugmentPart(**{**NOTHING, **part}), preprocess, rng)


def pixels(tensor):
    """Network input back to whole grey values (n, h, w)."""
    return (tensor[:, 0] * 50 + 100).round().numpy().astype(int)


@pytest.mark.parametrize("more", [{}, TINY])
def test_nothing_asked_is_the_centre_crop_of_evaluation(more):
    given = stack()
    before = given.copy()
    found = run(given, **more)
    assert found.dtype == torch.float32
    assert found.shape == (5, 1, 31, 27)
    wanted = torch.from_numpy(PREPROCESS(given))
    assert torch.equal(found, wanted) if not more else torch.allclose(found, wanted, atol=0.0201)
    assert np.array_equal(given, before)


def test_three_channels_stay_together():
    colour = Preprocess((40, 36), (31, 27), 3, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    given = stack(channels=3)
    assert torch.equal(run(given, preprocess=colour), torch.from_numpy(colour(given)))


def test_random_crops_are_windows_of_the_image_and_reach_every_corner():
    given = stack(200)
    found = pixels(run(given, crop="random"))
    places = set()
    for image, crop in zip(given[..., 0], found, strict=True):
        (place,) = (
            (top, left)
            for top in range(10)
            for left in range(10)
            if np.array_equal(image[top : top + 31, left : left + 27], crop)
        )
        places.add(place)
    assert {p[0] for p in places} == set(range(10))
    assert {p[1] for p in places} == set(range(10))


@pytest.mark.parametrize("more", [{}, TINY])
def test_images_of_a_group_flip_together(more):
    given = stack(20)
    group = np.tile(np.arange(10), 2)
    plain = pixels(run(given))
    found = pixels(run(given, flip=0.5, group=group, **more))
    flipped = []
    for before, after in zip(plain, found, strict=True):
        same, mirrored = abs(after - before).max() <= 1, abs(after - before[:, ::-1]).max() <= 1
        assert same != mirrored
        flipped.append(mirrored)
    assert flipped[:10] == flipped[10:]
    assert 0 < sum(flipped) < 20


def test_warping_by_nothing_is_the_same_random_crop():
    given = stack(8)
    for part in ({"crop": "random"}, {"crop": "random", "flip": 0.5}):
        plain, warped = pixels(run(given, **part)), pixels(run(given, **part, **TINY))
        assert abs(plain - warped).max() <= 1


def test_white_comes_in_from_outside():
    black = np.zeros((30, 40, 36, 1), dtype=np.uint8)
    found = pixels(run(black, shift=0.9))
    assert set(np.unique(found)) >= {0, WHITE}
    assert (found.reshape(30, -1) == WHITE).mean(1).max() > 0.5
    white = np.full_like(black, WHITE)
    strong = {"rotate": 90.0, "scale": 0.5, "shift": 0.5, "elastic": 0.05}
    assert (pixels(run(white, **strong)) == WHITE).all()


def test_scaling_changes_the_size_of_things():
    """A centred black square of 16 has 16**2 pixels times both factors' inverse."""
    given = np.full((300, 40, 36, 1), WHITE, dtype=np.uint8)
    given[:, 12:28, 10:26] = 0
    dark = (WHITE - pixels(run(given, scale=0.25))).sum((1, 2)) / WHITE
    assert 0.9 * 16**2 / 1.25**2 < dark.min() < 0.8 * 16**2
    assert 1.3 * 16**2 < dark.max() < 1.1 * 16**2 / 0.75**2


def test_a_quarter_turn_is_a_quarter_turn():
    square = Preprocess((31, 31), (31, 31), 1, (100.0,), (50.0,))
    given = np.full((1, 31, 31, 1), WHITE, dtype=np.uint8)
    given[0, 3:6, 10:20] = 0
    angles = []
    for seed in range(200):
        found = WHITE - pixels(run(given, seed, preprocess=square, rotate=180.0))[0]
        y, x = np.average(np.argwhere(found), axis=0, weights=found[found > 0])
        angles.append(np.degrees(np.arctan2(y - 15, x - 15)))
        assert np.hypot(y - 15, x - 15) == pytest.approx(11.0, abs=0.3)
    assert np.ptp(angles) > 300


@pytest.mark.parametrize(
    "part",
    [
        {"crop": "random", "flip": 0.5},
        {"rotate": 10.0, "scale": 0.1, "shift": 0.05, "elastic": 0.02},
        {"erase": 0.3, "thicken": 0.5},
    ],
)
def test_the_generator_decides_everything(part):
    given = stack()
    assert torch.equal(run(given, 1, **part), run(given, 1, **part))
    assert not torch.equal(run(given, 1, **part), run(given, 2, **part))


def test_thickening_is_the_darkest_of_nine_neighbours():
    given = stack(3)
    found = _thicken(given)
    for i in range(3):
        for y in range(40):
            for x in range(36):
                near = given[i, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, 0]
                assert found[i, y, x, 0] == min(int(v) for v in near.ravel())


def test_some_images_are_thickened():
    given = stack(40)
    plain, found = pixels(run(given)), pixels(run(given, thicken=0.5))
    changed = (plain != found).any((1, 2))
    assert 5 < changed.sum() < 35
    assert (found <= plain).all()


def test_only_a_share_of_the_images_is_erased():
    black = np.zeros((400, 40, 36, 1), dtype=np.uint8)
    erased = (pixels(run(black, erase=0.5, erase_chance=0.25)) != 0).any((1, 2))
    assert 60 < erased.sum() < 140
    assert not pixels(run(black, erase=0.5, erase_chance=0.0)).any()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_one_rectangle_is_painted_in_the_mean_and_no_more_than_the_share(share):
    black = np.zeros((200, 40, 36, 1), dtype=np.uint8)
    painted = pixels(run(black, erase=share))
    assert set(np.unique(painted)) == {0, 100}
    found = painted == 100
    sizes = found.mean((1, 2))
    assert sizes.max() <= share
    assert sizes.max() > 0.6 * share
    for image in found[sizes > 0]:
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
