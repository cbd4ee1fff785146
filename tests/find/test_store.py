"""What a store promises, kept by Qdrant Edge and by the client of a server alike.

No server can be run here: `ServerStore` is tested with the in-memory mode of qdrant-client, which
takes the same calls. Indices of metadata do not exist in that mode.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from cdim.errors import GalleryError, MissingExtra, UsageError
from cdim.find import filters
from cdim.find.items import Item
from cdim.find.stores.edge import EdgeStore
from cdim.find.stores.server import ServerStore, open_url
from cdim.find.stores.store import stored

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
RNG = np.random.default_rng(0)
N, DIM = 60, 3


@pytest.fixture(params=["edge", "server"])
def store(request, tmp_path, bundle):
    if request.param == "edge":
        made = EdgeStore(tmp_path / "shard", DIM, create=True)
    else:
        made = ServerStore(QdrantClient(":memory:"), "c", "http://here/c", bundle, True)
    yield made
    made.close()


def item(number, **metadata):
    return Item(f"shelf/{number}.jpg", "s", f"d{number}", "photo", "r", "t", metadata, b"\xff\xd8")


@pytest.fixture
def filled(store):
    items = [
        item(i, kind="abc"[i % 3], price=i / 2, day=f"2024-01-{1 + i % 28:02d}", new=i % 2 == 0)
        for i in range(N)
    ]
    vectors = RNG.normal(size=(N, DIM)).astype(np.float32)
    store.put(items, vectors)
    return store, items, vectors


def test_what_was_put_comes_back(filled):
    store, items, vectors = filled
    found = store.get([items[3].id, "nobody", items[7].id], vectors=True, thumbnails=True)
    by_id = {f.item.id: f for f in found}
    assert by_id.keys() == {items[3].id, items[7].id}
    assert by_id[items[3].id].item == items[3]
    assert by_id[items[3].id].vector.tolist() == vectors[3].tolist()
    listed = store.get([items[3].id])[0]
    assert listed.item == replace(items[3], thumbnail=b"")
    assert listed.vector is None


def test_the_same_id_is_replaced_as_a_whole(filled):
    store, items, vectors = filled
    store.put([replace(items[3], metadata={"kind": "z"}, digest="new")], vectors[:1])
    assert store.count(()) == N
    found = store.get([items[3].id], vectors=True)[0]
    assert found.item.metadata == {"kind": "z"}
    assert found.vector.tolist() == vectors[0].tolist()


def test_removed_items_are_gone(filled):
    store, items, _ = filled
    store.remove([items[0].id, "nobody", items[1].id])
    assert store.count(()) == N - 2
    assert store.get([items[0].id]) == []


def test_the_nearest_are_those_of_a_naive_search(filled):
    store, items, vectors = filled
    query = RNG.normal(size=DIM).astype(np.float32)
    distances = np.linalg.norm(vectors - query, axis=1)
    found = store.nearest(query, 7, ())
    assert [f.item.id for f in found] == [items[i].id for i in np.argsort(distances)[:7]]
    assert [f.distance for f in found] == pytest.approx(np.sort(distances)[:7], rel=1e-5)


def test_the_nearest_under_a_filter_but_for_some(filled):
    store, items, vectors = filled
    query = vectors[0]
    allowed = [i for i in range(N) if i % 3 == 0 and i != 0]
    best = sorted(allowed, key=lambda i: np.linalg.norm(vectors[i] - query))[:5]
    where = filters.read({"kind": "a"})
    found = store.nearest(query, 5, where, [items[0].id], vectors=True)
    assert [f.item.id for f in found] == [items[i].id for i in best]
    assert found[0].vector.tolist() == vectors[best[0]].tolist()


@pytest.mark.parametrize("limit", [1, 7, N, 2 * N])
def test_pages_hold_every_item_once_in_one_order(filled, limit):
    store, items, vectors = filled
    seen, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page, after = store.page((), limit, after, vectors=True)
        seen += page
        pages += 1
    assert {f.item.id for f in seen} == {i.id for i in items}
    assert len(seen) == N
    assert pages == -(-N // limit)
    assert [f.item.id for f in seen] == [f.item.id for f in store.page((), N)[0]]
    rows = {item.id: vector.tolist() for item, vector in zip(items, vectors, strict=True)}
    assert all(f.vector.tolist() == rows[f.item.id] for f in seen)


def test_facets_count_the_words(filled):
    store, items, _ = filled
    assert store.fields() == ["day", "kind", "new", "price"]
    for field in store.fields():
        words = Counter(filters.word(i.metadata[field]) for i in items)
        assert store.facet(field, (), 100) == words
    where = filters.read({"price": {"lt": 3}})
    assert store.facet("kind", where, 100) == {'"a"': 2, '"b"': 2, '"c"': 2}
    assert len(store.facet("price", (), 4)) == 4


FIELDS = ["kind", "a b", "x.y", "ü[0]", "'", "price"]
VALUES = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, -1.5, 2.0]),
    st.sampled_from(["a", "1", "true", "ä", "", '"', "2024-01-02", "2024-01-02T12:00:00"]),
)
ENDS = st.dictionaries(st.sampled_from(filters.ENDS), st.integers(-5, 5), min_size=1)
DAYS = st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-02T06:00", "2024-01-03"])
DATES = st.dictionaries(st.sampled_from(filters.ENDS), DAYS, min_size=1)
WHERE = st.dictionaries(
    st.sampled_from(FIELDS),
    st.one_of(VALUES, st.lists(VALUES, min_size=1, max_size=3), ENDS, DATES),
    max_size=2,
)


def passes(metadata, where):
    """The language of filters, said a second time."""
    return all(field in metadata and _fits(metadata[field], w) for field, w in where.items())


def _fits(value, wanted):
    if not isinstance(wanted, dict):
        wanted = wanted if isinstance(wanted, list) else [wanted]
        return any(isinstance(w, bool) == isinstance(value, bool) and w == value for w in wanted)
    dates = isinstance(next(iter(wanted.values())), str)
    if isinstance(value, bool) or isinstance(value, str) != dates:
        return False
    if dates and not re.match(r"\d{4}-", value):
        return False
    value = f"{value}T00:00:00"[:19] if dates else value
    tests = {
        "gt": lambda end: value > (f"{end}T23:59:59" if dates and len(end) == 10 else end),
        "lte": lambda end: value <= (f"{end}T23:59:59" if dates and len(end) == 10 else end),
        "gte": lambda end: value >= end,
        "lt": lambda end: value < end,
    }
    return all(tests[name](end) for name, end in wanted.items())


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), max_size=8), WHERE)
def test_filters_mean_the_same_everywhere(store, tables, where):
    store.remove([f"shelf/{i}.jpg" for i in range(8)])
    items = [item(i, **table) for i, table in enumerate(tables)]
    if items:
        store.put(items, np.zeros((len(items), DIM), dtype=np.float32))
    right = {i.id for i in items if passes(i.metadata, where)}
    try:
        conditions = filters.read(where)
    except UsageError:  # a range that ends before it begins
        assert right == set()
        return
    assert {f.item.id for f in store.page(conditions, 100)[0]} == right
    assert store.count(conditions) == len(right)
    words = Counter(filters.word(i.metadata["kind"]) for i in items if "kind" in i.metadata)
    if words:
        assert store.facet("kind", (), 100) == words


@pytest.mark.parametrize("order", [1, -1])
def test_a_field_may_hold_numbers_and_dates(store, order):
    values = {0: 3, 1: "2024-01-02", 2: 7.5, 3: "2024-01-05 10:00", 4: "text", 5: True}
    for i in sorted(values, key=lambda i: order * i):  # the first kind gets the first index
        store.put([item(i, x=values[i])], np.zeros((1, DIM), dtype=np.float32))
    for where, right in (
        ({"gte": 0}, {0, 2}),
        ({"lt": 5}, {0}),
        ({"gte": "2024-01-01"}, {1, 3}),
        ({"lte": "2024-01-02"}, {1}),
        ({"gt": "2024-01-05T09:00"}, {3}),
    ):
        conditions = filters.read({"x": where})
        found = {f.item.metadata["x"] for f in store.page(conditions, 100)[0]}
        assert found == {values[i] for i in right}
        assert store.count(conditions) == len(right)
    assert store.facet("x", (), 100) == {filters.word(v): 1 for v in values.values()}


@pytest.mark.parametrize("name", ["a b/'c'\"d.jpg", "ü/日本.png", "x" * 4000, "new\nline", "0"])
def test_ids_may_be_anything_that_is_text(store, name):
    store.put([Item(name)], np.zeros((1, DIM), dtype=np.float32))
    assert store.get([name])[0].item.id == name
    store.remove([name])
    assert store.count(()) == 0


def test_what_is_closed_says_so(tmp_path):
    store = EdgeStore(tmp_path / "shard", DIM, create=True)
    store.close()
    with pytest.raises(GalleryError, match="closed"):
        store.count(())


def test_a_collection_that_is_there_is_opened_again(bundle, filled):
    store, items, _ = filled
    if isinstance(store, ServerStore):
        again = ServerStore(store._client, "c", "http://here/c", bundle, True)
        assert again.count(()) == len(items)


def test_a_collection_of_another_model_missing_or_foreign_is_refused(bundle):
    client = QdrantClient(":memory:")
    with pytest.raises(GalleryError, match="no gallery"):
        ServerStore(client, "c", "http://here/c", bundle, False)
    ServerStore(client, "c", "http://here/c", bundle, True)
    with pytest.raises(GalleryError, match="index the images again"):
        ServerStore(client, "c", "http://here/c", replace(bundle, fingerprint="other"), True)
    client.create_collection("foreign", {})
    with pytest.raises(GalleryError, match="not made by cdim"):
        ServerStore(client, "foreign", "http://here/foreign", bundle, True)


def test_urls_that_cannot_work(bundle, monkeypatch):
    with pytest.raises(UsageError, match="6333/collection"):
        open_url("http://127.0.0.1:9", bundle, False)
    for url in ("http://[::1/c", "http://here:99999/c", "http://here:x/c", "http://he re:9/c"):
        with pytest.raises(UsageError, match="6333/collection"):
            open_url(url, bundle, False)
    with pytest.raises(UsageError, match="name its bundle"):
        open_url("http://127.0.0.1:9/c", None, False)
    with pytest.raises(GalleryError, match="refuses"):
        open_url("http://127.0.0.1:9/c", bundle, True)
    for url in ("http://me:secret@127.0.0.1:9/c", "http://me:sec/ret@127.0.0.1:9/c"):
        for model in (bundle, None):
            with pytest.raises((GalleryError, UsageError)) as error:
                open_url(url, model, True)
            assert "sec" not in str(error.value)
            assert "127.0.0.1:9/c" in str(error.value)
    monkeypatch.setitem(__import__("sys").modules, "qdrant_client", None)
    with pytest.raises(MissingExtra, match="cluster"):
        open_url("http://127.0.0.1:9/c", bundle, False)


@pytest.mark.parametrize("point", [{"vector": {}, "payload": {}}, {"vector": [], "payload": None}])
def test_a_damaged_item_is_one_line(point):
    with pytest.raises(GalleryError, match="an item of the gallery is damaged"):
        stored(SimpleNamespace(**point))
