"""`cdim serve` as people run it: a process, its address, its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest

from cdim.find.gallery import Gallery

ODD = "a b/ü?#%2F\"'<x>&/%25/日本/items"


def command(*arguments):
    return [sys.executable, "-m", "cdim", "serve", *map(str, arguments)]


@pytest.fixture
def started():
    """Starts `cdim serve`; gives the process and the address it printed."""
    running = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            command(*arguments, "--port", 0),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        running.append(process)
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        return process, found[0]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def refused(*arguments, **environment):
    """The one line of a start that cannot work."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_and_keeps_what_was_changed(gallery, started, number):
    gallery.close()
    process, address = started(gallery.place, "--allow-host", "photos.example")
    base, token = address.split("#token=")
    for host, code in (("photos.example", 200), ("elsewhere.example", 403)):
        assert httpx.get(base, headers={"Host": host}).status_code == code
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(base).text.startswith("<!doctype html>")
    assert httpx.get(f"{base}v1/gallery").json()["items"] == 36
    assert httpx.delete(f"{base}v1/items/shoe/0.png").status_code == 401
    assert httpx.delete(f"{base}v1/items/shoe/0.png", headers=headers).status_code == 204
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err
    with Gallery.open(gallery.place) as again:
        assert again.count() == 35


def test_it_ends_in_order_while_the_model_loads(started, tmp_path):
    Gallery.open(tmp_path / "shop", "default", create=True).close()
    for wait in (0.1, 0.2, 0.3):
        process, _ = started(tmp_path / "shop")
        time.sleep(wait)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, out + err


def test_a_request_that_runs_is_finished(gallery, started, token):
    gallery.close()
    process, address = started(gallery.place, CDIM_TOKEN=token)
    assert "#token" not in address
    host, port = address.removeprefix("http://").strip("/").split(":")
    body = json.dumps({"metadata": {"late": True}}).encode()
    head = (
        f"PATCH /v1/items/shoe/0.png HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head.encode() + body[:5])
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), timeout=5)
        line.sendall(body[5:])
        answer = line.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert process.wait(30) == 0
    with Gallery.open(gallery.place) as again:
        assert again.get("shoe/0.png").metadata["late"] is True


def test_a_gallery_in_use(gallery):
    assert f"serve {gallery.place}" in refused(gallery.place)


def test_a_port_in_use(gallery):
    gallery.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "something else listens there" in refused(gallery.place, "--port", port)


def test_an_address_that_needs_a_token(gallery, token):
    gallery.close()
    assert "CDIM_TOKEN" in refused(gallery.place, "--host", "0.0.0.0")
    assert "CDIM_TOKEN" in refused(gallery.place, "--host", "0.0.0.0", CDIM_TOKEN="")
    assert "cannot listen" in refused(gallery.place, "--host", "203.0.113.7", "--token", token)
    assert "no gallery" in refused(gallery.place + "-not")


def test_an_open_address_with_its_token(gallery, started, token):
    gallery.close()
    _, address = started(gallery.place, "--host", "0.0.0.0", CDIM_TOKEN=token)
    assert "token" not in address
    base = address.replace("0.0.0.0", "127.0.0.1")
    assert httpx.get(f"{base}v1/gallery").status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{base}v1/gallery", headers=headers).status_code == 200


def test_ids_of_any_kind_over_a_real_connection(gallery, live, token, png):
    base = live(gallery)
    at = f"{base}/v1/items/{quote(ODD, safe='')}"
    headers = {"Authorization": f"Bearer {token}"}
    form = {"data": {"id": ODD}, "files": {"image": ("x.png", png())}, "headers": headers}
    assert httpx.post(f"{base}/v1/items", **form).status_code == 201
    assert httpx.get(at).json()["id"] == ODD
    assert httpx.get(at.replace("/items/", "/thumbnails/", 1)).content[:2] == b"\xff\xd8"
    assert httpx.delete(at, headers=headers).status_code == 204
    assert gallery.count() == 36


def test_an_upload_that_is_too_large_is_answered(gallery, live, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    base = live(gallery)
    with httpx.Client(base_url=base, headers=headers, timeout=30) as one:
        assert one.post("/v1/items", content=b"x" * (33 * 2**20)).status_code == 413
        parts = (b"x" * 2**20 for _ in range(40))
        assert one.post("/v1/items", content=parts).status_code == 413
        assert one.get("/v1/gallery").status_code == 200


def test_many_may_ask_and_change_at_once(gallery, live, token, png):
    assert gallery.bundle.calibration is not None  # its sample of the items goes at each change
    base = live(gallery)
    headers = {"Authorization": f"Bearer {token}"}
    files = {"image": ("x.png", png())}

    def write(client, number, turn):
        name = f"{number}-{turn}"
        form = {"id": name, "metadata": json.dumps({"by": number})}
        yield client.post("/v1/items", data=form, files=files)
        yield client.patch(f"/v1/items/{name}", json={"metadata": {"by": "changed"}})
        yield client.delete(f"/v1/items/{name}") if turn % 2 else client.get(f"/v1/items/{name}")

    def ask(client, *_):
        found = client.post("/v1/search", json={"query": [{"id": "shoe/0.png"}], "k": 5})
        assert all(0 <= hit["probability"] <= 1 for hit in found.json()["hits"])
        yield found
        yield client.get("/v1/facets")
        yield client.get("/v1/items", params={"limit": 10})

    def work(job, number):
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            return [answer.status_code for turn in range(6) for answer in job(client, number, turn)]

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(work, job, n) for job in (write, ask) for n in range(3)]
        assert {code for one in running for code in one.result()} <= {200, 201, 204}
    assert gallery.count() == 36 + 3 * 3
    assert gallery.count({"by": "changed"}) == 3 * 3


@pytest.mark.parametrize(
    ("slow", "status", "code"),
    [
        ("searching.read_query", 503, 0),
        ("process.Gallery.search", 503, 0),
        ("process.Gallery.flush", 200, 1),
    ],
)
def test_it_stops_in_time_whatever_runs(tmp_path, png, slow, status, code):
    Gallery.open(tmp_path / "shop", "default", create=True).close()
    script = (
        "import time; from cdim.serve import process, searching; from cdim.cli import main;"
        "process.PATIENCE, process.LONGEST = 0.3, 1.5;"
        f"{slow} = lambda *_, **__: time.sleep(60); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "serve", tmp_path / "shop", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = re.search(r"http://[^#]+/", process.stdout.readline())[0]
    while httpx.get(f"{address}readyz").status_code == 503:
        time.sleep(0.05)

    def ask():
        files = {"image": ("x.png", png())}
        return httpx.post(f"{address}v1/search", files=files, timeout=60).status_code

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        asked.result() if code else time.sleep(1)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert asked.result() == status
    assert time.monotonic() - started < 5
    assert process.returncode == code
    assert ("still ran" in err) == (code == 1)
    assert "Traceback" not in err
