"""`Gallery.search` and `Gallery.add` take whatever an image can be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tests.find.conftest import plain, save

from cdim.bundles.queries import QueryImage, listed
from cdim.errors import UsageError
from cdim.find.items import Hit, Item, Like, SearchResult

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L80 0 L80 40" stroke="#000"/></svg>'
STROKES = [[[0, 0], [80, 0], [80, 40]]]


@pytest.fixture
def three(gallery):
    gallery.add(
        [plain(RED), plain(GREEN), plain(BLUE)],
        ["red", "green", "blue"],
        [{"price": price} for price in (10, 20, 30)],
    )
    return gallery


def test_a_photo_may_be_a_path_bytes_a_picture_or_an_array(three, tmp_path):
    path = save(tmp_path / "query.png", (0, 30, 240))
    wanted = three.search(QueryImage(plain((0, 30, 240)), "photo"))
    assert [hit.id for hit in wanted] == ["blue", "green", "red"]
    for query in (
        path,
        str(path),
        path.read_bytes(),
        Image.open(path),
        plain((0, 30, 240)),
        [path],
    ):
        assert three.search(query) == wanted


def test_a_drawing_may_be_an_svg_as_path_text_or_bytes_or_strokes(three, tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.json").write_text(json.dumps(STROKES))
    tuples = tuple(tuple(tuple(point) for point in stroke) for stroke in STROKES)
    kinds = [tmp_path / "a.svg", SVG, f"\n {SVG}", SVG.encode(), tmp_path / "a.json", STROKES]
    kinds += [tuples, {"strokes": STROKES}, {"drawing": [[[0, 80, 80], [0, 0, 40]]]}]
    wanted = three.search(kinds[0])
    assert wanted.domains == ("sketch",)
    for query in kinds:
        assert three.search(query) == wanted


def test_a_list_is_views_of_one_thing(three, tmp_path):
    path = save(tmp_path / "query.png", RED)
    found = three.search([path, Like("green"), STROKES, plain(BLUE)], weights=[0, 0, 0, 1])
    assert [hit.id for hit in found] == ["blue", "red"]
    assert found.domains == ("photo", "sketch", "photo")
    with pytest.raises(UsageError, match="weights"):
        three.search([path, STROKES], weights=[1])


def test_a_filter_may_be_a_table_or_texts(three):
    for where in ({"price": {"gte": 15}}, "price=15..", ["price=15.."]):
        assert {hit.id for hit in three.search(plain(RED), where=where)} == {"green", "blue"}
        assert three.count(where) == 2


def test_items_without_ids_are_named_by_their_file_or_their_content(gallery, tmp_path):
    one = save(tmp_path / "photos" / "a.png", RED)
    save(tmp_path / "photos" / "below" / "b.png", GREEN)
    assert gallery.add(tmp_path / "photos") == ["a.png", "below/b.png"]
    assert gallery.add(str(one)) == ["a.png"]
    first = gallery.add([one, plain(BLUE)], domain="photo")
    assert first[0] == "a.png"
    assert gallery.add(plain(BLUE)) == first[1:] != gallery.add(plain(RED))
    assert gallery.vectors(first).tolist() == [list(RED), list(BLUE)]
    with pytest.raises(UsageError, match="id of its own"):
        gallery.add([one, save(tmp_path / "other" / "a.png", GREEN)])
    assert gallery.count() == 4


def test_a_result_is_its_hits_and_prints_as_a_table():
    hits = tuple(
        Hit(Item(name, metadata={"price": 3}), distance, sure)
        for name, distance, sure in (("a", 0.5, 0.93), ("b\n", 1.25, None))
    )
    found = SearchResult(hits, 1000, 0.25, "Euclidean")
    assert list(found) == [found[0], found[1]] == list(hits)
    assert (len(found), found[-1].id, found[0].metadata["price"]) == (2, "b\n", 3)
    assert found.absent
    assert str(found).splitlines() == [
        "2 hits in 1,000 items; distances: Euclidean",
        "   1    0.5000   93 %  a",
        r"   2    1.2500  b\n",
        "probably not in this gallery (present: 25 %)",
    ]
    assert repr(found) == "<SearchResult: 2 hits in 1,000 items, nearest 'a', probably absent>"
    assert "nothing found" in str(SearchResult((), 3, None, "Euclidean"))
    assert "the gallery is empty" in str(SearchResult((), 0, None, "Euclidean"))


def test_names_are_those_of_files(tmp_path):
    path = save(tmp_path / "below" / "a.png", RED)
    (tmp_path / "notes.txt").touch()
    images, left_out = listed(tmp_path)
    assert [name for name, _ in images] == ["below/a.png"]
    assert left_out == (("notes.txt", ".txt"),)
    assert [name for name, _ in listed([path, b"", np.zeros((2, 2))])[0]] == [
        *(str(path), "image 2", "image 3")
    ]
    assert listed(STROKES) == ([("image 1", STROKES)], ())
    assert [one for _, one in listed([STROKES, STROKES])[0]] == [STROKES, STROKES]
