"""Who may do what, and what browsers are told."""

from __future__ import annotations

import re
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from cdim.errors import UsageError
from cdim.serve import access
from cdim.serve.access import Access
from cdim.serve.app import PUBLIC, build

READS = [
    ("GET", "/v1/gallery"),
    ("GET", "/v1/items"),
    ("GET", "/v1/items/shoe/0.png"),
    ("GET", "/v1/thumbnails/shoe/0.png"),
    ("GET", "/v1/images/shoe/0.png"),
    ("GET", "/v1/facets"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("POST", "/v1/search"),
]
WRITES = [
    ("POST", "/v1/items"),
    ("DELETE", "/v1/items/shoe/0.png"),
    ("PATCH", "/v1/items/shoe/0.png"),
    ("PUT", "/v1/items/shoe/0.png"),
]
TOKEN = "a-token-that-is-secret"
OPEN = ["/", "/index.html", "/app.js", "/style.css", "/healthz"]


def test_on_this_machine_reading_is_free_and_changes_are_not(client, shop):
    search = {"query": [{"id": "shoe/0.png"}]}
    for method, path in READS:
        body = search if method == "POST" else None
        assert client.request(method, path, json=body).status_code == 200, path
    for method, path in WRITES:
        answer = client.request(method, path, json={})
        assert answer.status_code == 401, path
        assert answer.json()["error"]["code"] == "token"
        assert answer.headers["www-authenticate"] == "Bearer"
    assert shop.count() == 36


@pytest.mark.parametrize(
    "value",
    ["Bearer wrong", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer x{}", "bearer  "],
)
def test_other_tokens_do_nothing(client, shop, token, value):
    headers = {"Authorization": value.format(token)}
    assert client.delete("/v1/items/shoe/0.png", headers=headers).status_code == 401
    assert not client.get("/v1/gallery", headers=headers).json()["may_write"]


def test_on_other_addresses_everything_needs_the_token(client_of, shop, token):
    stranger = client_of(shop, host="0.0.0.0")
    for method, path in READS + WRITES:
        assert stranger.request(method, path).status_code == 401, path
    for path in OPEN:
        assert stranger.get(path).status_code == 200, path
    assert stranger.get("/readyz").status_code in (200, 503)
    friend = client_of(shop, host="0.0.0.0", headers={"Authorization": f"Bearer {token}"})
    assert friend.get("/v1/gallery").json()["may_write"]
    assert friend.get("/v1/gallery", headers={"Host": "photos.example"}).status_code == 200


def test_an_address_others_reach_is_not_served_without_a_token():
    for host in ("0.0.0.0", "::", "192.168.1.5", "photos.example", ""):
        with pytest.raises(UsageError, match="CDIM_TOKEN"):
            Access.build(host, None, PUBLIC)
    assert len(Access.build("::1", None, PUBLIC).token) >= 32
    made = {Access.build("127.0.0.1", None, PUBLIC).token for _ in range(5)}
    assert len(made) == 5


@pytest.mark.parametrize(
    "token", ["", "two words", "tab\t", "ümlaut", "\x00", "a", "fifteen-letters"]
)
def test_tokens_that_no_header_holds_or_that_are_short(token):
    with pytest.raises(UsageError):
        Access.build("127.0.0.1", token, PUBLIC)


def test_the_token_is_not_shown_by_accident():
    assert TOKEN not in repr(Access.build("127.0.0.1", TOKEN, PUBLIC))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("[::1].evil", 403),
        ("", 403),
    ],
)
def test_foreign_names_of_this_machine_are_refused(client, host, status):
    answer = client.get("/v1/gallery", headers={"Host": host})
    assert answer.status_code == status
    page = client.get("/", headers={"Host": host})
    assert page.status_code == status


def test_names_that_are_allowed_are_answered_with_the_token(shop, token):
    access = Access.build("127.0.0.1", token, PUBLIC, ["Photos.example"])
    stranger = TestClient(build(shop, access), base_url="http://photos.example")
    assert stranger.get("/").status_code == 200
    assert stranger.get("/v1/gallery").status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert stranger.get("/v1/gallery", headers=headers).json()["may_write"]
    assert stranger.get("/v1/gallery", headers={"Host": "localhost:8000"}).status_code == 200
    refused = stranger.get("/", headers={"Host": "evil.example"})
    assert refused.status_code == 403
    assert "photos.example" in refused.json()["error"]["allowed"]
    wide = TestClient(build(shop, Access.build("0.0.0.0", token, PUBLIC, ["photos.example"])))
    assert wide.get("/", headers={"Host": "photos.example:80"}).status_code == 200
    assert wide.get("/", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("name", ["", "a.org:80", "http://a.org", "a.org/shop", "*"])
def test_what_is_no_name_of_a_host(name):
    with pytest.raises(UsageError, match="a name alone"):
        Access.build("127.0.0.1", None, PUBLIC, [name])


def test_a_wrong_token_is_called_wrong(client):
    for headers, said in (({}, "with no token"), ({"Authorization": "Bearer x"}, "a wrong token")):
        given = client.delete("/v1/items/shoe/0.png", headers=headers).json()["error"]["given"]
        assert given.endswith(said)


def test_head_answers_as_get_does_without_a_body(client):
    paths = [path for method, path in READS if method == "GET"] + OPEN
    for path in paths:
        head, full = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        same = ("content-type", "content-security-policy", "etag")
        assert [head.headers.get(name) for name in same] == [
            full.headers.get(name) for name in same
        ]
        if path != "/metrics":
            assert head.headers["content-length"] == str(len(full.content))
    assert client.head("/v1/items/nobody").status_code == 404
    assert client.head("/v1/search").status_code == client.get("/v1/search").status_code == 404


def test_what_browsers_are_forbidden(client):
    for path in ("/", "/v1/gallery", "/v1/items/nobody", "/app.js"):
        headers = client.get(path, headers={"Origin": "http://evil.example"}).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
    refused = client.get("/v1/gallery", headers={"Host": "evil.example"})
    assert "content-security-policy" in refused.headers


def test_the_page_brings_no_inline_code_and_nothing_from_elsewhere(client):
    html = client.get("/").text
    assert "http://" not in html.replace('xmlns="http://www.w3.org', "")
    assert "https://" not in html
    assert " style=" not in html
    assert "<style" not in html
    assert " onclick=" not in html
    assert all("src=" in tag.split(">")[0] for tag in html.split("<script")[1:])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://photos.example:8443"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://xphotos.example"}, 403),
    ],
)
def test_pages_of_other_sites_send_nothing(shop, token, headers, status, failure):
    rule = Access.build("127.0.0.1", token, PUBLIC, ["photos.example"])
    client = TestClient(build(shop, rule), base_url="http://localhost", headers=headers)
    search = {"query": [{"id": "shoe/0.png"}]}
    answer = client.post("/v1/search", json=search)
    assert answer.status_code == status
    if status == 403:
        failure(answer, 403, "origin")
        bearer = {"Authorization": f"Bearer {token}"}
        for method, path in WRITES:
            failure(client.request(method, path, headers=bearer), 403, "origin")
    assert client.get("/").status_code == 200  # a link from there


def test_a_browser_says_which_page_sends(browser, live, shop, closing):
    base = live(shop)
    context = closing.enter_context(browser.new_context())
    page = context.new_page()
    send = """async base => {
        const body = new FormData();
        body.set("search", '{"query": [{"id": "shoe/0.png"}]}');
        await fetch(base + "/v1/search", {method: "POST", mode: "no-cors", body}).catch(() => 0);
    }"""
    other = closing.enter_context(HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler))
    threading.Thread(target=other.serve_forever).start()
    closing.callback(other.shutdown)
    for start, status in ((f"http://127.0.0.1:{other.server_port}/docs/", 403), (base, 200)):
        page.goto(start)
        page.evaluate(send, base)
        counted = httpx.get(f"{base}/metrics").text
        assert re.search(rf'method="POST",route="[^"]*",status="{status}"', counted)
        assert start == base or 'status="200"' not in counted


def test_wrong_tokens_are_slowed_and_the_right_one_is_not(client_of, shop, token, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(access.asyncio, "sleep", sleep)
    client = client_of(shop)
    wrong = {"Authorization": "Bearer a-wrong-one"}
    found = [client.delete("/v1/items/x", headers=wrong).status_code for _ in range(20)]
    assert found == [401] * 5 + [429] * 15
    assert waited == [1] * 15
    last = client.delete("/v1/items/x", headers=wrong)
    assert last.headers["retry-after"] == "1"
    assert client.delete("/v1/items/x").status_code == 401  # a page without a token guesses none
    right = {"Authorization": f"Bearer {token}"}
    assert client.delete("/v1/items/x", headers=right).status_code == 404
    assert len(waited) == 16


@given(
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "TRACE", "x"]),
    path=st.text().map(lambda rest: f"/{rest}"),
)
def test_nothing_but_a_search_passes_without_the_token(method, path):
    access = Access.build("127.0.0.1", TOKEN, PUBLIC)
    headers = {"host": "localhost"}
    if (method, path) != ("POST", "/v1/search"):
        with pytest.raises(Exception, match="Bearer TOKEN"):
            access.check(method, path, headers)
