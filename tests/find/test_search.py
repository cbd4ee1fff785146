from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from cdim.data.images import read
from cdim.errors import DataError, ImageError, UsageError
from cdim.find import page
from cdim.find.search import CHUNK, image_files, search
from cdim.metrics.ranking import distances
from cdim.metrics.rerank import expand_queries, k_reciprocal


def mean_colour(manifest):
    """An embedding that a reader can predict: the mean of each colour."""
    rows = [read(s, manifest.root) for s in manifest.source]
    return np.array([r.reshape(-1, 3).mean(0) for r in rows], dtype=np.float32)


def save(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "photos" / "red.png", (250, 0, 0))
    save(tmp_path / "photos" / "green.png", (0, 250, 0))
    save(tmp_path / "photos" / "inside" / "blue.PNG", (0, 0, 250))
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.fixture
def query(tmp_path):
    return save(tmp_path / "query.png", (0, 30, 240))


def test_the_nearest_come_first_also_from_folders_inside(folder, query):
    found = search(mean_colour, folder, [query])
    assert [h.path.name for h in found.hits[query]] == ["blue.PNG", "green.png", "red.png"]
    assert found.hits[query][0].distance == pytest.approx(np.hypot(30, 10), rel=1e-4)
    assert found.gallery == 3
    assert found.distances == "Euclidean"
    assert not found.unreadable


def test_it_agrees_with_a_naive_loop_over_more_files_than_a_chunk(tmp_path, query):
    rng = np.random.default_rng(0)
    colours = {}
    for number in range(2 * CHUNK + 3):
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        colours[save(tmp_path / "many" / f"{number}.png", colour)] = colour
    found = search(mean_colour, tmp_path / "many", [query], k=5)
    naive = sorted(colours, key=lambda p: np.linalg.norm(np.array(colours[p]) - (0, 30, 240)))
    assert [h.path for h in found.hits[query]] == naive[:5]


def test_fewer_images_than_k_are_all_hits(folder, query):
    assert len(search(mean_colour, folder, [query], k=99).hits[query]) == 3


@pytest.fixture
def crowd(tmp_path):
    """Shades of red and of blue, 30 each, and a query between them, nearer to one blue."""
    for shade in range(30):
        save(tmp_path / "crowd" / f"red{shade}.png", (255 - shade, 0, 0))
        save(tmp_path / "crowd" / f"blue{shade}.png", (0, 0, 255 - shade))
    return tmp_path / "crowd"


def embeddings(folder, query):
    paths = image_files(folder)
    colours = [read(str(p)).reshape(-1, 3).mean(0, dtype="f4") for p in (query, *paths)]
    return paths, np.array(colours[:1]), np.array(colours[1:])


def test_expanded_and_re_ranked_searches_are_those_of_the_metrics(crowd, query):
    paths, wanted, offered = embeddings(crowd, query)
    expanded = expand_queries(wanted, offered, 4)
    cases = [
        ({"expand": 4}, distances(expanded, offered), "averaged with its 4 nearest"),
        ({"rerank": True}, k_reciprocal(wanted, offered), "re-ranked"),
        ({"expand": 4, "rerank": True}, k_reciprocal(expanded, offered), "re-ranked.*4 nearest"),
    ]
    for options, matrix, kind in cases:
        found = search(mean_colour, crowd, [query], k=5, **options)
        order = np.argsort(matrix[0], kind="stable")[:5]
        assert [h.path for h in found.hits[query]] == [paths[i] for i in order]
        assert [h.distance for h in found.hits[query]] == pytest.approx(matrix[0, order].tolist())
        assert re.search(kind, found.distances)
        assert found.to_json()["distances"] == found.distances


def test_a_folder_smaller_than_the_neighbourhoods_keeps_its_order(folder, query):
    found = search(mean_colour, folder, [query], expand=99, rerank=True)
    assert [h.path.name for h in found.hits[query]] == ["blue.PNG", "green.png", "red.png"]
    assert "its 3 nearest" in found.distances
    assert 0 <= found.hits[query][0].distance <= found.hits[query][-1].distance <= 1


def test_unreadable_files_are_left_out_and_named(folder, query):
    whole = (folder / "red.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    calls = []
    found = search(mean_colour, folder, [query], progress=lambda *done: calls.append(done))
    assert found.gallery == 3
    assert {p.name for p in found.unreadable} == {"half.png", "empty.jpg"}
    assert all(p.name in why for p, why in found.unreadable.items())
    assert calls == [(5, 5)]
    assert json.loads(json.dumps(found.to_json()))["gallery"] == 3


def test_a_broken_query_is_an_error_before_the_folder_is_read(folder, tmp_path):
    with pytest.raises(ImageError, match=r"missing\.png"):
        search(mean_colour, folder, [tmp_path / "missing.png"])


@pytest.mark.parametrize(("k", "queries"), [(0, ["query.png"]), (3, [])])
def test_nothing_asked_is_an_error(folder, k, queries):
    with pytest.raises(UsageError):
        search(mean_colour, folder, queries, k=k)


def test_expansion_by_no_image_is_an_error(folder, query):
    with pytest.raises(UsageError, match="expand = 0"):
        search(mean_colour, folder, [query], expand=0)


def test_a_folder_without_readable_images_is_an_error(tmp_path, query):
    with pytest.raises(DataError, match="no folder"):
        image_files(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="no images"):
        image_files(tmp_path / "bare")
    (tmp_path / "bare" / "a.png").write_text("no image")
    with pytest.raises(DataError, match="none of the 1 images"):
        search(mean_colour, tmp_path / "bare", [query])


def test_the_page_holds_its_pictures_and_escapes_names(folder, tmp_path):
    odd = save(tmp_path / "<b>&.png", (0, 200, 0))
    (folder / "empty.jpg").touch()
    page.write(search(mean_colour, folder, [odd], k=2, rerank=True), tmp_path / "found.html")
    html = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 3
    assert "<b>&.png" not in html
    assert "empty.jpg" in html
    assert "re-ranked" in html
    assert "http" not in html


def test_the_page_in_a_missing_folder_is_an_error(folder, query, tmp_path):
    found = search(mean_colour, folder, [query])
    with pytest.raises(DataError, match="cannot write"):
        page.write(found, tmp_path / "nowhere" / "found.html")
