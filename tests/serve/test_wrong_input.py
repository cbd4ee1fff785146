"""What cannot be is said in one way, and changes nothing."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"query": []}, "0 views"),
        ({"query": [{}]}, "one of strokes, drawing, image, id"),
        ({"query": [{"strokes": [[[0, 0]]], "id": "x"}]}, "one of"),
        ({"query": [{"id": "x", "domain": "photo"}]}, "only images have a domain"),
        ({"query": [{"strokes": []}]}, "at least 1"),
        ({"query": [{"strokes": [[]]}]}, "no points"),
        ({"query": [{"strokes": [[[0]]]}]}, "points [x, y]"),
        ({"query": [{"strokes": [[[0, 0]]], "drawing": [[[0], [0]]]}]}, "one of"),
        ({"query": [{"image": "data:image/png;base64"}]}, "a comma"),
        ({"query": [{"image": "data:text/plain,red%20shoe"}]}, "is a text"),
        ({"query": [{"image": "AAAA"}]}, "cannot be decoded"),
        ({"query": [{"image": "AAAA", "domain": "opera"}]}, ""),
        ({"query": [{"id": "nobody"}]}, "no item 'nobody'"),
        ({"query": [{"id": "x"}] * 17}, "at most 16"),
        ({"query": [{"id": "x"}], "k": 0}, "greater than or equal to 1"),
        ({"query": [{"id": "x"}], "k": 10**9}, "less than or equal to 200"),
        ({"query": [{"id": "x"}], "kk": 3}, "Extra inputs"),
        ({"query": [{"id": "shoe/0.png"}], "weights": [1, 2]}, "weight"),
        ({"query": [{"id": "shoe/0.png"}], "weights": [0]}, "weight"),
        ({"query": [{"id": "shoe/0.png"}], "where": {"a": {"near": 3}}}, "gte"),
        ({"query": [{"id": "shoe/0.png"}], "where": {"a": None}}, "a value is text"),
        ([], "object"),
    ],
)
def test_searches_that_cannot_be(client, search, said, failure):
    response = client.post("/v1/search", json=search)
    assert response.status_code == 422, response.text
    assert said in response.text
    failure(response, 422, response.json()["error"]["code"])


def test_too_many_points(client, failure):
    line = [[n % 200, n % 100] for n in range(60_000)]
    view = {"strokes": [line, line], "width": 256, "height": 256}
    error = failure(client.post("/v1/search", json={"query": [view]}), 422, "image")
    assert "100000 points" in error["given"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"query": [{"id": "\\ud800"}]}', b"[" * 9999]
)
def test_a_body_that_is_no_json(client, content, failure):
    headers = {"Content-Type": "application/json"}
    failure(client.post("/v1/search", content=content, headers=headers), 422, "validation")


_WORDS, _FIELDS = ",".join(['"x"'] * 900_000), ",".join(f'"f{n}": 1' for n in range(100_000))
_ZEROS = "0" * 4_000_000


@pytest.mark.parametrize(
    "content",
    [
        f'{{"query": [{{"strokes": [[{_WORDS}, {_WORDS}]]}}]}}',
        f'{{"query": [{"[]," * 600_000}]}}',
        f"{{{_FIELDS}}}",
        f'{{"query": [{{{_FIELDS}}}]}}',
        f'{{"weights": [{_WORDS}]}}',
        f'{{"query": [{{"strokes": [[{_WORDS}]]}}]}}',
        f'{{"query": [{{"strokes": [{_WORDS}]}}]}}',
        f'{{"query": [{{"strokes": [[[0, 1{_ZEROS}]]]}}]}}',
    ],
    ids=["values", "brackets", "fields", "view", "weights", "points", "strokes", "digits"],
)
def test_large_json_costs_little(client, content, failure):
    started = time.process_time()
    tracemalloc.start()
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/search", content=content, headers=headers)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    failure(response, 422, response.json()["error"]["code"])
    assert len(response.content) < 1000
    assert most < 300 * 2**20
    assert time.process_time() - started < 5


def test_large_metadata_costs_little(writer, failure):
    fields = {f"{n}" * 60: 1 for n in range(20_000)}
    changed = writer.patch("/v1/items/shoe/0.png", json={"metadata": fields})
    assert "at most 1,000 fields" in failure(changed, 422, "validation")["allowed"]
    failure(writer.patch("/v1/items/shoe/0.png", data={"metadata": "{}"}), 415, "media-type")


def test_bodies_of_other_kinds(client, failure):
    failure(client.post("/v1/search", content=b"x"), 415, "media-type")
    failure(client.post("/v1/search", data={"query": "x"}), 415, "media-type")
    broken = client.post(
        "/v1/search", content=b"no boundary", headers={"Content-Type": "multipart/form-data"}
    )
    failure(broken, 400, "http")
    failure(client.post("/v1/search", files={"picture": ("x", b"y")}), 422, "validation")
    text = client.post("/v1/search", files={"search": ("x", b"{}"), "image": ("x", b"y")})
    failure(text, 422, "validation")


@pytest.mark.parametrize("name", [".", "..", "", "a\nb", "x" * 1001])
def test_ids_that_cannot_be(writer, png, name, failure):
    made = writer.post("/v1/items", data={"id": name}, files={"image": ("x.png", png())})
    failure(made, 422, "validation")


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        "[]",
        '{"a": null}',
        '{"a": [1]}',
        '{"a": 1e999}',
        '{"": 1}',
        '{"n": 9223372036854775808}',
        '{"id": 1}',
    ],
)
def test_metadata_that_cannot_be(writer, gallery, png, metadata, failure):
    made = writer.post(
        "/v1/items", data={"id": "x", "metadata": metadata}, files={"image": ("x.png", png())}
    )
    assert made.status_code == 422, made.text
    failure(made, 422, made.json()["error"]["code"])
    assert gallery.count() == 36


def test_an_upload_that_is_no_image(writer, gallery, failure):
    made = writer.post("/v1/items", data={"id": "x"}, files={"image": ("x.png", b"not an image")})
    failure(made, 422, "image")
    failure(writer.post("/v1/items", data={"id": "x"}), 415, "media-type")
    failure(writer.post("/v1/items", files={"id": (None, "x")}), 422, "validation")
    empty = writer.post("/v1/items", data={"id": "x"}, files={"image": ("x.png", b"")})
    failure(empty, 422, "image")
    assert gallery.count() == 36


def test_too_many_pixels(writer, png, failure):
    bomb = png(9000, 9000)
    assert len(bomb) < 2**20
    made = writer.post("/v1/items", data={"id": "bomb"}, files={"image": ("x.png", bomb)})
    assert "pixels" in failure(made, 422, "image")["given"]


@pytest.mark.parametrize("counted", [True, False])
def test_too_many_bytes(writer, gallery, counted, failure):
    parts = [b"x" * 2**20] * 33
    body = b"".join(parts) if counted else iter(parts)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    failure(writer.post("/v1/items", content=body, headers=headers), 413, "too-large")
    json_body = b"".join(parts) if counted else iter(parts)
    headers = {"Content-Type": "application/json"}
    failure(writer.post("/v1/search", content=json_body, headers=headers), 413, "too-large")
    assert writer.get("/v1/gallery").status_code == 200


def test_a_form_takes_a_drawing_as_large_as_json_does(client, png, failure):
    stroke = [[0.1234567890123, 0.9876543210987]] * 50_000
    search = json.dumps({"query": [{"strokes": [stroke]}]})
    assert len(search) > 2**20
    files = {"image": ("x.png", png(20, 20))}
    found = client.post("/v1/search", data={"search": search, "domain": "sketch"}, files=files)
    assert found.json()["taken"] == ["sketch", "sketch"]


def test_unknown_paths_and_methods(client, writer, failure):
    failure(client.get("/v1/nothing"), 404, "not-found")
    failure(client.get("/../../etc/passwd"), 404, "not-found")
    failure(client.get("/%2e%2e/app.py"), 404, "not-found")
    failure(writer.put("/v1/gallery"), 405, "method")
    failure(writer.post("/nothing"), 405, "method")
    failure(client.get("/v1/items", params={"limit": 0}), 422, "validation")
    failure(client.get("/v1/items", params={"after": "x"}), 422, "usage")
    failure(client.get("/v1/items", params={"where": "{"}), 422, "validation")
    failure(client.get("/v1/items", params={"where": '{"a": {}}'}), 422, "usage")
