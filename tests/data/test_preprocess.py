"""Pixels to model input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from cdim.data import preprocess
from cdim.data.preprocess import Preprocess
from cdim.errors import ModelError

FILL = Preprocess(resize=(100, 100), crop=(100, 100), mean=(0.0,), fill=0.8)


def drawing(size, box, line=3):
    """A box with a cross in it, black on white."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle(box, outline=0, width=line)
    draw.line(box, fill=0, width=line)
    return np.asarray(image)


def ends(image):
    """First and last row, first and last column with ink."""
    rows, columns = (np.flatnonzero((image < 128).any(axis)) for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


@given(
    left=st.integers(0, 60),
    top=st.integers(0, 60),
    width=st.integers(60, 200),
    height=st.integers(60, 200),
)
@settings(deadline=None, max_examples=40)
def test_a_drawing_fills_its_share_in_the_middle_with_its_proportions(left, top, width, height):
    image = drawing((300, 280), (left, top, left + width, top + height))
    first, last, west, east = ends(FILL.load(image)[..., 0])
    tall, wide = last - first + 1, east - west + 1
    assert max(tall, wide) == pytest.approx(80, abs=3)
    assert tall / wide == pytest.approx(height / width, rel=0.08)
    assert (first + last) / 2 == pytest.approx(49.5, abs=2)
    assert (west + east) / 2 == pytest.approx(49.5, abs=2)


def test_size_and_place_of_a_drawing_change_nothing_else():
    one = drawing((256, 256), (20, 30, 120, 90))
    other = drawing((400, 500), (150, 300, 350, 420), line=6)

    def apart(plan):
        return np.abs(plan.load(one).astype(float) - plan.load(other)).mean()

    assert apart(FILL) < 0.6 * apart(dataclasses.replace(FILL, fill=0.0))


def test_a_speck_does_not_set_the_scale():
    image = drawing((256, 256), (60, 60, 180, 180)).copy()
    clean = FILL.load(image)
    image[5:7, 5:7] = 0
    assert np.abs(clean.astype(float) - FILL.load(image)).mean() < 2


@pytest.mark.parametrize("channels", [1, 3])
def test_empty_paper_stays_empty(channels):
    plan = Preprocess(
        (64, 48), (64, 48), channels, mean=(0.0,) * channels, std=(1.0,) * channels, fill=0.7
    )
    assert (plan.load(np.full((20, 30), 255, np.uint8)) == 255).all()


def test_without_fill_an_image_is_only_stretched():
    image = drawing((50, 50), (2, 2, 20, 20))
    plain = Preprocess(resize=(50, 50), crop=(50, 50), mean=(0.0,))
    assert (plain.load(image)[..., 0] == image).all()


@pytest.mark.parametrize("size", [(40_000, 50), (50, 40_000), (5_000, 5_000)])
def test_a_huge_drawing_takes_no_huge_square(size, monkeypatch):
    made = []
    new = Image.new
    monkeypatch.setattr(Image, "new", lambda *a, **k: made.append(max(a[1])) or new(*a, **k))
    image = np.full(size[::-1], 255, dtype=np.uint8)
    image[size[1] // 10 : -size[1] // 10, size[0] // 10 : -size[0] // 10] = 0
    found = FILL.load(image)[..., 0]
    assert found.min() < 255
    assert max(made) <= preprocess.LARGEST
    if size[0] == size[1]:
        assert ends(found) == (10, 89, 10, 89)


@pytest.mark.parametrize("fill", [-0.1, 0.01, 1.1])
def test_a_share_is_from_0_to_1(fill):
    with pytest.raises(ModelError, match=r"fill = .*0\.1 to 1"):
        Preprocess(fill=fill)
