from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cdim.data.check import duplicates
from cdim.data.check.duplicates import Duplicates, find, fingerprint
from cdim.data.images import read
from cdim.data.sets.catalogue import open_dataset

Pixels = NDArray[np.uint8]


def drawing(seed: int, size: int = 160) -> Pixels:
    """Fifteen random lines on white."""
    rng = np.random.default_rng(seed)
    canvas = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(canvas)
    for _ in range(15):
        pen.line([tuple(p) for p in rng.integers(10, size - 10, (3, 2)).tolist()], 0, 2)
    return np.asarray(canvas)


def picture(seed: int, size: int = 160) -> Pixels:
    """A smooth colour pattern."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def jpeg(image: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(image: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


def found(*images: Pixels) -> Duplicates:
    return find([fingerprint(image) for image in images])


def test_equal_pixels_are_exact_whatever_the_channels() -> None:
    a, b = drawing(0), drawing(1)
    result = found(a, b, a.copy(), np.repeat(a[..., None], 3, axis=2))
    assert result == Duplicates(exact=((0, 2, 3),), near=())


def test_equal_bytes_of_another_shape_are_not_exact() -> None:
    a = drawing(0)[:100]
    assert found(a, a.reshape(160, 100)).exact == ()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("jpeg", lambda image: jpeg(image, 70)),
        ("smaller", lambda image: resized(image, 120)),
        ("margin", lambda image: np.pad(image, ((9, 30), (25, 9)), constant_values=255)),
        ("moved", lambda image: np.roll(image, (5, -4), (0, 1))),
        ("framed", lambda image: np.pad(image[1:-1, 1:-1], 1, constant_values=128)),
    ],
)
def test_changed_copies_of_drawings_are_near(what: str, change: object) -> None:
    del what
    a = drawing(3)
    result = found(drawing(1), a, drawing(2), change(a))  # type: ignore[operator]
    assert result.exact == ()
    assert [pair[:2] for pair in result.near] == [(1, 3)]
    assert duplicates.FINE <= result.near[0][2] <= 1


@pytest.mark.parametrize("change", [lambda i: jpeg(i, 50), lambda i: resized(i, 100)])
def test_changed_copies_of_pictures_are_near(change: object) -> None:
    a = picture(3)
    result = found(picture(1), a, picture(2), change(a))  # type: ignore[operator]
    assert [pair[:2] for pair in result.near] == [(1, 3)]


def test_different_drawings_are_not_near() -> None:
    assert found(*(drawing(seed) for seed in range(60))) == Duplicates((), ())


def test_another_colour_is_not_near() -> None:
    a = picture(5)
    assert found(a, a[..., ::-1].copy()).near == ()


def test_blank_and_nearly_empty_images_are_not_near() -> None:
    blank = np.full((90, 90), 255, np.uint8)
    line, other = blank.copy(), blank.copy()
    line[40:43, 10:80] = 0
    other[50:53, 10:82] = 0
    result = found(blank, blank[:80], line, other)
    assert result == Duplicates((), ())
    assert fingerprint(blank).ink == 0
    assert fingerprint(line).ink == pytest.approx(3 * 70 / 88**2, rel=0.01)


@pytest.mark.parametrize("images", [[], [drawing(0)], [np.zeros((1, 1), np.uint8)] * 2])
def test_few_or_tiny_images(images: list[Pixels]) -> None:
    result = found(*images)
    assert result.near == ()
    assert len(result.exact) == (len(images) == 2)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [f(seed) for seed in range(10) for f in (drawing, lambda s: jpeg(drawing(s), 80))]
    whole = found(*images)
    assert [pair[:2] for pair in sorted(whole.near)] == [(2 * i, 2 * i + 1) for i in range(10)]
    monkeypatch.setattr(duplicates, "BLOCK", 3)
    parts = found(*images)
    assert [pair[:2] for pair in sorted(parts.near)] == [pair[:2] for pair in sorted(whole.near)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=12))
def test_exact_groups_equal_a_naive_loop(seeds: list[int]) -> None:
    groups: dict[int, list[int]] = {}
    for row, seed in enumerate(seeds):
        groups.setdefault(seed, []).append(row)
    naive = {tuple(rows) for rows in groups.values() if len(rows) > 1}
    assert set(found(*(drawing(seed, 64) for seed in seeds)).exact) == naive


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([(), (3,)]),
    st.integers(0, 2**32 - 1),
)
def test_any_image_has_a_fingerprint(h: int, w: int, tail: tuple[int, ...], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h, w, *tail)).astype(np.uint8)
    mark = fingerprint(image)
    assert mark.grey.shape == (32, 32)
    assert mark.colour.shape == (8, 8, 3)
    assert 0 <= mark.ink <= 1
    assert mark.aspect > 0


@pytest.mark.full
def test_of_real_photos_only_the_known_are_copies(data_root: object) -> None:
    manifest = open_dataset("qmul-chair-rgb", data_root).manifest  # type: ignore[arg-type]
    photos = manifest.where(domain="photo")
    result = found(*(read(source, photos.root) for source in photos.source))
    number = dict(enumerate(photos.column("file").tolist()))
    assert [{number[row] for row in group} for group in result.exact] == [{"13", "263"}]
    # The same office chair with and without armrests.
    assert [{number[a], number[b]} for a, b, _ in result.near] == [{"2", "121"}]
