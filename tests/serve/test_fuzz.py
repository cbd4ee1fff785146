"""Whatever is sent, the answer is a structured one and the gallery is as it was."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(codec="utf-8"))
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANY = st.recursive(
    SCALAR, lambda kids: st.lists(kids, max_size=4) | st.dictionaries(st.text(), kids, max_size=4)
)
VIEW = st.fixed_dictionaries(
    {},
    optional={
        "strokes": st.lists(st.lists(st.tuples(st.floats(), st.floats()))) | ANY,
        "image": st.text() | ANY,
        "id": st.sampled_from(["shoe/0.png", "nobody"]) | ANY,
        "domain": st.sampled_from(["photo", "sketch", "x"]) | ANY,
        "width": ANY,
    },
)
WHERE = st.dictionaries(
    st.sampled_from(["category", "price", "date", "new"]) | st.text(),
    ANY | st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "x"]), SCALAR),
    max_size=3,
)
SEARCH = st.fixed_dictionaries(
    {"query": st.lists(VIEW, max_size=3) | st.just([{"id": "shoe/0.png"}])},
    optional={
        "weights": st.lists(st.floats() | st.integers(), max_size=3) | ANY,
        "k": st.integers(-1, 300) | ANY,
        "where": WHERE | ANY,
        "rerank": st.booleans() | ANY,
        "expand": st.integers(-1, 5) | ANY,
        "false_match_rate": st.floats() | ANY,
    },
)


def check(answer):
    """An answer of the API's own: no fault, and a structured error if one."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"].keys() == {"code", "given", "allowed", "todo"}


@QUICK
@given(search=SEARCH | ANY)
def test_searches(client, search):
    body = json.dumps(search)
    check(client.post("/v1/search", content=body, headers={"Content-Type": "application/json"}))


@QUICK
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "form", "x/y"]))
def test_bodies(writer, body, kind):
    kind = "multipart/form-data; boundary=b" if kind == "form" else kind
    for path in ("/v1/search", "/v1/items"):
        check(writer.post(path, content=body, headers={"Content-Type": kind}))


@QUICK
@given(
    texts=st.dictionaries(st.sampled_from(["id", "metadata", "domain", "x"]), TEXT),
    image=st.binary(max_size=50),
)
def test_forms(writer, gallery, texts, image):
    check(writer.post("/v1/items", data=texts, files={"image": ("a.png", image)}))
    assert gallery.count() == 36


@QUICK
@given(name=st.text(max_size=30), change=ANY)
def test_ids_and_changes(writer, gallery, name, change):
    from urllib.parse import quote

    part = quote(name.encode("utf-8", "replace"), safe="")
    for kind in ("items", "thumbnails", "images"):
        check(writer.get(f"/v1/{kind}/{part}"))
    headers = {"Content-Type": "application/json"}
    for path in (f"/v1/items/{part}", "/v1/items/shoe/0.png"):
        body = json.dumps({"metadata": change})
        check(writer.patch(path, content=body, headers=headers))
    assert gallery.count() == 36


@QUICK
@given(where=TEXT | WHERE.map(json.dumps), after=TEXT, limit=TEXT)
def test_lists(client, where, after, limit):
    for params in ({"where": where}, {"after": after}, {"limit": limit}):
        check(client.get("/v1/items", params=params))
        check(client.get("/v1/facets", params=params))
