"""SVGs as drawing programs write them, and as attackers do."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.data import svg
from cdim.errors import ImageError

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {}>{}</svg>'
)
SHEET = 'viewBox="0 0 256 256"'
LINE = '<path d="M40 160L60 60L200 50" fill="none" stroke="{}"/>'
DRAWN = [[[40, 160], [60, 60], [200, 50]]]


def lines(body: str, attributes: str = "", most: int = 100_000) -> list[list[list[float]]]:
    found = svg.read_lines(SVG.format(attributes, body).encode(), "it", most)
    return [np.round(line, 6).tolist() for line in found]


@pytest.mark.parametrize(
    ("sheet", "ink"),
    [
        *(("#121212", "#fff"), ("#f9fafb", "#000"), ("white", "black"), ("navy", "white")),
        *(("rgb(18, 18, 18)", "#fff"), ("#123", "hsl(60, 100%, 50%)")),
    ],
)
def test_the_sheet_is_paper_whatever_its_colour(sheet: str, ink: str) -> None:
    paper = f'<rect width="256" height="256" fill="{sheet}"/>'
    assert lines(paper + LINE.format(ink), SHEET) == DRAWN
    assert lines(f'<path d="M0 0H256V256H0Z" fill="{sheet}"/>' + LINE.format(ink)) == DRAWN
    # What is painted in the colour of the paper does not show.
    assert lines(paper + LINE.format(sheet) + LINE.format(ink), SHEET) == DRAWN


def test_white_lines_on_no_sheet_are_drawn() -> None:
    assert lines(LINE.format("#fff"), SHEET) == DRAWN


def test_a_frame_along_the_edges_is_not_part_of_the_drawing() -> None:
    frame = '<rect x="2" y="2" width="252" height="252" fill="none" stroke="black"/>'
    assert lines(frame + LINE.format("black"), SHEET) == DRAWN
    assert len(lines(frame, SHEET)) == 1  # all that there is
    assert len(lines(frame.replace("252", "152") + LINE.format("black"), SHEET)) == 2


@pytest.mark.parametrize(
    "unseen",
    [
        *('stroke="black" stroke-width="0"', 'stroke="none"', 'stroke="black" opacity="0"'),
        *('stroke="black" stroke-opacity="0%"', 'style="stroke:red;visibility:hidden"'),
        *('stroke="transparent"', 'stroke="rgba(1, 2, 3, 0)"', 'stroke="#12345600"'),
        'stroke="currentColor" color="none"',
    ],
)
def test_what_leaves_no_trace_is_not_drawn(unseen: str) -> None:
    assert lines(f'<path d="M0 0L9 9" fill="none" {unseen}/>' + LINE.format("black")) == DRAWN


def test_strays_beyond_the_sheet_are_cut_off() -> None:
    stray = '<path d="M-900 -900L-800 -900" stroke="black"/>'
    assert lines(stray + LINE.format("black"), SHEET) == DRAWN
    crossing = '<path d="M-10 20L10 20L10 -10M250 100H300M0 0" fill="none" stroke="black"/>'
    assert lines(crossing, SHEET) == [[[0, 20], [10, 20], [10, 0]], [[250, 100], [256, 100]]]
    # A sheet that shows nothing at all is a mistake of the file.
    assert lines(stray, SHEET) == [[[-900, -900], [-800, -900]]]


@given(st.lists(st.tuples(*[st.floats(-50, 306)] * 2), min_size=2, max_size=8))
def test_what_is_cut_lies_on_the_line_and_on_the_sheet(points: list[tuple[float, float]]) -> None:
    text = " ".join(f"{x:.3f},{y:.3f}" for x, y in points)
    found = lines(f'<polyline points="{text}" stroke="red"/>', SHEET)
    given_points = np.round(points, 3)
    inside = [p for p in given_points if (p > 0).all() and (p < 256).all()]
    if inside:
        kept = np.concatenate([np.array(line) for line in found])
        assert all(np.abs(kept - p).max(1).min() < 1e-3 for p in inside)
        assert ((kept > -1e-3) & (kept < 256 + 1e-3)).all()


def test_clones_and_symbols_are_drawn_where_they_are_used() -> None:
    body = (
        '<defs><path id="p" d="M0 0L1 1"/></defs><symbol id="s"><use xlink:href="#p"/></symbol>'
        '<use href="#s" x="5" transform="scale(2)"/><use href="#nobody"/><use href="http://x#p"/>'
        '<g id="self"><use href="#self"/></g>'
    )
    assert lines(body) == [[[10, 0], [12, 2]]]


def test_an_inner_svg_is_placed_and_scaled() -> None:
    inner = '<svg x="10" y="20" width="40" height="20" viewBox="0 0 10 10">{}</svg>'
    assert lines(inner.format('<line x2="10" y2="10" stroke="red"/>')) == [[[20, 20], [40, 40]]]


def test_small_entities_and_harmless_masks_do_no_harm() -> None:
    text = (
        '<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg"><!ENTITY ink "#000">]>'
        '<svg xmlns="&ns;"><mask id="m"><rect width="9" height="9" fill="white"/></mask>'
        '<path mask="url(#m)" d="M0 0L9 9" stroke="&ink;"/></svg>'
    )
    assert [line.tolist() for line in svg.read_lines(text.encode(), "it", 9)] == [[[0, 0], [9, 9]]]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ('<!ENTITY a "aa"><!ENTITY b "&a;&a;">', "grow"),
        ('<!ENTITY a SYSTEM "file:///etc/passwd">', "outside"),
        ('<!ENTITY % a "x">', "grow"),
        (f'<!ENTITY a "{"x" * 300}">', "grow"),
        ("".join(f'<!ENTITY a{n} "x">' for n in range(60)), "grow"),
    ],
)
def test_entities_that_grow_or_lie_outside_are_refused(declared: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        svg.read_lines(f"<!DOCTYPE svg [{declared}]><svg/>".encode(), "it", 9)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("M1 2 3 4", [[[1, 2], [3, 4]]]),
        ("m1 2 3 4", [[[1, 2], [4, 6]]]),
        ("M0 0h5v6H1V2", [[[0, 0], [5, 0], [5, 6], [1, 6], [1, 2]]]),
        ("M0,0L1.5.5-1-2e1", [[[0, 0], [1.5, 0.5], [-1, -20]]]),
        ("M1 1L2 1L2 2zl5 5", [[[1, 1], [2, 1], [2, 2], [1, 1]], [[1, 1], [6, 6]]]),
        ("M0 0L1 1 fish L2 2", [[[0, 0], [1, 1]]]),
        ("L1 1", []),
        ("M0 0L1 1L", [[[0, 0], [1, 1]]]),
    ],
)
def test_paths(path: str, expected: list[list[list[float]]]) -> None:
    assert lines(f'<path d="{path}"/>') == expected


@pytest.mark.parametrize("flags", ["0 0", "0 1", "1 0", "1 1"])
def test_an_arc_lies_on_its_circle_on_the_side_that_its_flags_name(flags: str) -> None:
    large, sweep = flags.split()
    (line,) = lines(f'<path d="M0 0A5 5 30 {large}{sweep}6 0"/>')  # flags without a gap
    centre = np.array([3, -4 if large == sweep else 4])
    assert np.hypot(*(np.array(line) - centre).T) == pytest.approx(np.full(33, 5))
    middle = np.array(line)[16]
    assert middle[1] == pytest.approx((9 if large == "1" else 1) * (-1 if sweep == "1" else 1))


def test_radii_that_are_too_small_grow_until_the_arc_reaches_its_end() -> None:
    (line,) = lines('<path d="M0 0A1 1 0 0 1 6 0"/>')
    assert np.hypot(*(np.array(line) - [3, 0]).T) == pytest.approx(np.full(33, 3))


def test_smooth_curves_mirror_the_curve_before_them() -> None:
    assert lines('<path d="M0 0C0 4 4 4 4 0S8-4 8 0"/>') == lines(
        '<path d="M0 0C0 4 4 4 4 0C4-4 8-4 8 0"/>'
    )
    assert lines('<path d="M0 0Q2 4 4 0T8 0"/>') == lines('<path d="M0 0Q2 4 4 0Q6-4 8 0"/>')


PATH = '<path {}="{}" d="M0 0L1 1"/>'
ATTACKS = {
    "blanks in a style sheet": lambda n: "<style>" + " " * n + "</style>",
    "digits": lambda n: '<polyline points="' + "1" * n + '"/>',
    "a font": lambda n: PATH.format("font", "1" * n),
    "nested": lambda n: PATH.format("transform", "rotate(" * (n // 8)),
    "blanks in a transform": lambda n: PATH.format("transform", "rotate" + " " * n + "("),
    "a colour": lambda n: PATH.format("fill", "rgb(" + "1" * n),
    "ends of lines": lambda n: '<path d="M0 0' + "z" * (n // 16) + '"/>',
    "clones": lambda n: '<path id="a" d="M0 0L1 1"/>' + '<use href="#a"/>' * (n // 200),
    "rectangles": lambda n: '<rect width="9" height="9"/>' * (n // 200),
    "groups": lambda n: "<g>" * 150 + PATH.format("id", "") * (n // 200) + "</g>" * 150,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_the_time_grows_with_the_size_of_the_file(attack) -> None:
    def seconds(size: int) -> float:
        data = SVG.format("", attack(size)).encode()
        start = time.process_time()
        svg.read_lines(data, "it", 100_000)
        return time.process_time() - start

    least = {size: min(seconds(size) for _ in range(2)) for size in (40_000, 160_000, 640_000)}
    # 16 times the size: a quadratic reader would take 256 times as long.
    assert least[640_000] < 64 * max(least[40_000], 0.002)
    assert least[160_000] < 16 * max(least[40_000], 0.002)


def test_clones_of_clones_are_bounded() -> None:
    body = '<g id="a0"><path d="M0 0L1 1"/></g>' + "".join(
        f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 12)
    )
    with pytest.raises(ImageError, match="more than 50000 elements"):
        lines(body)


def test_more_points_than_allowed_are_refused() -> None:
    assert len(lines('<path d="M0 0L1 1L2 2"/>', most=3)[0]) == 3
    for body in ('<path d="M0 0L1 1L2 2L3 3"/>', '<circle r="9"/>', '<path d="M0 0L1 1"/>' * 2):
        with pytest.raises(ImageError, match="more than 3 points"):
            lines(body, most=3)


@settings(deadline=None)
@given(st.text(alphabet='<>/=" pathdgsvruecMLAZ0129.-%#;:(),', max_size=60))
def test_any_text_is_lines_or_an_error_of_ours(text: str) -> None:
    for body in (text, f"<path {text}/>", f'<path d="{text}" style="{text}"/>'):
        try:
            found = svg.read_lines(SVG.format("", body).encode(), "it", 1000)
        except ImageError:
            continue
        assert all(np.isfinite(line).all() or np.abs(line).max() > 1e300 for line in found)
