"""A model that a reader can predict, and galleries that use it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.made import mean_colours

from cdim.find.gallery import Gallery


class Counting:
    """The mean of each colour, 0 to 255; counts the images it was given."""

    def __init__(self, bundle):
        self.bundle = bundle
        self.seen = 0

    def encode_pixels(self, pixels, domain):
        self.bundle.taken_as(domain)
        self.seen += len(pixels)
        colours = [np.asarray(Image.fromarray(p).convert("RGB")) for p in pixels]
        return np.array([c.reshape(-1, 3).mean(0) for c in colours], dtype=np.float32)


def plain(colour, size=(8, 6)):
    """An image of one colour, uint8 (h, w, 3)."""
    return np.full((*size, 3), colour, dtype=np.uint8)


def save(path, colour, **options):
    """A file of an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path, **options)
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return mean_colours(tmp_path_factory.mktemp("bundles") / "colours")


@pytest.fixture
def encoder(bundle):
    return Counting(bundle)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "gallery"


@pytest.fixture
def gallery(place, encoder):
    with Gallery.open(place, encoder, create=True) as opened:
        yield opened
