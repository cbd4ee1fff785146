from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from tests.find.conftest import plain

from cdim.bundles.queries import QueryImage
from cdim.errors import DataError
from cdim.find import page
from cdim.find.items import Hit, Item, Like, SearchResult
from cdim.find.page import PageSearch

RED, BLUE = (250, 0, 0), (0, 0, 250)


@pytest.fixture
def filled(gallery):
    gallery.add([plain(RED), plain(BLUE)], ["<b>&red", "in/blue.png"])
    return gallery


def written(searches, gallery, tmp_path):
    page.write(searches, gallery, tmp_path / "found.html")
    return (tmp_path / "found.html").read_text(encoding="utf-8")


def colours(html):
    """The colour of the middle of every picture, in the page's order."""
    found = []
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html):
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        found.append("rgb"[int(picture[picture.shape[0] // 2, picture.shape[1] // 2].argmax())])
    return found


def test_queries_and_hits_are_shown_in_their_order(filled, tmp_path):
    views = (QueryImage(plain((0, 40, 250)), "photo"), Like("<b>&red"))
    found = filled.search(views)
    html = written([PageSearch(("<i>.png", "like red"), views, found)], filled, tmp_path)
    assert [hit.item.id for hit in found.hits] == ["in/blue.png"]
    assert colours(html) == ["b", "r", "b"]
    assert "&lt;i&gt;.png + like red" in html
    assert "<b>&red" not in html
    assert "domain: photo" in html
    assert f"{found.hits[0].distance:.3f}" in html
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_every_search_has_a_part_and_a_name_of_its_own(filled, tmp_path):
    searches = []
    for number in range(3):
        view = QueryImage(plain((0, 0, 240)), "photo")
        searches.append(PageSearch((f"query {number}",), (view,), filled.search(view, k=1)))
    html = written(searches, filled, tmp_path)
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["query 0", "query 1", "query 2"]
    assert colours(html) == ["b", "b"] * 3


def test_a_title_stands_for_the_id(filled, tmp_path):
    filled.update("in/blue.png", metadata={"title": "<blue> sneaker 017"})
    found = filled.search(Like("<b>&red"))
    html = written([PageSearch(("q",), (Like("<b>&red"),), found)], filled, tmp_path)
    assert "<br>&lt;blue&gt; sneaker 017</figcaption>" in html
    assert "in/blue.png" not in html


@pytest.mark.parametrize(("present", "said"), [(0.12, True), (0.97, False), (None, False)])
def test_probabilities_are_shown_where_the_model_has_them(filled, tmp_path, present, said):
    sure = None if present is None else present / 2
    found = SearchResult((Hit(Item("in/blue.png"), 1.5, sure),), 2, present, "Euclidean")
    html = written([PageSearch(("q",), (Like("in/blue.png"),), found)], filled, tmp_path)
    assert ("Probably not in this gallery" in html) == said
    assert ("present: 12 %" in html) == said
    caption = re.search(r"1 · 1\.500(.*?)<br>", html).group(1)
    assert caption == ("" if sure is None else f" · {100 * sure:.0f} %")


def test_a_search_without_hits_says_so(filled, tmp_path):
    view = QueryImage(plain(RED), "photo")
    filled.update("in/blue.png", metadata={"category": "shoe"})
    found = filled.search(view, where={"category": "boat"})
    assert "No hits." in written([PageSearch(("q",), (view,), found)], filled, tmp_path)


def test_a_page_in_a_missing_folder_is_an_error(filled, tmp_path):
    with pytest.raises(DataError, match="cannot write"):
        page.write([], filled, tmp_path / "nowhere" / "found.html")
