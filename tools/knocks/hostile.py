"""Hostile inputs by kind: each is written into a folder, and comes with the call that reads it.

`contents.py` makes what they hold, `inputs.py` runs them in processes of their own, and
`tests/test_knocks.py` runs a few. All follow from a `random.Random`, so a number names an input.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from click.testing import CliRunner
from contents import ODD, any_json, arrays, drawing, lines, mutated, picture
from PIL import Image

import cdim
from cdim.bundles.bundle import load_bundle, save_bundle
from cdim.cli import cdim as command

Call = Callable[[], Any]
SECRET = b"a secret that nobody may read"


@dataclass
class Home:
    """What the calls use: a folder with a gallery, and beside it a file that nobody may read."""

    folder: Path

    def __post_init__(self) -> None:
        photos = self.folder / "photos"
        if photos.exists():
            return
        photos.mkdir()
        self.secret.parent.mkdir()
        Image.new("RGB", (9, 9), "red").save(self.secret.parent / "secret.png")
        self.secret.write_bytes(SECRET)
        for n in range(4):
            noise = np.random.default_rng(n).integers(0, 256, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(noise).save(photos / f"{n}.png")
        with cdim.Gallery.open(self.folder / "gallery", "default", create=True) as gallery:
            gallery.index(photos)

    @property
    def secret(self) -> Path:
        """What no call may read."""
        return self.folder / "outside" / "secret.txt"

    @cached_property
    def encoder(self) -> cdim.Encoder:
        """The model `default`."""
        return cdim.Encoder("default")

    @cached_property
    def gallery(self) -> cdim.Gallery:
        """A gallery of this process alone."""
        own = shutil.copytree(self.folder / "gallery", self.folder / f"gallery-{os.getpid()}")
        return cdim.Gallery.open(own, self.encoder)

    @cached_property
    def client(self) -> Any:
        """The REST API of that gallery."""
        from starlette.testclient import TestClient

        from cdim.serve.access import Access
        from cdim.serve.app import PUBLIC, build

        app = build(self.gallery, Access("a-token-of-the-knocks", public=PUBLIC))
        return TestClient(app, "http://127.0.0.1", raise_server_exceptions=False)


def verb(*words: object) -> Call:
    """A call of the command line in this process, which ends with 0, 1 or 2 and no traceback."""

    def run() -> int:
        done = CliRunner().invoke(command, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code not in (0, 1, 2):
            raise AssertionError(f"exit code {done.exit_code}")
        return done.exit_code

    return run


def decoder(r: Random, home: Home, here: Path) -> Call:
    """A damaged picture, as bytes or a file of any name."""
    content = picture(r)
    if r.random() < 0.5:
        return lambda: home.encoder.encode(content)
    path = here / f"a{r.choice(['.png', '.jpg', '.jfif', '.tif', '.heic', '.svg', '.mat', '.npz'])}"
    path.write_bytes(content)
    return lambda: home.gallery.search(path)


def search(r: Random, home: Home, here: Path) -> Call:
    """Odd sources, weights, filters and numbers."""
    path = here / "q.png"
    path.write_bytes((home.folder / "photos" / "1.png").read_bytes())
    some = [path, cdim.Like(r.choice(["1.png", "", "../x", "\0"])), [path] * r.choice([1, 3, 40])]
    source = r.choice([*some, *ODD, np.zeros((r.choice([0, 3]), 4, r.choice([1, 3, 4])), "uint8")])
    names = ["k", "where", "weights", "domain", "rerank", "expand", "false_match_rate", "x"]
    where = {r.choice(["price", "id", "x", ""]): r.choice([*ODD, {"gt": r.choice(ODD)}])}
    given = {r.choice(names): r.choice([*ODD, where]) for _ in range(r.randrange(3))}
    return lambda: home.gallery.search(source, **given)


def svg(r: Random, home: Home, here: Path) -> Call:
    """An odd SVG, as bytes or a file."""
    content = drawing(r, home.secret.as_uri())
    if r.random() < 0.5:
        return lambda: home.encoder.encode(content)
    (here / "a.svg").write_bytes(content)
    return lambda: home.gallery.search(here / "a.svg")


def strokes(r: Random, home: Home, here: Path) -> Call:
    """Odd strokes, as values or a file."""
    given = lines(r)
    if r.random() < 0.3:
        return lambda: home.encoder.encode(given)
    text = r.choice(
        [json.dumps(given), "[" * 10**5, "[[[1,2]]," * 9999, json.dumps(given) + "\n" + "{}\n" * 9]
    )
    path = here / r.choice(["a.json", "a.ndjson"])
    path.write_bytes(mutated(r, text.encode()) if r.random() < 0.5 else text.encode())
    return lambda: home.gallery.search(path)


def csv(r: Random, home: Home, here: Path) -> Call:
    """Odd tables of images and of metadata."""
    shutil.copy(home.folder / "photos" / "1.png", here / "1.png")
    cells = [
        "1.png",
        "../../outside/secret.txt",
        str(home.secret),
        *["/dev/zero", "1.png!x", "x.mat#9"],
    ]
    cells += ["", "photo", "sketch", "query", "gallery", "a", '"', '"a""b', "=1+1", "\0", "\r"]
    cells += ["\x1b[2J", "1e999", "nan", "1.png#xywh=0,0,99999999,1", "é", "a;b", "-1", "x" * 10**5]
    heads = ["source", "instance", "role", "domain", "camera", "split", "x_1", "bbox", "source"]
    wide = r.choice([1, 2, 3, 6, 6, 300])
    rows = [["source", "instance", *r.sample(heads[2:], len(heads) - 2), *heads * 40][:wide]]
    separator = r.choice(",,;\t")
    for _ in range(r.choice([0, 2, 40, 3000 // wide])):
        rows.append(["1.png", *(r.choice(cells[:12]) for _ in range(wide - 1))])
        if r.random() < 0.1:
            rows[-1][r.randrange(wide)] = r.choice(cells)
    text = r.choice(["\n", "\r\n"]).join(separator.join(row) for row in rows)
    content = text.encode(r.choice(["utf-8", "utf-8", "utf-16", "latin-1"]), "replace")
    (here / "a.csv").write_bytes(mutated(r, content) if r.random() < 0.3 else content)
    table = here / "a.csv"
    calls = [verb("data", "check", table), lambda: home.gallery.index(table, dry_run=True)]
    return r.choice([*calls, lambda: home.gallery.index(home.folder / "photos", metadata=table)])


def mat(r: Random, home: Home, here: Path) -> Call:
    """A damaged MATLAB file."""
    (here / "a.mat").write_bytes(mutated(r, arrays(r)[0]))
    source = f"{here / 'a.mat'}#{r.choice([0, 0, 0, 1, 1, -1, 99, 10**30])}"
    calls = [lambda: home.encoder.encode(source)] * 4
    return r.choice([*calls, verb("data", "check", here / "a.mat")])


def npz(r: Random, home: Home, here: Path) -> Call:
    """A damaged `.npz`, also inside."""
    content = arrays(r)[1]
    if r.random() < 0.5:  # headers that say much, unpacked and packed again
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(content)) as old,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                data = old.read(name)
                shape = r.choice([b"(1099511627776,)", b"(-1,)", b"()", b"(2,)"])
                data = r.choice([data, mutated(r, data), data.replace(b"(20, 2)", shape.ljust(7))])
                new.writestr(name, data.replace(b"|u1", r.choice([b"|u1", b"|O ", b"<f8"])))
        content = file.getvalue()
    path = here / "a.npz"
    path.write_bytes(mutated(r, content) if r.random() < 0.5 else content)
    source = f"{path}{r.choice(['', '#7', '#8', '#x'])}"
    calls = [lambda: home.encoder.encode(source)] * 4
    return r.choice([*calls, verb("data", "check", path)])


def zips(r: Random, home: Home, here: Path) -> Call:
    """A zip with odd names, links, bombs and damage."""
    file = io.BytesIO()
    names = [
        *["a.png", "q/a.png", "../outside/x.png", "/etc/x.png", "C:\\x.png", "a.zip", "\x1b.png"],
        "a" * 300,
    ]
    with zipfile.ZipFile(file, "w", r.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as made:
        for name in r.sample(names, r.randrange(1, 7)):
            content = r.choice(
                [picture(r), picture(r), bytes(10**8) if r.random() < 0.05 else b"", arrays(r)[0]]
            )
            info = zipfile.ZipInfo(name)
            info.external_attr = r.choice([0o644, 0o644, 0o120777]) << 16  # a file, or a link
            made.writestr(info, content if r.random() < 0.8 else str(home.secret).encode())
    path = here / "a.zip"
    path.write_bytes(mutated(r, file.getvalue()) if r.random() < 0.4 else file.getvalue())
    member = f"{path}!{r.choice([*names, '../../outside/secret.png', ''])}"
    index = here / "g"
    calls = [lambda: home.encoder.encode(member), verb("data", "check", path)]
    return r.choice([*calls, verb("index", path, "-o", index, "--model", "default")])


def bundle(r: Random, home: Home, here: Path) -> Call:
    """A bundle with an odd record, a link, weights elsewhere or another graph."""
    folder = shutil.copytree(home.folder / "gallery" / "bundle", here / "b")
    record, graph = folder / "bundle.json", folder / "model.onnx"
    kind = r.randrange(5)
    if kind == 0:
        table = json.loads(record.read_text("utf-8"))
        for _ in range(r.choice([1, 1, 3])):
            at = r.choice([table, table["preprocess"], table["domains"]])
            at[r.choice([*at, "x"])] = r.choice([*ODD, [0] * 3, any_json(r)])
        record.write_text(r.choice([json.dumps(table), "[" * 10**5, "1" * 10**5]), "utf-8")
    elif kind == 1:
        record.write_bytes(mutated(r, record.read_bytes()))
    elif kind == 2:
        part = folder / r.choice(
            ["README.md", "model.onnx", "bundle.json", "reliability.svg", "more"]
        )
        part.unlink(missing_ok=True)
        part.symlink_to(
            r.choice([home.secret, "/dev/zero", "/etc/passwd", home.secret.parent, part])
        )
    else:
        model = onnx.load_model_from_string(graph.read_bytes())
        nodes, weights = model.graph.node, model.graph.initializer
        if kind == 3:
            for _ in range(r.choice([1, 2, 5])):
                node = r.choice(nodes)
                names = node.input if r.random() < 0.5 and node.input else node.output
                names[r.randrange(len(names))] = r.choice(
                    [*r.choice(nodes).output, "images", "x", ""]
                )
                if r.random() < 0.3:
                    node.op_type = r.choice(
                        ["Identity", "Shape", "Flatten", "Nonsense", "Relu", "Exp"]
                    )
        else:
            tensor = r.choice(weights)
            tensor.data_location = r.choice([0, 1])
            place = r.choice(
                [str(home.secret), "../../outside/secret.txt", "README.md", "/dev/zero"]
            )
            tensor.external_data.add(key="location", value=place)
            tensor.dims[:] = r.choice([[2**40], [-1], [1], list(tensor.dims), []])
        content = model.SerializeToString()
        graph.write_bytes(mutated(r, content) if r.random() < 0.2 else content)
        save_bundle(load_bundle(folder), folder)  # so that the fingerprint fits
    photos, gallery = home.folder / "photos", here / "g"
    how = {"engine": r.choice(["onnxruntime", "auto"])}
    return r.choice(
        [
            lambda: cdim.Encoder(folder, **how).encode(photos),
            verb("index", photos, "-o", gallery, "--model", folder),
        ]
    )


def recipe(r: Random, home: Home, here: Path) -> Call:
    """An odd recipe."""
    names = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
    rows = r.choice(names).read_text("utf-8").splitlines()
    for _ in range(r.choice([1, 2, 4])):
        at = r.randrange(len(rows))
        key = rows[at].partition("=")[0] if "=" in rows[at] else r.choice(["x", "name"])
        value = r.choice(
            ["nan", "-1", "1e308", "[]", '"x"', "{}", "9" * 5000, "[" * 2000, "true", '"../x"']
        )
        rows[at] = r.choice(
            [f"{key} = {value}", rows[at] * 2, "", f"[{key}]", f"{key}.{key} = {value}"]
        )
    content = "\n".join(rows).encode()
    (here / "r.toml").write_bytes(mutated(r, content) if r.random() < 0.4 else content)
    return verb("train", here / "r.toml", "--data", home.folder / "photos", "--out", here / "run")


def gallery(r: Random, home: Home, here: Path) -> Call:
    """A gallery with a file that is damaged, gone, or a link."""
    folder = shutil.copytree(home.folder / "gallery", here / "g")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    part = r.choice([*files, *(f for f in files if f.suffix == ".json")])
    content, kind = part.read_bytes(), r.randrange(5)
    part.unlink()
    if kind == 0:
        part.symlink_to(r.choice([home.secret, "/dev/zero", "/etc/passwd", part]))
    elif kind == 1:
        part.mkdir()
    elif kind < 4:
        part.write_bytes(mutated(r, content))

    def use() -> None:
        with cdim.Gallery.open(folder) as opened:
            opened.search(home.folder / "photos" / "1.png")
            opened.index(home.folder / "photos")

    return r.choice([use, verb("search", folder, home.folder / "photos" / "1.png")])


def rest(r: Random, home: Home, _: Path) -> Call:
    """An odd search by REST."""
    content = picture(r) if r.random() < 0.5 else drawing(r, home.secret.as_uri())
    image = base64.b64encode(content).decode()
    views = [
        {"image": image},
        {"strokes": lines(r)},
        {"drawing": lines(r)},
        {"id": r.choice(ODD)},
        *[{"id": "1.png"}] * 2,
    ]
    body = {
        "query": [r.choice(views)] * r.choice([1, 1, 3]),
        r.choice(["k", "k", "where"]): r.choice([1, *ODD][:: r.choice([1, 99])]),
    }
    content = json.dumps(body).encode()
    content = mutated(r, content) if r.random() < 0.3 else content

    def post() -> int:
        kind = {"Content-Type": "application/json"}
        answer = home.client.post("/v1/search", content=content, headers=kind)
        if answer.status_code >= 500:
            raise AssertionError(f"{answer.status_code}: {answer.text[:200]}")
        return 2 if answer.status_code >= 400 else 0

    return post


KINDS: dict[str, Callable[[Random, Home, Path], Call]] = {
    made.__name__: made
    for made in (decoder, search, svg, strokes, csv, mat, npz, zips, bundle, recipe, gallery, rest)
}
