from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cdim.data import strokes
from cdim.data.strokes import Strokes, draw
from cdim.errors import DataError

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=5)
SHARES = st.floats(0.001, 1)


def drawing(lengths: list[int]) -> Strokes:
    rng = np.random.default_rng(sum(lengths))
    return Strokes([rng.uniform(20, 230, (n, 2)) for n in lengths])


@given(LENGTHS, SHARES)
def test_upto_keeps_the_first_points(lengths: list[int], share: float) -> None:
    whole = np.concatenate(drawing(lengths).lines)
    part = drawing(lengths).upto(share)
    points = np.concatenate(part.lines)
    assert len(points) == max(1, int(np.ceil(share * len(whole))))
    assert np.array_equal(points, whole[: len(points)])
    assert [len(line) for line in part.lines[:-1]] == lengths[: len(part.lines) - 1]


@given(LENGTHS, SHARES, SHARES)
def test_more_of_a_drawing_has_no_less_ink(lengths: list[int], a: float, b: float) -> None:
    less, more = sorted((a, b))
    whole = drawing(lengths)
    # A line begun is a dot, which sticks out of the line by a fraction of a pixel.
    assume(len(whole.upto(less).lines[-1]) > 1)
    assert (draw(whole.upto(more)) <= draw(whole.upto(less))).all()


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(DataError, match="share"):
        drawing([3]).upto(share)


def test_lines_are_black_on_white_and_where_they_belong() -> None:
    line = Strokes([np.array([[64, 128], [192, 128]])])
    for size in (64, 256):
        image = draw(line, size, width=4)
        assert image.shape == (size, size)
        assert image.dtype == np.uint8
        rows, columns = np.nonzero(image < 128)
        assert abs(rows.mean() / size - 0.5) < 0.02
        assert abs(columns.min() / size - 0.25) < 0.03
        assert abs(columns.max() / size - 0.75) < 0.03


def test_a_single_point_leaves_a_dot() -> None:
    image = draw(Strokes([np.array([[100.0, 50.0]])]))
    assert image[49:52, 99:102].min() < 255
    assert (image < 255).sum() <= 9


@pytest.mark.parametrize("lines", [[], [np.zeros((0, 2))], [np.zeros((3, 3))], [[[np.nan, 0]]]])
def test_what_is_no_drawing(lines: list[np.ndarray]) -> None:
    with pytest.raises(DataError):
        Strokes(lines)


def quickdraw(**change: object) -> dict[str, object]:
    arrays: dict[str, object] = {
        "points": np.array([[0, 0], [100, 0], [0, 50], [5, 5], [5, 9]], dtype=np.uint8),
        "stroke_len": np.array([2, 1, 2], dtype=np.uint16),
        "drawing_first_stroke": np.array([0, 2, 3], dtype=np.int32),
        "label": np.array([1, 0], dtype=np.int16),
        "categories": np.array(["cat", "dog"]),
        "key_id": np.array([11, 2**63], dtype=np.uint64),
    }
    return {**arrays, **change}


def test_quickdraw_drawings_are_centred_and_filled_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "q.npz", **quickdraw())
    file = strokes.open_file(tmp_path / "q.npz", "q")
    assert list(file.rows) == ["11", str(2**63)]
    assert file.category.tolist() == ["dog", "cat"]
    first = file["11"]
    assert [len(line) for line in first.lines] == [2, 1]
    points = np.concatenate(first.lines)
    assert points.min(0) + points.max(0) == pytest.approx([256, 256])
    assert np.ptp(points, 0) == pytest.approx([225, 112.5])


@pytest.mark.parametrize(
    "change",
    [
        {"stroke_len": np.array([2, 1, 9])},
        {"stroke_len": np.array([2, 0, 3])},
        {"drawing_first_stroke": np.array([0, 3])},
        {"drawing_first_stroke": np.array([0, 0, 3])},
        {"label": np.array([1, 7])},
    ],
)
def test_arrays_that_do_not_fit_together(tmp_path: Path, change: dict[str, object]) -> None:
    np.savez(tmp_path / "q.npz", **quickdraw(**change))
    with pytest.raises(DataError, match="fit together"):
        strokes.open_file(tmp_path / "q.npz", "q")


def test_chair_strokes_end_at_the_pen_lift(tmp_path: Path) -> None:
    points = np.zeros((5, 3), np.float32)
    points[:, 0] = range(5)
    points[[1, 2], 2] = 1
    np.savez(tmp_path / "c.npz", keys=["a", "b"], offsets=[0, 3, 5], points=points)
    file = strokes.open_file(tmp_path / "c.npz", "c")
    assert [line[:, 0].tolist() for line in file["a"].lines] == [[0, 1], [2]]
    assert [line[:, 0].tolist() for line in file["b"].lines] == [[3, 4]]
