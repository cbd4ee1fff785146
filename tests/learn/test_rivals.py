"""The rivals of Table 3, from a dataset to distances."""

from __future__ import annotations

import dataclasses
from itertools import chain

import numpy as np
import pytest
from PIL import Image

from cdim.data.triplets import Counts, Triplets
from cdim.errors import UsageError
from cdim.learn.rivals import rivals

SETTINGS = {"FOLDS": 2, "COSTS": (0.01, 0.1)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setattr(rivals, name, value)


@pytest.fixture
def squares(products, tmp_path):
    """A CSV of 16 patterns, whose sketches are the photos, shifted a little."""
    manifest = products(instances=16, side=252)
    photos = [p for p, role in zip(manifest.source, manifest.role, strict=True) if role != "query"]
    shifted = [np.roll(photo, 3, (0, 1)) for photo in photos]
    manifest = dataclasses.replace(manifest, source=list(chain(*zip(photos, shifted, strict=True))))
    paths = []
    for row, pixels in enumerate(manifest.source):
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
        paths.append(f"{row}.png")
    path = tmp_path / "squares.csv"
    dataclasses.replace(manifest, source=paths, root=tmp_path).to_csv(path)
    return path, manifest


@pytest.mark.parametrize("name", ["hog-bow", "dense-hog"])
def test_a_rival_finds_patterns_it_was_fitted_on(name, squares):
    path, manifest = squares
    rival = rivals.fit(name, str(path))
    query, gallery = manifest.where(role="query"), manifest.where(role="gallery")
    apart = rival.distances(query, gallery)
    assert apart.shape == (16, 16)
    found = query.instance == gallery.instance[apart.argmin(1)]
    assert found.mean() > (0.9 if name == "dense-hog" else 0.5)
    assert rival.teacher == "pairs"
    assert rival.cost in SETTINGS["COSTS"]
    assert rival.dim == (1764 if name == "dense-hog" else 500)


def test_the_same_seed_gives_the_same_distances(squares):
    path, manifest = squares
    sides = manifest.where(role="query"), manifest.where(role="gallery")
    one, other = (rivals.fit("hog-bow", str(path), seed=3).distances(*sides) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_triplets_of_people_are_rows_of_their_images(products):
    train = products(instances=3)
    answers = (["/000"], ["/001"], ["/002"])
    people = Triplets(*map(np.array, answers), Counts(1, 0, 0, 0, 0))
    stranger = Triplets(*map(np.array, (["x"], ["/001"], ["/002"])), Counts(1, 0, 0, 0, 0))
    taught = rivals._taught(train, [people, stranger], 0)
    a, n, f = taught["people"].T[0]
    assert len(taught["people"].T) == 1
    assert (train.instance[[a, n, f]] == ["/000", "/001", "/002"]).all()
    assert (train.role[[a, n, f]] == ["query", "gallery", "gallery"]).all()
    pairs = taught["pairs"]
    assert pairs.shape == (3, 3 * 2)
    assert (train.instance[pairs[0]] == train.instance[pairs[1]]).all()
    assert (train.instance[pairs[0]] != train.instance[pairs[2]]).all()


def test_nothing_to_learn_from_is_said(products):
    train = products(instances=3)
    with pytest.raises(UsageError, match="3 sketched and 0 photographed"):
        rivals._taught(train.take(train.role == "query"), [], 0)


def test_isn_needs_a_network():
    with pytest.raises(UsageError, match=r"stage1-quickdraw\.toml"):
        rivals.fit("isn", "synthetic:9")
