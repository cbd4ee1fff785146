"""The REST API over a real gallery with a quick model."""

from __future__ import annotations

import base64
import codecs
import hashlib
import io
import json
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from cdim.bundles.queries import read_query
from cdim.errors import GalleryError
from cdim.find.items import Item

ODD = "a b/ü?#\"'<x>&/日本/thumbnail"


def test_what_is_served(client, shop):
    told = client.get("/v1/gallery").json()
    assert told["name"] == "shop"
    assert told["items"] == shop.count() == 36
    assert told["bundle"] == "quick"
    assert told["calibrated"]
    assert not told["may_write"]
    assert told["place"] is None


def test_who_may_write_is_told_where_it_is(writer, gallery):
    told = writer.get("/v1/gallery").json()
    assert told["may_write"]
    assert told["place"] == gallery.place


def test_a_drawing_finds_its_picture_as_python_does(
    client_of, token, shop, drawings, asked_strokes, tmp_path
):
    name, drawing = list(drawings.items())[7]
    view = asked_strokes(drawing)
    client = client_of(shop, headers={"Authorization": f"Bearer {token}"})
    answer = client.post("/v1/search", json={"query": [view], "k": 10})
    assert answer.status_code == 200
    told = answer.json()
    assert told["hits"][0]["id"] == name
    assert told["taken"] == ["sketch"]
    file = tmp_path / "drawing.json"
    file.write_text(json.dumps(view), encoding="utf-8")
    found = shop.search(read_query(file, None, shop.bundle), 10)
    assert told == found.to_json()


def test_an_image_as_base64_and_as_a_file_find_the_same(client, pictures):
    name, path = list(pictures.items())[3]
    data = path.read_bytes()
    view = {"image": base64.b64encode(data).decode(), "domain": "sketch"}
    by_json = client.post("/v1/search", json={"query": [view], "k": 5}).json()
    by_form = client.post(
        "/v1/search",
        data={"search": json.dumps({"k": 5}), "domain": "sketch"},
        files={"image": ("x.png", data)},
    ).json()
    assert by_json == by_form
    assert by_form["hits"][0]["id"] == name
    assert len(by_form["hits"]) == 5


def test_files_of_strokes_and_data_urls_are_taken_where_images_are(client, drawings, pictures):
    name, drawing = list(drawings.items())[3]
    points = [line.tolist() for line in drawing.lines]
    columns = [[x, y, [7] * len(x)] for x, y in (line.T.tolist() for line in drawing.lines)]
    lines = json.dumps({"word": "shoe", "drawing": columns}).encode() + b"\n"
    url = "data:image/png;base64," + base64.b64encode(pictures[name].read_bytes()).decode()
    views = [
        {"strokes": [[], *points]},
        {"strokes": columns},
        {"drawing": columns},
        {"image": base64.b64encode(lines).decode()},
        {"image": "data:application/json," + quote(json.dumps(points))},
        {"image": url, "domain": "sketch"},
    ]
    found = [client.post("/v1/search", json={"query": [view], "k": 3}) for view in views]
    found.append(
        client.post("/v1/search", files={"image": ("x.ndjson", lines)}, data={"search": '{"k": 3}'})
    )
    for one in found:
        assert one.status_code == 200, one.text
        assert one.json()["taken"] == ["sketch"]
        assert one.json()["hits"][0]["id"] == name
    assert all(one.json() == found[0].json() for one in (*found[1:5], found[-1]))


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
def test_an_svg_with_a_byte_order_mark(client, drawings, mark):
    name, drawing = list(drawings.items())[3]
    lines = [" ".join(f"{x},{y}" for x, y in line) for line in drawing.lines]
    drawn = "".join(f'<polyline points="{line}" fill="none" stroke="black"/>' for line in lines)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">{drawn}</svg>'
    found = client.post("/v1/search", files={"image": ("x.svg", mark + svg.encode())})
    assert found.status_code == 200, found.text
    assert found.json()["hits"][0]["id"] == name


def test_more_like_an_item_and_a_blend(client, pictures, drawings, asked_strokes):
    one, *_, other = pictures
    like = client.post("/v1/search", json={"query": [{"id": one}], "k": 36}).json()
    assert one not in [hit["id"] for hit in like["hits"]]
    assert len(like["hits"]) == 35
    views = [asked_strokes(drawings[one]), {"id": other}]
    blend = {"query": views, "weights": [1, 0], "k": 3}
    assert client.post("/v1/search", json=blend).json()["hits"][0]["id"] == one


def test_filters_mean_the_same_everywhere(client, drawings, shop, asked_strokes):
    where = {"category": ["shoe", "bag"], "price": {"gte": 50, "lt": 250}, "new": True}
    expected = {item.id for item in shop.items(where)[0]}
    assert 0 < len(expected) < 36
    view = asked_strokes(next(iter(drawings.values())))
    found = client.post("/v1/search", json={"query": [view], "k": 50, "where": where}).json()
    listed = client.get("/v1/items", params={"where": json.dumps(where)}).json()
    assert {hit["id"] for hit in found["hits"]} == {i["id"] for i in listed["items"]} == expected
    assert found["searched"] == len(expected)


def test_pages_hold_every_item_once(client, pictures):
    seen, after = [], None
    while True:
        told = client.get(
            "/v1/items", params={"limit": 10, "after": after} if after else "limit=10"
        )
        seen += [item["id"] for item in told.json()["items"]]
        after = told.json()["after"]
        if after is None:
            break
    assert sorted(seen) == sorted(pictures)


def test_facets_say_of_what_kind_a_field_is(client):
    told = {facet["field"]: facet for facet in client.get("/v1/facets").json()}
    assert told["category"]["kind"] == told["new"]["kind"] == "value"
    assert {v["value"] for v in told["new"]["values"]} == {True, False}
    assert (told["price"]["kind"], told["price"]["low"], told["price"]["high"]) == (
        "number",
        0,
        350,
    )
    assert (told["date"]["kind"], told["date"]["low"]) == ("date", "2024-01-15")


def test_a_number_of_too_many_values_can_still_be_filtered_by(client, monkeypatch):
    monkeypatch.setattr("cdim.find.gallery.MOST_VALUES", 20)
    told = {facet["field"]: facet for facet in client.get("/v1/facets").json()}
    assert told["price"] == {
        "field": "price", "kind": "number", "values": [], "low": None, "high": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["new.png", ODD, ODD + "/image", "a/../b", "x" * 1000])
def test_an_item_s_life(writer, gallery, png, name, failure):
    at = f"/v1/items/{quote(name, safe='')}"
    made = writer.post(
        "/v1/items",
        data={"id": name, "metadata": json.dumps({"colour": "red", "price": 3})},
        files={"image": ("upload.png", png())},
    )
    assert made.status_code == 201, made.text
    assert made.json() == {"id": name, "metadata": {"colour": "red", "price": 3}, "source": ""}
    assert writer.get(at).json() == made.json()
    changed = writer.patch(at, json={"metadata": {"price": None, "size": 4.5}})
    assert changed.json()["metadata"] == {"colour": "red", "size": 4.5}
    thumbnail = writer.get(f"/v1/thumbnails/{quote(name, safe='')}")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(thumbnail.content)).size == (40, 30)
    assert writer.delete(at).status_code == 204
    failure(writer.get(at), 404, "not-found")
    failure(writer.delete(at), 404, "not-found")
    assert gallery.count() == 36


def test_an_id_that_is_taken_is_kept_unless_replaced(writer, gallery, pictures, png, failure):
    name = next(iter(pictures))
    before = gallery.get(name)
    new = {"id": name, "image": base64.b64encode(png()).decode(), "metadata": {"v": 2}}
    failure(writer.post("/v1/items", json=new), 409, "taken")
    assert gallery.get(name) == before
    assert writer.post("/v1/items?replace=true", json=new).status_code == 201
    assert gallery.get(name).metadata == {**before.metadata, "v": 2}
    assert gallery.get(name).root == before.root
    assert gallery.count() == 36


def test_a_read_only_gallery_is_searched_and_not_changed(writer, gallery, pictures, png, failure):
    gallery.store.read_only = "the gallery is read-only"
    name = next(iter(pictures))
    new = {"id": "new", "image": base64.b64encode(png()).decode()}
    at = f"/v1/items/{quote(name, safe='')}"
    for refused in (
        writer.post("/v1/items", json=new),
        writer.patch(at, json={"metadata": {"v": 2}}),
        writer.delete(at),
    ):
        assert "read-only" in failure(refused, 403, "read-only")["given"]
    assert writer.post("/v1/search", json={"query": [{"id": name}]}).status_code == 200


def test_an_unknown_field_is_refused_and_no_item_says_nothing_about_presence(client, failure):
    ask = {"where": json.dumps({"catgory": "shoe"})}
    for path in ("/v1/items", "/v1/facets"):
        assert "category" in failure(client.get(path, params=ask), 422, "usage")["allowed"]
    like = {"query": [{"id": client.get("/v1/items").json()["items"][0]["id"]}]}
    failure(client.post("/v1/search", json={**like, "where": {"catgory": 1}}), 422, "usage")
    told = client.post("/v1/search", json={**like, "where": {"category": "ship"}}).json()
    assert (told["searched"], told["present"], told["probably_absent"]) == (0, None, False)


def test_the_picture_of_an_item_is_its_file_written_anew(writer, gallery, pictures, png, failure):
    name = next(iter(pictures))
    told = writer.get(f"/v1/images/{quote(name, safe='')}")
    assert told.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(told.content)).size == (256, 256)
    gallery.add([png()], ["from memory"])
    failure(writer.get("/v1/images/from memory"), 404, "no-image")


def test_a_source_that_is_no_image_stays_on_the_machine(
    writer, gallery, pictures, tmp_path, failure
):
    copy = tmp_path / "copy.png"
    copy.write_bytes(next(iter(pictures.values())).read_bytes())
    gallery.add([copy], ["copy"])
    copy.write_text("root:x:0:0", encoding="utf-8")
    response = writer.get("/v1/images/copy")
    failure(response, 422, "image")
    assert "root:x" not in response.text


def test_paths_are_shown_with_the_token_alone(
    client_of, gallery, token, tmp_path, failure, monkeypatch
):
    photo = tmp_path / "secret" / "a.png"
    photo.parent.mkdir()
    Image.new("L", (40, 30)).save(photo)
    gallery.add([photo], ["a"])
    stranger = client_of(gallery)
    friend = client_of(gallery, headers={"Authorization": f"Bearer {token}"})
    search = {"query": [{"id": "shoe/0.png"}], "k": 200}
    for client, shown in ((stranger, "a.png"), (friend, str(photo))):
        assert client.get("/v1/items/a").json()["source"] == shown
        assert shown in [each["source"] for each in client.get("/v1/items").json()["items"]]
        hits = client.post("/v1/search", json=search).json()["hits"]
        assert shown in [hit["source"] for hit in hits]
        assert client is friend or not any("/" in hit["source"] for hit in hits)
    photo.unlink()
    error = failure(stranger.get("/v1/images/a"), 422, "image")
    assert "secret" not in str(error)
    assert "secret" in failure(friend.get("/v1/images/a"), 422, "image")["given"]

    def lost():
        raise GalleryError(f"{gallery.place}/a is lost", "it is there", "restore it")

    monkeypatch.setattr(gallery, "count", lost)
    for client, shown in ((stranger, "shop/a is lost"), (friend, f"{gallery.place}/a is lost")):
        assert failure(client.get("/v1/gallery"), 503, "gallery")["given"] == shown


def test_a_gallery_that_names_other_files_serves_none(
    writer, gallery, pictures, tmp_path, png, failure
):
    folder = tmp_path / "folder"
    folder.mkdir()
    for place in (folder / "a.png", tmp_path / "b.png"):
        place.write_bytes(png())
    name = next(iter(pictures))
    vector = np.ones((1, gallery.bundle.dim), dtype=np.float32)
    digest = hashlib.sha256(png()).hexdigest()
    for source, root, code in (
        (folder / "a.png", folder, 200),
        (tmp_path / "b.png", folder, 404),  # outside its own folder
        (tmp_path / "b.png", "", 200),
        (pictures[name], "", 404),  # another file than was embedded
        (pictures[name], "/", 404),
    ):
        gallery.put([Item("x", str(source), digest, "photo", str(root))], vector)
        answer = writer.get("/v1/images/x")
        assert answer.status_code == code, (source, root)
        if code == 404:
            failure(answer, 404, "no-image")


def test_openapi_is_whole(client):
    said = client.get("/openapi.json").json()
    assert {"/v1/search", "/v1/items", "/v1/items/{id}", "/v1/facets"} <= said["paths"].keys()
    names = set(said["components"]["schemas"])
    text = json.dumps(said)
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names
    assert {"SearchRequest", "QueryView", "NewItem"} <= used


def test_health_and_metrics(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    client.get("/v1/items/nobody")
    text = client.get("/metrics").text
    assert "cdim_items 36.0" in text
    counted = (
        'cdim_request_seconds_count{method="GET",route="/v1/items/{id:path}",status="404"} 1.0'
    )
    assert counted in text
    assert "nobody" not in text


def test_ready_once_the_model_is_loaded(gallery, monkeypatch, client_of):
    import threading

    loaded = threading.Event()
    quick = gallery.encoder.encode_pixels

    def slow(pixels, domain):
        loaded.wait(10)
        return quick(pixels, domain)

    monkeypatch.setattr(gallery.encoder, "encode_pixels", slow)
    client = client_of(gallery)
    assert client.get("/readyz").status_code == 503
    assert client.get("/v1/gallery").status_code == 200
    loaded.set()
    for _ in range(100):
        if client.get("/readyz").status_code == 200:
            break
    assert client.get("/readyz").json() == {"ready": True}


def test_a_model_that_cannot_be_loaded(gallery, monkeypatch, drawings, client_of, failure):
    from cdim.errors import ModelError

    def broken(pixels, domain):
        raise ModelError("a graph in pieces", "it is whole", "export again")

    monkeypatch.setattr(gallery.encoder, "encode_pixels", broken)
    client = client_of(gallery)
    for _ in range(100):
        said = client.get("/readyz")
        if "pieces" in said.text:
            break
    failure(said, 503, "model")
    failure(client.post("/v1/search", json={"query": [{"id": "shoe/0.png"}]}), 503, "model")


def test_any_other_failure_to_load_the_model_has_a_reason_too(
    gallery, monkeypatch, client_of, failure, caplog
):
    def broken(pixels, domain):
        raise RuntimeError("secret insides")

    monkeypatch.setattr(gallery.encoder, "encode_pixels", broken)
    client = client_of(gallery)
    for _ in range(100):
        said = client.get("/readyz")
        if "error" in said.json():
            break
    assert "RuntimeError" in failure(said, 503, "model")["given"]
    assert "secret" not in said.text
    for _ in range(100):
        if caplog.records:
            break
        client.get("/readyz")
    assert "the model could not be loaded" in caplog.text
    assert "secret insides" in caplog.text


def test_a_fault_of_cdim_is_told_without_its_insides(gallery, monkeypatch, client_of, failure):
    def broken(where=None):
        raise RuntimeError("secret insides")

    client = client_of(gallery, raise_server_exceptions=False)
    monkeypatch.setattr(gallery, "count", broken)
    response = client.get("/v1/gallery")
    failure(response, 500, "internal")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_token_is_told_nowhere(writer, token):
    for path in ("/v1/gallery", "/metrics", "/openapi.json", "/", "/app.js"):
        assert token not in writer.get(path).text
