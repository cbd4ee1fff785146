"""A gallery of made-up drawings with a quick model, and clients to ask it."""

from __future__ import annotations

import io
import shutil
import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from starlette.testclient import TestClient

from cdim.bundles.bundle import Bundle, save_bundle
from cdim.data import strokes
from cdim.data.drawings import centred
from cdim.data.preprocess import Preprocess
from cdim.data.synthetic import dataset
from cdim.find.gallery import Gallery
from cdim.metrics.calibration.probability import Calibration
from cdim.serve.access import Access
from cdim.serve.app import PUBLIC, build
from cdim.serve.process import config

TOKEN = "a-token-of-the-tests"
CELLS = 16
WIDE = {"width": 1280, "height": 860}


class QuickEncoder:
    """Compares where the ink is; knows no difference between domains."""

    def __init__(self, bundle):
        self.bundle = bundle

    def encode_pixels(self, pixels, domain):
        self.bundle.taken_as(domain)
        return np.stack([self._one(image) for image in pixels])

    def _one(self, image):
        grey = Image.fromarray(image).convert("L").resize((128, 128), Image.Resampling.BOX)
        ink = 255 - np.asarray(grey.resize((CELLS, CELLS), Image.Resampling.BOX), dtype=np.float32)
        ink = ink.ravel() + 1e-3
        return ink / np.linalg.norm(ink)


@pytest.fixture(scope="session")
def quick_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "model.onnx").write_bytes(b"no graph: the tests bring an encoder of their own")
    made = Bundle(
        name="quick",
        preprocess=Preprocess(),
        features=CELLS * CELLS,
        dim=CELLS * CELLS,
        backbone="none",
        taps=(),
        query="sketch",
        gallery="photo",
        domains={"sketch": "sketch", "edge": "edge", "photo": "photo"},
        training=(),
        length=1.0,
        calibration=Calibration(
            slope=10.0,
            other=0.0,
            rivals=1.0,
            bias=7.0,
            near=12.0,
            mean=0.0,
            lead=0.0,
            fade=0.0,
            size=0.0,
            usual=1.0,
        ),
    )
    return save_bundle(made, folder)


@pytest.fixture(scope="session")
def drawings():
    """Strokes of 36 made-up products by item id, of few points, as the browser draws slowly."""
    rows = [row for row in dataset.manifest(36) if row.domain == "sketch"]
    return {
        f"{row.category}/{row.instance.rpartition('/')[2]}.png": centred(
            [
                line[sorted({*range(0, len(line), 6), len(line) - 1})]
                for line in dataset.strokes(row.source).lines
            ],
            row.source,
        )
        for row in rows
    }


@pytest.fixture(scope="session")
def pictures(drawings, tmp_path_factory):
    """The drawings as files, by item id."""
    root = tmp_path_factory.mktemp("pictures")
    for name, drawing in drawings.items():
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(strokes.draw(drawing)).save(root / name)
    return {name: root / name for name in drawings}


@pytest.fixture(scope="session")
def filled(quick_bundle, pictures, tmp_path_factory):
    """A gallery's folder, to be copied."""
    place = tmp_path_factory.mktemp("filled") / "shop"
    metadata = [
        {
            "category": name.partition("/")[0],
            "price": 10 * number,
            "date": f"2024-{1 + number % 12:02d}-15T10:00:00",
            "new": number % 2 == 0,
        }
        for number, name in enumerate(pictures)
    ]
    with Gallery.open(place, QuickEncoder(quick_bundle), create=True) as opened:
        opened.add(list(pictures.values()), list(pictures), metadata)
    return place


@pytest.fixture(scope="session")
def shop(filled, quick_bundle):
    """36 drawings with metadata, to be read only."""
    with Gallery.open(filled, QuickEncoder(quick_bundle)) as opened:
        yield opened


@pytest.fixture
def closing():
    """Closes what was opened last first: pages, then their server, then its gallery."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def gallery(filled, quick_bundle, tmp_path, closing):
    """A copy of them, to be changed."""
    shutil.copytree(filled, tmp_path / "shop")
    return closing.enter_context(Gallery.open(tmp_path / "shop", QuickEncoder(quick_bundle)))


@pytest.fixture
def empty_gallery(quick_bundle, tmp_path, closing):
    encoder = QuickEncoder(quick_bundle)
    return closing.enter_context(Gallery.open(tmp_path / "empty", encoder, create=True))


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture
def client_of():
    """Makes a client of a gallery's app."""

    def make(gallery, host="127.0.0.1", **options):
        app = build(gallery, Access.build(host, TOKEN, PUBLIC))
        return TestClient(app, base_url="http://localhost", **options)

    return make


@pytest.fixture
def client(shop, client_of):
    """Who asks on this machine, without the token."""
    return client_of(shop)


@pytest.fixture
def writer(gallery, client_of):
    """Who asks on this machine with the token."""
    return client_of(gallery, headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def live(closing):
    """Makes a server in a thread, with real sockets; gives its address."""

    def start(gallery, below=""):
        app = build(gallery, Access.build("127.0.0.1", TOKEN, PUBLIC))
        if below:
            app = proxied(app, below)
        server = uvicorn.Server(config(app))
        listening = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()

        def stop():
            server.should_exit = True
            thread.join()

        closing.callback(stop)
        return f"http://127.0.0.1:{listening.getsockname()[1]}{below}"

    return start


def proxied(app, below):
    """The app as behind a proxy that hands on what lies below a path, without that path."""

    async def strip(scope, receive, send):
        if scope["type"] == "http":
            inside = scope["path"].startswith(f"{below}/")
            scope = {**scope, "path": scope["path"][len(below) :] if inside else "/nowhere"}
        await app(scope, receive, send)

    return strip


@pytest.fixture
def failure():
    """Checks the form of a failed response, and gives its error."""

    def check(response, status, code):
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert error.keys() == {"code", "given", "allowed", "todo"}
        assert error["code"] == code
        assert all(error.values())
        assert "Traceback" not in response.text
        return error

    return check


@pytest.fixture
def png():
    """Makes an image file of a size and grey value."""

    def make(width=40, height=30, value=128):
        file = io.BytesIO()
        Image.new("L", (width, height), value).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture
def asked_strokes():
    """Makes of a drawing what the API takes."""

    def make(drawing):
        lines = [np.asarray(line, dtype=float).tolist() for line in drawing.lines]
        return {"strokes": lines, "width": 256, "height": 256}

    return make


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def visit(browser, live, token, closing):
    """Opens the page of a gallery; fails on errors in the console and on requests elsewhere."""
    complaints = []

    def go(gallery, with_token=True, below="", **options):
        base = live(gallery, below)
        context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        closing.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(f"{said.text} {said.location['url']}")
                if said.type in ("error", "warning") and "status of 4" not in said.text
                else None
            ),
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((base, "blob:", "data:"))
                else complaints.append(asked.url)
            ),
        )
        page.goto(base + (f"/#token={token}" if with_token else "/"))
        expect(page.locator("#about")).to_contain_text("item")
        return page

    yield go
    closing.close()
    assert complaints == []


@pytest.fixture
def draw():
    """Draws strokes of a 256 x 256 canvas on the page with the mouse."""

    def with_mouse(page, lines):
        box = page.locator("#canvas").bounding_box()
        scale = box["width"] / 256
        for line in lines:
            points = [
                (box["x"] + x * scale, box["y"] + y * scale) for x, y in np.asarray(line).tolist()
            ]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point)
            page.mouse.up()

    return with_mouse
