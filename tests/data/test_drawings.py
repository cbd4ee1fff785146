from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.data import drawings
from cdim.data.strokes import draw
from cdim.errors import ImageError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}>{}</svg>'
NUMBER = st.floats(-1e4, 1e4, width=32)
STROKES = st.lists(
    st.lists(st.lists(NUMBER, min_size=2, max_size=2), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


def svg(body, attributes=""):
    return drawings.read_svg(SVG.format(attributes, body).encode(), "it")


def spread(drawing):
    """Lowest and highest x, y."""
    points = np.concatenate(drawing.lines)
    return points.min(0).tolist(), points.max(0).tolist()


@settings(deadline=None)
@given(STROKES)
def test_strokes_are_centred_keep_their_order_and_proportions(strokes):
    found = drawings.from_value({"strokes": strokes}, "it")
    assert [len(line) for line in found.lines] == [len(stroke) for stroke in strokes]
    given_points = np.concatenate([np.array(s, np.float32) for s in strokes])
    low, high = np.array(spread(found))
    assert low + high == pytest.approx([256, 256], abs=0.1)
    extent = np.ptp(given_points, axis=0).astype(float)
    if extent.max() > 1e-3:
        assert (high - low).max() == pytest.approx(225, abs=0.1)
        assert high - low == pytest.approx(extent * 225 / extent.max(), abs=0.2)


@settings(deadline=None)
@given(STROKES)
def test_the_forms_of_json_say_the_same(strokes):
    columns = [[[x for x, _ in s], [y for _, y in s], [0] * len(s)] for s in strokes]
    forms = (
        {"strokes": strokes, "width": 9, "height": 9},
        strokes,
        {"drawing": columns},
        {"drawing": [stroke[:2] for stroke in columns]},
        [[], *strokes, [[]]],
        {"drawing": [[[], []], *columns]},
    )
    first, *others = (draw(drawings.read_json(json.dumps(f).encode(), "it")) for f in forms)
    for other in others:
        assert np.array_equal(first, other)


TWO, FOUR = [[0, 9], [0, 5]], [[0, 9, 9, 0], [0, 0, 5, 5]]


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ([TWO], [(0, 9), (0, 5)]),
        ({"strokes": [TWO]}, [(0, 9), (0, 5)]),
        ({"drawing": [TWO]}, [(0, 0), (9, 5)]),
        ([TWO, FOUR], [(0, 0), (9, 5)]),
        ({"drawing": [TWO, [[1, 2], [3, 4], [5, 6]]]}, [(0, 9), (0, 5)]),
        ({"drawing": [[[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]], TWO]}, None),
        ({"drawing": [[[0, 9], [0, 5], [7, 8]]]}, [(0, 0), (9, 5)]),
        ([[[0, 9, 0.5, 10], [3, 4, 0.6, 20]]], [(0, 9), (3, 4)]),
        ([[[0, 9, 0.5], [3, 4, None]]], [(0, 9), (3, 4)]),
        ([[[0, 9, 1.6e12], [0, 5, 1.6e12]], [[1, 2, 3]]], [(0, 9), (0, 5)]),
    ],
)
def test_points_and_columns_are_told_apart_by_the_whole_drawing(value, first):
    lines = drawings.from_value(value, "it").lines
    if first is None:
        assert [len(line) for line in lines] == [5, 2]
        return
    found, expected = np.diff(lines[0], axis=0), np.diff(first, axis=0)
    assert found * np.abs(expected).sum() == pytest.approx(expected * np.abs(found).sum(), rel=1e-4)


def test_a_file_of_several_drawings_is_refused_with_their_number():
    lines = b"".join(
        json.dumps({"word": "shoe", "drawing": [TWO]}).encode() + b"\r\n" for _ in "abc"
    )
    for reader in (drawings.read_ndjson, drawings.read_json):
        with pytest.raises(ImageError, match=r"it has 3 drawings.*ndjson#1"):
            reader(lines, "it")
    one = drawings.read_ndjson(lines.splitlines()[0] + b"\n\n", "it")
    assert np.array_equal(one.lines, drawings.from_value({"drawing": [TWO]}, "it").lines)
    found = drawings.DrawingLines(lines + b"[[[1, 2]]]", "it")
    assert len(found["3"].lines[0]) == 2
    assert len(found["4"].lines[0]) == 1
    for key in ("0", "5", "-1", "x", "²"):
        with pytest.raises(ImageError, match="its lines are 1 to 4"):
            found[key]


def test_too_many_points_are_refused_in_json_too(monkeypatch):
    monkeypatch.setattr(drawings, "MAX_POINTS", 3)
    assert len(drawings.from_value([[[1, 2], [3, 4]], [[5, 6]]], "it").lines) == 2
    with pytest.raises(ImageError, match="more than 3 points"):
        drawings.from_value([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "it")


def test_a_dot_is_drawn_in_the_middle():
    image = draw(drawings.from_value([[[3, 3]]], "it"))
    rows, columns = np.nonzero(image < 255)
    assert abs(rows.mean() - 128) < 1.5
    assert abs(columns.mean() - 128) < 1.5


@pytest.mark.parametrize(
    "value",
    [
        *(None, 7, "text", {}, [], {"strokes": []}, {"strokes": {}}, {"drawing": 3}),
        *(
            [[]],
            [[3, 4]],
            [[[1, 2, 3, 4, 5]]],
            [[["a", 2]]],
            [[[True, 2]]],
            [[[1e99, 2]]],
            [[[None, 2]]],
        ),
        *({"drawing": [[[1, 2], [1]]]}, {"drawing": [[[1]]]}, {"drawing": ["ab"]}, [{"x": 1}]),
        *(
            [[]],
            [[[]]],
            {"drawing": [[[], []]]},
            [[[1, 2], [3, 4, 5]]],
            [[[1], [2], [3], [4], [5]]],
        ),
        *([[[10**400, 1]]], [[[float("nan"), 1]]], [[[1, 2]], "ab"]),
    ],
)
def test_what_is_no_drawing(value):
    with pytest.raises(ImageError, match="it "):
        drawings.from_value(value, "it")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"NaN"])
def test_what_is_no_json(data):
    with pytest.raises(ImageError, match="it "):
        drawings.read_json(data, "it")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["strokes", "drawing", "x"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_a_drawing_or_an_error_of_ours(value):
    try:
        found = drawings.from_value(value, "it")
    except ImageError:
        return
    assert np.isfinite(np.concatenate(found.lines)).all()


def test_lines_paths_and_shapes_of_an_svg_are_outlines():
    found = svg(
        '<line x1="0" y1="0" x2="100" y2="0"/><polyline points="0,0 100,100"/>'
        '<rect width="100" height="50"/><path d="M0 100 L10 90 M20 20 L30 30"/>'
    )
    assert [len(line) for line in found.lines] == [2, 2, 5, 2, 2]
    assert spread(found) == ([15.5, 15.5], [240.5, 240.5])


def test_a_circle_is_round():
    (line,) = svg('<circle cx="40" cy="60" r="8"/>').lines
    radii = np.hypot(*(line - 128).T)
    assert radii == pytest.approx(np.full(len(radii), 112.5), abs=0.5)


def test_curves_follow_their_control_points():
    (line,) = svg('<path d="M 0 0 C 0 100 100 100 100 0"/>').lines
    t = np.linspace(0, 1, len(line))
    x, y = 300 * t**2 * (1 - t) + 100 * t**3, 300 * t * (1 - t)  # Bernstein's polynomials
    expected = (np.stack([x, y], 1) - [50, 37.5]) * 2.25 + 128
    assert line == pytest.approx(expected, abs=0.01)


def test_transforms_and_the_view_box_are_respected():
    plain = svg('<path d="M0 0 L40 0 L40 20"/>')
    turned = svg(
        '<g transform="translate(7 9) scale(2)"><path transform="rotate(90)" '
        'd="M0 0 L0 -40 L20 -40"/></g>'
    )
    assert np.allclose(plain.lines[0], turned.lines[0], atol=0.01)
    squeezed = svg(
        '<path d="M0 0 L40 0 L40 20"/>',
        'viewBox="0 0 40 20" width="100" height="100" preserveAspectRatio="none"',
    )
    low, high = spread(squeezed)
    assert high[1] - low[1] == pytest.approx(225)


def test_what_is_hidden_or_only_defined_is_not_drawn():
    found = svg(
        '<defs><marker id="m"><path d="M0 0L9 9"/></marker><path d="M0 0L5 9"/></defs>'
        '<g display="none"><path d="M0 0L3 9"/></g><text>no</text>'
        '<path visibility="hidden" d="M0 0L3 9"/><path d="M0 0h24v24z" fill="none"/>'
        '<g style="fill:none;stroke:none"><path d="M0 0L3 9"/></g><path d="M0 0L10 0"/>'
        '<rect width="90" height="90" fill="#fff"/><rect width="90" height="90" opacity="0"/>'
        '<path d="M0 0L3 9" fill="none" stroke="rgba(0,0,0,0)"/>'
    )
    assert len(found.lines) == 1


def test_an_outline_without_a_filling_is_drawn():
    found = svg('<g fill="none" stroke="red"><path d="M0 0L3 9"/></g>')
    assert len(found.lines) == 1


BOMB = (
    '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    '<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text><path d="M0 0L1 1"/></svg>'
)
OUTSIDE = (
    '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    '<svg xmlns="http://www.w3.org/2000/svg"><text>&a;</text><path d="M0 0L1 1"/></svg>'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no SVG"),
        ("no xml", "no SVG"),
        (SVG.format("", "<g>"), "no SVG"),
        ("<html><body/></html>", "no SVG"),
        (SVG.format("", ""), "no strokes"),
        (SVG.format("", '<path d="garbage"/>'), "no strokes"),
        (SVG.format("", '<circle r="1e200"/>'), "coordinate"),
        (SVG.format("", '<path d="M0 0 L1e8 1"/>'), "coordinate"),
        (BOMB, "entities"),
        (OUTSIDE, "entities"),
        (SVG.format("", "<g>" * 300 + "</g>" * 300), "nested"),
        (SVG.format("", f'<path d="M0 0{"C1 1 2 2 3 3" * 4000}"/>'), "points"),
    ],
)
def test_broken_or_dangerous_svgs_are_refused(text, said):
    with pytest.raises(ImageError, match=said):
        drawings.read_svg(text.encode(), "it")


@settings(deadline=None)
@given(st.text(alphabet="MLCZmlczAQHVst0123456789.-, \n", max_size=40))
def test_any_path_is_a_drawing_or_an_error_of_ours(path):
    try:
        found = svg(f'<path d="{path}"/>')
    except ImageError:
        return
    assert np.isfinite(np.concatenate(found.lines)).all()


@pytest.mark.parametrize("reader", [drawings.read_svg, drawings.read_json])
def test_large_files_are_refused_unread(reader):
    with pytest.raises(ImageError, match=r"4\.1 MB; at most 4 MB"):
        reader(b" " * (drawings.MAX_BYTES + 1), "it")
