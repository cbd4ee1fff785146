from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.find.conftest import Counting, plain, save
from tests.made import mean_colours

from cdim.bundles.bundle import load_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.queries import QueryImage
from cdim.errors import GalleryError, ImageError, ModelError, UsageError
from cdim.find import answer
from cdim.find.gallery import MOST_VALUES, Gallery
from cdim.find.items import Item, Like
from cdim.find.stores import shard
from cdim.find.stores.store import MAX_FIELDS
from cdim.metrics.calibration.probability import Calibration, judge
from cdim.metrics.rerank import expand_queries, k_reciprocal

RNG = np.random.default_rng(0)
RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
PALETTE = {"red": RED, "green": GREEN, "blue": BLUE}


@pytest.fixture
def three(gallery):
    gallery.add(
        [plain(c) for c in PALETTE.values()],
        list(PALETTE),
        [{"warm": name == "red", "length": len(name)} for name in PALETTE],
    )
    return gallery


@pytest.fixture
def many(gallery):
    """120 items of random colours, and their vectors."""
    vectors = RNG.uniform(0, 255, (120, 3)).astype(np.float32)
    gallery.put([Item(f"i{i}", metadata={"even": i % 2 == 0}) for i in range(120)], vectors)
    return gallery, vectors


def ids(found):
    return [hit.item.id for hit in found.hits]


def test_the_nearest_come_first(three):
    found = three.search(QueryImage(plain((0, 30, 240)), "sketch"))
    assert ids(found) == ["blue", "green", "red"]
    assert found.hits[0].distance == pytest.approx(np.hypot(30, 10))
    assert (found.searched, found.distances, found.domains) == (3, "Euclidean", ("sketch",))
    assert found.present is None
    assert found.hits[0].probability is None
    assert json.loads(json.dumps(found.to_json()))["hits"][0]["id"] == "blue"


def test_every_kind_of_image_can_be_added(gallery, tmp_path):
    file = save(tmp_path / "a b" / "red.png", RED)
    picture = Image.new("RGB", (20, 10), RED)
    data = io.BytesIO()
    picture.save(data, "PNG")
    names = ["path", "text", "bytes", "pil", "array"]
    images = [file, str(file), data.getvalue(), picture, np.array(picture)]
    assert gallery.add(images, names) == names
    assert gallery.vectors(names).tolist() == [[250, 0, 0]] * 5
    assert gallery.get("path").source == str(file)
    assert gallery.get("text").digest == gallery.get("path").digest
    assert gallery.get("pil").source == ""
    assert gallery.get("pil").digest == gallery.get("array").digest


def test_thumbnails_are_small_jpegs_and_left_out_of_answers(gallery):
    gallery.add([plain(RED, (900, 300))], ["tall"])
    with Image.open(io.BytesIO(gallery.get("tall").thumbnail)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (53, 160))
    assert gallery.search(Like("tall")).hits == ()
    assert gallery.items()[0][0].thumbnail == b""


def test_an_item_searched_with_is_not_found(three):
    assert set(ids(three.search(Like("red")))) == {"green", "blue"}
    assert ids(three.search([Like("red"), Like("green")])) == ["blue"]


def test_views_are_pooled_by_weight_and_scaled_to_the_length_of_embeddings(many, bundle):
    gallery, vectors = many
    looks = [QueryImage(plain(RED), "sketch"), QueryImage(plain(BLUE), "photo"), Like("i5")]
    views = np.array([RED, BLUE, vectors[5]], dtype=np.float64)
    for weights, shares in ((None, [1, 1, 1]), ([2, 0, 0.5], [2, 0, 0.5])):
        mean = np.average(views, axis=0, weights=shares)
        distances = np.linalg.norm(vectors - mean, axis=1)
        order = [f"i{i}" for i in np.argsort(distances) if i != 5]
        assert ids(gallery.search(looks, 8, weights=weights)) == order[:8]
    mean = np.array([[3.0, 0, 0], [0, 4.0, 0]], dtype=np.float32)
    assert answer.pooled(mean, [1, 1], 1.0).tolist() == pytest.approx([0.6, 0.8, 0])
    assert answer.pooled(mean, None, None).tolist() == [1.5, 2, 0]
    opposite = np.array([[1.0], [-1.0]], dtype=np.float32)
    assert answer.pooled(opposite, None, 1.0).tolist() == [0]


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0},
        {"expand": -1},
        {"weights": [1, 2]},
        {"weights": [0]},
        {"weights": [-1]},
        {"weights": [float("nan")]},
        {"where": {"a": None}},
        {"false_match_rate": 0.1},
    ],
)
def test_searches_that_cannot_be(three, options):
    with pytest.raises(UsageError):
        three.search(QueryImage(plain(RED), "sketch"), **options)


def test_queries_that_cannot_be(three):
    with pytest.raises(UsageError, match="no image"):
        three.search([])
    with pytest.raises(UsageError, match="no item 'nobody'"):
        three.search(Like("nobody"))
    with pytest.raises(ModelError, match="domain"):
        three.search(QueryImage(plain(RED), "smell"))


def test_expanded_and_re_ranked_searches_are_those_of_the_metrics(many):
    gallery, vectors = many
    query = np.array([[100, 120, 140]], dtype=np.float32)
    expanded = expand_queries(query, vectors, 4)
    cases = [
        ({"expand": 4}, np.linalg.norm(vectors - expanded, axis=1), "4 nearest"),
        ({"rerank": True}, k_reciprocal(query, vectors)[0], "re-ranked"),
        ({"expand": 4, "rerank": True}, k_reciprocal(expanded, vectors)[0], "4 nearest"),
    ]
    for options, distances, kind in cases:
        found = gallery.search(QueryImage(plain((100, 120, 140)), "sketch"), 12, **options)
        assert [h.distance for h in found.hits] == pytest.approx(np.sort(distances)[:12], abs=1e-4)
        for hit in found.hits:
            expected = distances[int(hit.item.id[1:])]
            assert hit.distance == pytest.approx(expected, abs=1e-4)
        assert kind in found.distances


def test_expansion_and_re_ranking_of_few_items(three):
    found = three.search(QueryImage(plain(BLUE), "sketch"), expand=9, rerank=True)
    assert ids(found)[0] == "blue"
    empty = three.search(Like("red"), where={"warm": True}, expand=1, rerank=True)
    assert (empty.hits, empty.searched) == ((), 1)


@pytest.fixture
def judged(place, tmp_path):
    fit = Calibration(0.05, 0.0, 1.0, 1.0, 0.02, 0.01, 0.01, 0.1, -0.1, 150.0, (0.1, 0.3, 0.5, 0.9))
    made = Counting(mean_colours(tmp_path / "calibrated", calibration=fit))
    with Gallery.open(place, made, create=True) as gallery:
        vectors = RNG.uniform(0, 255, (400, 3)).astype(np.float32)
        gallery.put([Item(f"i{i}") for i in range(400)], vectors)
        yield gallery, vectors, fit


def test_probabilities_are_those_of_the_calibration(judged):
    gallery, vectors, fit = judged
    query = np.array([100, 120, 140], dtype=np.float32)
    distances = np.linalg.norm(vectors - query, axis=1)
    first = [int(i.id[1:]) for i in gallery.items(limit=answer.SAMPLE)[0]]
    right = judge(fit, np.sort(distances), distances[first], 400)
    for k in (1, 5, 20):
        found = gallery.search(QueryImage(plain(query), "sketch"), k)
        assert [h.probability for h in found.hits] == pytest.approx(right.probabilities[:k])
        assert found.present == pytest.approx(right.present)


def test_probabilities_stay_those_of_plain_distances(judged):
    gallery, _, _ = judged
    look = QueryImage(plain((100, 120, 140)), "sketch")
    plainly = {h.item.id: h.probability for h in gallery.search(look, 400).hits}
    for options in ({"rerank": True}, {"expand": 50}, {"expand": 50, "rerank": True}):
        found = gallery.search(look, 30, **options)
        for hit in found.hits:
            assert hit.probability == pytest.approx(plainly[hit.item.id], rel=1e-4)


def test_items_may_come_while_a_search_runs(judged, monkeypatch):
    gallery, _, _ = judged
    count = gallery.store.count

    def slow(where):
        found = count(where)
        gallery.put([Item("late")], np.zeros((1, 3), dtype=np.float32))
        return found

    monkeypatch.setattr(gallery.store, "count", slow)
    assert len(gallery.search(QueryImage(plain((100, 120, 140)), "sketch"), 500).hits) == 401


def test_the_sample_follows_the_items(judged):
    gallery, vectors, _ = judged
    look = QueryImage(plain((100, 120, 140)), "sketch")
    before = gallery.search(look).present
    gallery.put([Item(f"i{i}") for i in range(400)], vectors + 1000)
    assert gallery.search(look).present != before
    gallery.remove([f"i{i}" for i in range(400)])
    empty = gallery.search(look)
    assert (empty.hits, empty.present, empty.absent) == ((), None, False)
    assert str(empty).endswith("nothing was searched: the gallery is empty")


def test_items_are_updated_replaced_and_removed(three, tmp_path):
    old = three.get("red")
    new = three.update("red", metadata={"length": 4})
    assert new == replace(old, metadata={"length": 4})
    changed = three.update("red", image=plain(GREEN))
    assert changed.metadata == {"length": 4}
    assert changed.digest != old.digest
    assert three.vectors(["red"]).tolist() == [[0, 250, 0]]
    assert (changed.root, changed.stamp) == ("", "")
    three.add([plain(BLUE)], ["red"], [{"warm": False}])
    assert three.get("red").metadata == {"length": 4, "warm": False}
    assert three.update("red", plain(RED), {"warm": True}).metadata == {"warm": True}
    assert three.remove(["red", "nobody", "blue"]) == 2
    assert three.remove([]) == 0
    assert three.count() == 1
    for ask in (three.get, three.update):
        with pytest.raises(UsageError, match="no item 'red'"):
            ask("red")


def test_a_filter_names_fields_of_the_gallery(three):
    for ask in (
        three.count,
        three.items,
        three.facets,
        lambda w: three.search(Like("red"), where=w),
    ):
        with pytest.raises(UsageError, match="the fields of the gallery are length, warm") as error:
            ask({"lenght": 3})
        assert error.value.todo == "did you mean 'length'?"
    none = three.search(Like("red"), where={"length": 99})
    assert (none.searched, none.present, none.absent) == (0, None, False)
    assert none.remarks() == ["nothing was searched: no item passes the filter"]


def test_counts_facets_and_pages(three):
    three.put([Item("odd", metadata={"length": 3.0})], np.zeros((1, 3)))
    assert three.count() == 4
    assert three.count({"warm": False}) == 2
    assert three.count({"length": {"gt": 3}}) == 2
    facets = three.facets()
    assert facets.keys() == {"length", "warm"}
    assert facets["length"][0] == (3, 2)
    assert sorted(facets["length"]) == [(3, 2), (4, 1), (5, 1)]
    assert facets["warm"] == [(False, 2), (True, 1)]
    assert three.facets({"warm": True}) == {"length": [(3, 1)], "warm": [(True, 1)]}
    first, after = three.items(limit=3)
    rest, end = three.items(limit=3, after=after)
    assert Counter(i.id for i in first + rest) == Counter(["red", "green", "blue", "odd"])
    assert end is None
    assert [i.id for i in three.items({"warm": True})[0]] == ["red"]
    for wrong in ({"limit": 0}, {"after": "red"}):
        with pytest.raises(UsageError, match=r"limit|page"):
            three.items(**wrong)


def test_fields_of_too_many_values_are_no_facets(gallery):
    n = MOST_VALUES + 1
    items = [Item(f"i{i}", metadata={"a": i, "b": i % 300, "c": 0}) for i in range(n)]
    gallery.put(items, np.zeros((n, 3)))
    facets = gallery.facets(limit=5)
    assert facets.keys() == {"b", "c"}
    assert facets["c"] == [(0, n)]
    assert len(facets["b"]) == 5
    assert max(count for _, count in facets["b"]) == facets["b"][0][1] == 2


def test_true_and_one_are_different_values_of_a_facet(gallery):
    values = [True, True, True, 1, 1, "1"]
    items = [Item(f"i{i}", metadata={"a": value}) for i, value in enumerate(values)]
    gallery.put(items, np.zeros((len(items), 3)))
    facets = gallery.facets()["a"]
    assert [(type(value), count) for value, count in facets] == [(bool, 3), (int, 2), (str, 1)]


def test_what_cannot_be_added_is_refused(gallery, tmp_path):
    for images, names, options in (
        ([plain(RED)], [], {}),
        ([plain(RED)] * 2, ["a", "a"], {}),
        ([plain(RED)], ["a"], {"metadata": [{}, {}]}),
        ([plain(RED)], ["a"], {"metadata": [{"id": 1}]}),
        ([plain(RED)], [""], {}),
        ([plain(RED)], ["\udce9"], {}),
        ([plain(RED).astype(float)], ["a"], {}),
        ([3], ["a"], {}),
    ):
        with pytest.raises(UsageError):
            gallery.add(images, names, **options)
    with pytest.raises(ImageError):
        gallery.add([tmp_path / "missing.png"], ["a"])
    with pytest.raises(ImageError):
        gallery.add([b"no image"], ["a"])
    with pytest.raises(ModelError, match="domain"):
        gallery.add([plain(RED)], ["a"], domain="smell")
    for vectors in (np.zeros((1, 2)), np.zeros((2, 3)), np.full((1, 3), np.nan)):
        with pytest.raises(ModelError, match="finite"):
            gallery.put([Item("a")], vectors)
    assert gallery.count() == 0


def test_it_opens_again_with_the_copy_of_its_bundle(place, bundle, tmp_path, encoder):
    with Gallery.open(place, mean_colours(tmp_path / "b"), create=True) as gallery:
        gallery.add([plain(RED), plain(BLUE)], ["red", "blue"])
    shutil.rmtree(tmp_path / "b")
    with Gallery.open(place) as gallery:
        assert gallery.count() == 2
        assert isinstance(gallery.encoder, Encoder)
        found = gallery.search(QueryImage(plain((200, 0, 0)), "sketch"))
        assert ids(found) == ["red", "blue"]
        assert gallery.bundle.folder == place / "bundle"


@pytest.mark.parametrize("harm", ["lost", "renamed", "another", "damaged"])
def test_the_same_model_mends_a_wrong_copy_of_the_bundle(place, encoder, tmp_path, harm):
    model = mean_colours(tmp_path / "model")
    other = mean_colours(tmp_path / "other", query="photo", length=2.0, domains={"photo": "edge"})
    with Gallery.open(place, model, create=True) as gallery:
        gallery.add([plain(RED)], ["red"])
    copy = place / "bundle"
    if harm == "renamed":
        copy.rename(place / "bundle of ours")
    elif harm == "damaged":
        (copy / "model.onnx").write_bytes(b"no graph")
    else:
        shutil.rmtree(copy)
        if harm == "another":
            shutil.copytree(other.folder, copy)
    with ExitStack() as closing:
        if harm == "damaged":  # who only counts needs no graph
            gallery = closing.enter_context(Gallery.open(place))
            assert gallery.count() == 1
        with pytest.raises(GalleryError, match=model.fingerprint[:12]) as error:
            gallery.encoder if harm == "damaged" else Gallery.open(place)
    assert error.value.argument == "model"
    with pytest.raises(GalleryError, match=other.fingerprint[:12]):
        Gallery.open(place, other)
    Gallery.open(place, model).close()
    with Gallery.open(place) as gallery:
        assert ids(gallery.search(QueryImage(plain(RED), "sketch"))) == ["red"]
    assert not (place / "bundle.new").exists()


@contextmanager
def reader(place):
    """Someone who may read a gallery and not write it, also where root runs the tests."""
    files = [place, *place.rglob("*")]
    for path in files:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.getuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        for path in files:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def open_place():
    """A place that every user of this machine reaches."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home, "gallery")


def test_a_read_only_gallery_is_searched_and_refuses_changes(open_place, encoder, tmp_path):
    with Gallery.open(open_place, encoder, create=True) as gallery:
        gallery.add([plain(RED), plain(BLUE)], ["red", "blue"])
    before = {path: path.stat().st_mtime_ns for path in open_place.rglob("*")}
    copies = set(Path(tempfile.gettempdir()).glob("cdim-gallery-*"))
    with reader(open_place), Gallery.open(open_place, encoder) as gallery:
        assert ids(gallery.search(QueryImage(plain((200, 0, 0)), "sketch"))) == ["red", "blue"]
        seen = encoder.seen
        for change in (
            lambda: gallery.add([plain(GREEN)], ["green"]),
            lambda: gallery.update("red", metadata={"a": 1}),
            lambda: gallery.remove(["red"]),
            lambda: gallery.put([Item("x")], np.zeros((1, 3))),
        ):
            with pytest.raises(GalleryError, match="read-only"):
                change()
        assert (gallery.count(), encoder.seen) == (2, seen)
    assert {path: path.stat().st_mtime_ns for path in open_place.rglob("*")} == before
    assert set(Path(tempfile.gettempdir()).glob("cdim-gallery-*")) == copies
    with Gallery.open(open_place, encoder) as gallery:  # writable again
        gallery.add([plain(GREEN)], ["green"])


def test_a_read_only_gallery_in_use_or_too_large_is_said_to_be(open_place, encoder, monkeypatch):
    with Gallery.open(open_place, encoder, create=True):
        monkeypatch.setattr(shard, "why_read_only", "the gallery {} is read-only".format)
        with pytest.raises(GalleryError, match="in use by another process"):
            Gallery.open(open_place, encoder)
    usage = shutil.disk_usage(open_place)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(GalleryError, match="do not fit"):
        Gallery.open(open_place, encoder)


def test_counting_needs_no_model(place, bundle, encoder):
    Gallery.open(place, encoder, create=True).close()
    (place / "bundle" / "model.onnx").write_bytes(b"no graph")
    with Gallery.open(place) as gallery:
        assert gallery.count() == 0
        with pytest.raises(GalleryError, match=r"model\.onnx"):
            _ = gallery.encoder


def test_another_model_is_refused_and_the_same_with_new_numbers_taken(place, encoder, tmp_path):
    Gallery.open(place, encoder, create=True).close()
    other = mean_colours(tmp_path / "other", query="photo", length=2.0, domains={"photo": "edge"})
    with pytest.raises(GalleryError, match="mean colours") as error:
        Gallery.open(place, other.folder)
    assert "index the images again" in str(error.value)
    fit = Calibration(0.05, 0.0, 1.0, 1.0, 0.02, 0.01, 0.01, 0.1, -0.1, 150.0)
    refitted = mean_colours(tmp_path / "refitted", calibration=fit)
    with Gallery.open(place, refitted) as gallery:
        assert gallery.bundle.calibration == fit
    with Gallery.open(place) as gallery:
        assert gallery.bundle.calibration == fit


def test_places_that_are_no_gallery(tmp_path, encoder, bundle):
    with pytest.raises(GalleryError, match="is no gallery"):
        Gallery.open(tmp_path / "missing", encoder)
    with pytest.raises(UsageError, match="no model"):
        Gallery.open(tmp_path / "missing", create=True)
    full = save(tmp_path / "photos" / "a.png", RED).parent
    with pytest.raises(GalleryError, match=r"something else, such as a\.png"):
        Gallery.open(full, encoder, create=True)
    assert [p.name for p in full.iterdir()] == ["a.png"]
    with pytest.raises(GalleryError, match="no folder"):
        Gallery.open(full / "a.png", encoder, create=True)
    with pytest.raises(ModelError, match="no bundle"):
        Gallery.open(tmp_path / "missing", "nowhere", create=True)
    assert not (tmp_path / "missing").exists()


def test_what_a_kill_left_half_made_is_made_again(place, encoder):
    Gallery.open(place, encoder, create=True).close()
    (place / "gallery.json").rename(place / "gallery.json.new")
    (place / "bundle" / "model.onnx").unlink()
    with pytest.raises(GalleryError, match="is no gallery"):
        Gallery.open(place)
    with Gallery.open(place, encoder, create=True) as gallery:
        assert gallery.count() == 0
    load_bundle(place / "bundle")


def test_a_gallery_that_another_process_makes_is_left_alone(place, encoder):
    fcntl = pytest.importorskip("fcntl")
    (place / "shard").mkdir(parents=True)
    with (place / "gallery.json.new").open("a") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        with pytest.raises(GalleryError, match="being made by another process"):
            Gallery.open(place, encoder, create=True)
    assert {p.name for p in place.iterdir()} == {"shard", "gallery.json.new"}
    with Gallery.open(place, encoder, create=True) as gallery:
        assert gallery.count() == 0
    assert {p.name for p in place.iterdir()} == {"gallery.json", "bundle", "shard"}


def test_a_gallery_that_another_process_has_just_made_is_opened(place, encoder, monkeypatch):
    with Gallery.open(place, encoder, create=True) as gallery:
        gallery.add([plain(RED)], ["red"])
    exists, asked = Path.exists, []

    def late(path):
        asked.append(path.name)
        return asked != ["gallery.json"] and exists(path)  # the first look came too early

    monkeypatch.setattr(Path, "exists", late)
    with Gallery.open(place, encoder, create=True) as gallery:
        assert gallery.count() == 1
    assert {p.name for p in place.iterdir()} == {"gallery.json", "bundle", "shard"}


def test_the_bundle_of_a_gallery_in_use_is_not_touched(place, gallery, tmp_path):
    before = (place / "bundle" / "bundle.json").read_bytes()
    fit = Calibration(0.05, 0.0, 1.0, 1.0, 0.02, 0.01, 0.01, 0.1, -0.1, 150.0)
    with pytest.raises(GalleryError, match="in use"):
        Gallery.open(place, mean_colours(tmp_path / "refitted", calibration=fit))
    assert (place / "bundle" / "bundle.json").read_bytes() == before


def test_too_many_names_of_metadata_are_refused_before_anything_is_written(gallery, monkeypatch):
    assert MAX_FIELDS == 256
    monkeypatch.setattr("cdim.find.gallery.MAX_FIELDS", 5)  # an index a name takes its time
    names = [f"f{i}" for i in range(5)]
    gallery.put([Item("a", metadata=dict.fromkeys(names[:-1], 1))], np.zeros((1, 3)))
    wrong = [{}] * 80 + [{"x": 1, "y": 1}]
    with pytest.raises(UsageError, match="5 at most"):
        gallery.add([plain(RED)] * 81, [f"i{i}" for i in range(81)], wrong)
    with pytest.raises(UsageError, match="5 at most"):
        gallery.put([Item("b", metadata={"x": 1, "y": 1})], np.zeros((1, 3)))
    assert gallery.count() == 1
    gallery.put([Item("b", metadata={names[-1]: 1})], np.zeros((1, 3)))
    assert gallery.store.fields() == sorted(names)
    gallery.remove(["a"])  # its names are free again
    gallery.put([Item("c", metadata={"x": 1, "y": 1})], np.zeros((1, 3)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', "\xff"])
def test_a_damaged_record_is_named(place, encoder, text):
    Gallery.open(place, encoder, create=True).close()
    (place / "gallery.json").write_text(text, encoding="latin-1")
    with pytest.raises(GalleryError):
        Gallery.open(place)


def test_a_gallery_of_a_later_version_is_named(place, encoder):
    Gallery.open(place, encoder, create=True).close()
    record = json.loads((place / "gallery.json").read_text())
    (place / "gallery.json").write_text(json.dumps({**record, "format": 9}))
    with pytest.raises(GalleryError, match="format 9"):
        Gallery.open(place)


@pytest.mark.parametrize("lost", ["shard", "shard/segments", "shard/edge_config.json", "shard/wal"])
def test_lost_data_is_never_passed_over(place, encoder, lost):
    with Gallery.open(place, encoder, create=True) as gallery:
        gallery.add([plain(RED)], ["red"])
    target = place / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    said = ""
    try:
        with Gallery.open(place) as gallery:
            count = gallery.count()
    except GalleryError as error:
        count, said = 1, str(error)
    assert count == 1
    assert str(place) in said or not said


def test_a_second_process_is_told_and_pointed_to_serve(place, gallery):
    command = (
        "import sys; from cdim.errors import GalleryError\n"
        "from cdim.find.gallery import Gallery\n"
        "try: Gallery.open(sys.argv[1])\n"
        "except GalleryError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, str(place)], capture_output=True, text=True, check=True
    )
    assert "in use by another process" in done.stdout
    assert f"serve {place}" in done.stdout
    with pytest.raises(GalleryError, match="in use"):
        Gallery.open(place)


def test_who_is_refused_touches_no_file_of_the_owner(place, gallery):
    for number in range(3):
        gallery.add([plain(RED)], [str(number)], [{f"field {number}": "a text", "price": number}])
        before = set(place.rglob("*"))
        for _ in range(3):
            with pytest.raises(GalleryError, match="in use"):
                Gallery.open(place)
        assert set(place.rglob("*")) == before
    gallery.add([plain(GREEN)], ["last"], [{"another": 3.5}])
    gallery.close()
    with Gallery.open(place) as again:
        assert again.count() == 4
        assert again.get("last").metadata["another"] == 3.5


def test_a_new_image_brings_its_size(gallery):
    gallery.add([plain(RED)], ["a"], [{"width": 1, "height": 2, "price": 3}])
    gallery.update("a", plain(RED))
    assert gallery.get("a").metadata == {"width": 1, "height": 2, "price": 3}
    green = np.zeros((5, 7, 3), np.uint8)
    assert gallery.update("a", green).metadata == {"width": 7, "height": 5, "price": 3}
    gallery.add([plain(GREEN)], ["a"], [{"width": 9}])
    assert gallery.get("a").metadata["width"] == 9
    gallery.add([plain(RED)], ["b"])
    assert gallery.update("b", green).metadata == {}


def test_threads_may_write_and_search_at_once(gallery):
    failures = []

    def work(job, number):
        try:
            for turn in range(15):
                job(number, turn)
        except BaseException as error:
            failures.append(error)

    def write(number, turn):
        names = [f"{number}-{turn}-{i}" for i in range(5)]
        gallery.add([plain(RNG.integers(0, 255, 3))] * 5, names, [{"by": number}] * 5)
        gallery.remove(names[:1])
        gallery.update(names[1], metadata={"by": "changed"})

    def ask(number, turn):
        gallery.search(QueryImage(plain(RED), "sketch"), where={"by": [0, 1]})
        gallery.facets()
        gallery.items(limit=10)

    threads = [threading.Thread(target=work, args=(write, n)) for n in range(3)]
    threads += [threading.Thread(target=work, args=(ask, n)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert gallery.count() == 3 * 15 * 4
    assert gallery.count({"by": "changed"}) == 3 * 15


def test_the_export_can_be_read_again(three, tmp_path):
    three.update("red", metadata={"maker": 'Smith, "Sons"\n'})
    three.export(tmp_path / "out")
    vectors = np.load(tmp_path / "out" / "vectors.npy")
    rows = (tmp_path / "out" / "items.csv").read_text(encoding="utf-8")
    table = list(csv.DictReader(io.StringIO(rows)))
    assert len(table) == len(vectors) == 3
    for row, vector in zip(table, vectors, strict=True):
        assert vector.tolist() == list(PALETTE[row["id"]])
        assert row["digest"] == three.get(row["id"]).digest
    assert {r["id"]: r["maker"] for r in table}["red"] == 'Smith, "Sons"\n'
    assert {r["id"]: r["length"] for r in table} == {"red": "", "green": "5", "blue": "4"}
    (tmp_path / "file").touch()
    with pytest.raises(GalleryError, match="cannot write"):
        three.export(tmp_path / "file")


def test_nothing_is_written_while_an_export_runs(three, tmp_path, monkeypatch):
    page, writers = three.store.page, []

    def paged(*arguments, **options):
        writers.append(threading.Thread(target=three.remove, args=(["red"],)))
        writers[0].start()
        writers[0].join(0.1)
        return page(*arguments, **options)

    monkeypatch.setattr(three.store, "page", paged)
    three.export(tmp_path / "out")
    writers[0].join()
    assert len(np.load(tmp_path / "out" / "vectors.npy")) == 3
    assert "\nred," in (tmp_path / "out" / "items.csv").read_text()
    assert three.count() == 2
