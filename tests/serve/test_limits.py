"""Nobody waits for somebody else's images, uploads or connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from unittest.mock import Mock

import httpx
import pytest
from uvicorn.server import ServerState

from cdim.serve import connections, items, limits, searching, served
from cdim.serve.connections import Connection, Sparing
from cdim.serve.process import config

STROKES = {"query": [{"strokes": [[[0, 0], [9, 9]]]}]}


@pytest.fixture
def slow(monkeypatch):
    """Lets images decode until the test ends."""
    end = threading.Event()
    usual = searching.read_query

    def read(source, *others):
        if isinstance(source, bytes):
            end.wait(10)
        return usual(source, *others)

    monkeypatch.setattr(searching, "read_query", read)
    monkeypatch.setattr(items.content, "read", lambda *_: end.wait(10))
    yield end
    end.set()


@pytest.fixture
def opened(live, gallery):
    """Makes connections to a server: an address, and lines to it that close at the end."""
    host, port = live(gallery).removeprefix("http://").split(":")
    made = []

    def connect(data=b""):
        line = socket.create_connection((host, int(port)), timeout=10)
        made.append(line)
        line.sendall(data)
        return line

    connect.base = f"http://{host}:{port}"
    yield connect
    for line in made:
        line.close()


def test_strokes_do_not_wait_for_images(live, gallery, token, png, slow, monkeypatch, failure):
    monkeypatch.setattr(served, "_DEADLINE", 1.0)
    with httpx.Client(base_url=live(gallery), timeout=20) as client:
        files = [("image", ("x.png", png()))] * 4
        bearer = {"Authorization": f"Bearer {token}"}
        asked = [partial(client.post, "/v1/search", files=files) for _ in range(4)]
        asked += [partial(client.post, "/v1/items", files=files[:1], headers=bearer)]
        answers = []
        threads = [threading.Thread(target=lambda ask=ask: answers.append(ask())) for ask in asked]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        assert client.post("/v1/search", json=STROKES).status_code == 200
        assert time.monotonic() - started < 0.7
        for thread in threads:
            thread.join()
        for answer in answers:
            assert answer.headers["retry-after"] == "1"
            assert "not decoded within" in failure(answer, 503, "busy")["given"]
        assert len(answers) == 5
        slow.set()
        assert client.post("/v1/search", files=files).status_code == 200


def test_few_wait_for_the_model(client, monkeypatch, failure):
    assert client.post("/v1/search", json=STROKES).status_code == 200
    monkeypatch.setattr(served, "_LONGEST", 0)
    answer = client.post("/v1/search", json=STROKES)
    failure(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"


def test_an_upload_that_is_broken_off_is_no_error(opened, caplog):
    head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\nContent-Type: "
    form = b"multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data"
    for rest in (b"application/json\r\n\r\n{", form):
        opened(head + rest).close()
    counted = 'cdim_request_seconds_count{method="POST",route="/v1/search",status="499"} 2.0'
    end = time.monotonic() + 5
    while counted not in (metrics := httpx.get(f"{opened.base}/metrics").text):
        assert time.monotonic() < end, metrics
        time.sleep(0.05)
    assert 'status="500"' not in metrics
    assert not caplog.records


def test_a_body_that_comes_too_slowly_is_refused(opened, monkeypatch):
    monkeypatch.setattr(limits, "PAUSE", 0.2)
    line = opened(
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n"
        b"Content-Type: application/json\r\n\r\n{"
    )
    assert line.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_bodies_share_a_budget(client, monkeypatch, failure):
    search = {**STROKES, "where": {"category": ["x" * 2**19]}}
    monkeypatch.setattr(limits, "_BUDGET", 2**18)
    failure(client.post("/v1/search", json=search), 503, "busy")
    assert client.post("/v1/search", json=STROKES).status_code == 200
    monkeypatch.setattr(limits, "_BUDGET", 2**19)
    for _ in range(4):  # what was held is given back
        assert client.post("/v1/search", json=search).status_code == 200


def test_idle_connections_make_room(opened, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 8)
    half = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    lines = [opened(data) for data in (b"", b"GET / HT", half) for _ in range(10)]
    started = time.monotonic()
    assert httpx.post(f"{opened.base}/v1/search", json=STROKES).status_code == 200
    assert time.monotonic() - started < 2
    assert lines[0].recv(1000).startswith(b"HTTP/1.1 503 ")
    assert lines[0].recv(1) == b""


def test_headers_have_a_deadline(opened, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    silent, dripping = opened(), opened(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert dripping.recv(9) == b"HTTP/1.1 "
    started = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - started < 5:
            dripping.sendall(b"G")
            time.sleep(0.05)
    assert time.monotonic() - started < 3
    assert silent.recv(1) == b""


@pytest.mark.parametrize("read", [True, False])
def test_answers_have_to_be_read(monkeypatch, read):
    monkeypatch.setattr(connections, "PATIENCE", 0.05)
    transport = Mock(get_extra_info=Mock(return_value=None))

    async def main():
        line = Connection(config(None), ServerState(), {})
        line.connection_made(transport)
        line.data_received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        line.pause_writing()
        line.data_received(b"GET / HTTP/1.1\r\n")
        if read:
            line.resume_writing()
        await asyncio.sleep(0.1)

    with ThreadPoolExecutor(1) as pool:  # this thread may have a browser's loop
        pool.submit(lambda: asyncio.run(main())).result()
    assert transport.abort.called != read


def test_the_log_stays_short():
    log = Sparing(most=3)
    records = [logging.LogRecord("x", logging.ERROR, "", 0, "too much", (), None) for _ in range(9)]
    assert [log.filter(record) for record in records] == [True] * 3 + [False] * 6
    assert [record.msg for record in records[1:3]] == [
        "too much",
        "too much (no more is written for a minute)",
    ]
    ended = asyncio.CancelledError()
    assert not Sparing().filter(
        logging.LogRecord("x", logging.ERROR, "", 0, "", (), (type(ended), ended, None))
    )
