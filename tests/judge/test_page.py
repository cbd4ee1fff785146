"""The page: what it shows, what it leaves out, and that nothing can be smuggled into it."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdim.data.manifest import Manifest
from cdim.data.thumbnails import data_uri, thumbnail
from cdim.errors import DataError, ImageError, UsageError
from cdim.judge.evaluate import evaluate
from cdim.judge.page import write_page
from cdim.judge.report import Report


class Page(HTMLParser):
    """Counts what a reader meets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.headings: list[str] = []
        self.true = self.outside = 0
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(found)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if "true" in (found.get("class") or "").split():
            self.true += 1
        self.outside += sum(bool(re.match("https?:|//", v or "")) for v in found.values())

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def setting(
    n: int = 12, name: str = "shoe/{}", noise: float = 2
) -> tuple[Report, Manifest, Manifest]:
    rng = np.random.default_rng(0)
    names = [name.format(i) for i in range(n)]
    pixels = rng.integers(0, 256, size=(2 * n, 40, 60, 3), dtype=np.uint8)
    query = Manifest.build([p[..., 0].copy() for p in pixels[:n]], names, domain="sketch")
    gallery = Manifest.build(list(pixels[n:]), names, domain="photo")
    photos = rng.normal(size=(n, 6))
    sketches = photos + noise * rng.normal(size=(n, 6))
    return evaluate(sketches, photos, query, gallery, dataset="toys"), query, gallery


def test_the_page_shows_every_list_worst_first(tmp_path: Path) -> None:
    report, query, gallery = setting()
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    page = Page(text)
    assert page.open == []
    mistakes = int((report.ranks > 1).sum())
    confident = min(10, mistakes)
    assert page.true == confident + 12  # each list shows its true item exactly once
    assert page.outside == 0
    assert all(i["alt"] and (i["src"] or "").startswith("data:image/jpeg;") for i in page.images)
    assert page.headings[:2] == ["h1", "h2"]
    assert page.headings.count("h3") == confident + 12
    ranks = re.findall(
        r'class="rank[^>]*>(?:rank (\d+)|found first)', text[text.index("worst first") :]
    )
    shown = [int(r or 1) for r in ranks]
    assert shown == sorted(report.ranks.tolist(), reverse=True)
    assert f"{mistakes} of 12 queries did not find" in text
    assert "All 12 lists are shown" in text
    found = report.metrics["acc@1"]
    assert f"{100 * found.value:.1f} %" in text
    assert f"{100 * found.low:.1f} % to {100 * found.high:.1f} %" in text


def test_the_most_confident_mistake_comes_first(tmp_path: Path) -> None:
    report, query, gallery = setting()
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    part = text[text.index('id="confident"') : text.index('id="worst"')]
    shown = re.findall("<h3>(.*?)</h3>", part)
    wrong = [i for i in range(12) if report.ranks[i] > 1]
    wrong.sort(key=lambda i: -report.confidence[i])
    assert shown == [f"shoe/{i}" for i in wrong[:10]]


def test_left_out_lists_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdim.judge.page.LISTS", 4)
    report, query, gallery = setting(30)
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    assert "Shown are the 4 worst; 26 lists are left out." in text
    assert len(re.findall("<article", text[text.index('id="worst"') :])) == 4
    mistakes = int((report.ranks > 1).sum())
    assert f"The 10 most confident of {mistakes} mistakes ({mistakes - 10} left out here)" in text


def test_a_perfect_model_has_no_mistakes(tmp_path: Path) -> None:
    report, query, gallery = setting(3, noise=0)
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    assert "No mistakes" in text
    assert "most confident quarter" not in text


def test_names_are_text_never_markup(tmp_path: Path) -> None:
    report, query, gallery = setting(name='<script>alert({})</script>" onload="x')
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    assert "<script" not in text
    assert 'onload="x"' not in text


def test_thumbnails_keep_their_shape_and_stay_small() -> None:
    uri = data_uri(thumbnail(np.full((400, 200, 3), 77, dtype=np.uint8)))
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert image.size == (80, 160)
    assert data_uri(thumbnail(np.full((20, 10), 255, dtype=np.uint8))).startswith("data:image/jpeg")


def test_refused(tmp_path: Path) -> None:
    report, query, gallery = setting()
    with pytest.raises(UsageError, match="manifests"):
        write_page(report, query.take([1, 0, *range(2, 12)]), gallery, tmp_path / "a.html")
    with pytest.raises(DataError, match="cannot write"):
        write_page(report, query, gallery, tmp_path / "no" / "a.html")
    gone = dataclasses.replace(query, source=[f"gone{i}.png" for i in range(12)])
    with pytest.raises(ImageError, match=r"gone\d+.png"):
        write_page(report, gone, gallery, tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def people(n: int = 6) -> tuple[Report, Manifest, Manifest]:
    """Each person twice, by cameras 1 and 2, junk among them; the last query is left out."""
    rng = np.random.default_rng(0)
    names = [f"people/{i}" for i in range(n)]
    pixels = list(rng.integers(0, 256, size=(3 * n + 1, 30, 15, 3), dtype=np.uint8))
    query = Manifest.build(pixels[:n], names, role="query", camera=1)
    cameras, roles = [1, 2] * n, ["gallery"] * 2 * n
    cameras[-1] = 1
    gallery = Manifest.build(
        pixels[n:],
        [*np.repeat(names, 2), "people/-1"],
        role=[*roles, "junk"],
        camera=[*cameras, 2],
    )
    points = rng.normal(size=(n, 4))
    items = np.vstack([points.repeat(2, 0) + 2 * rng.normal(size=(2 * n, 4)), points[:1]])
    return evaluate(points, items, query, gallery, dataset="people"), query, gallery


def test_people_are_shown_as_the_protocol_judges_them(tmp_path: Path) -> None:
    report, query, gallery = people()
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    page = Page(text)
    assert page.open == []
    assert "5 queries against 13 gallery items (1 junk), protocol cross-camera, single" in text
    assert "1 more query is left out" in text
    assert page.true == page.headings.count("h3")  # one camera is left to find each person in
    assert "people/-1" not in text
    assert ">people/5</h3>" not in text
    assert "Query: photo, camera 1 of people/0" in text
    part = text[text.index('id="cameras"') :]
    for name in ("rank-1", "mAP_step"):
        assert f"<caption>{name}</caption>" in part
    assert report.cameras is not None
    first = 100 * report.cameras.rank_1[0, 1]
    assert f'<th scope="row">camera 1</th><td>–</td><td>{first:.1f} %</td>' in part
    assert "<table>" not in write_page(*setting(), tmp_path / "b.html").read_text()


def test_a_short_list_ends_early(tmp_path: Path) -> None:
    pixels = [np.full((9, 9), v, dtype=np.uint8) for v in range(6)]
    query = Manifest.build(pixels[:2], ["a", "b"], camera=1)
    gallery = Manifest.build(pixels[2:], ["a", "a", "b", "b"], camera=[1, 2, 1, 2])
    report = evaluate([[0.0], [1.0]], [[0.0], [0.5], [1], [2]], query, gallery, dataset="x")
    text = write_page(report, query, gallery, tmp_path / "a.html").read_text()
    assert len(re.findall("<li", text[text.index('id="worst"') :])) == 6
