from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from tests.conftest import ROOT
from tests.made import mean_colours

from cdim.bundles.bundle import (
    CARD,
    Measured,
    fingerprint,
    is_bundle,
    load_bundle,
    save_bundle,
    shipped,
)
from cdim.errors import ModelError
from cdim.metrics.calibration.probability import Calibration


@pytest.fixture
def folder(tmp_path):
    mean_colours(tmp_path / "b")
    return tmp_path / "b"


def change(folder, **keys):
    table = json.loads((folder / "bundle.json").read_text("utf-8"))
    table.update(keys)
    (folder / "bundle.json").write_text(json.dumps(table), "utf-8")


def test_what_is_saved_is_loaded(tmp_path):
    made = mean_colours(tmp_path / "b")
    made = replace(
        made,
        metrics=(Measured("x test", "acc@1", 0.5, 0.4, 0.6, 100, "a note"),),
        calibration=Calibration(1.0, 2.0, 0.5, 1.0, 3.0, 2.0, 1.0, 0.1, -0.1, 1.4, (0.1, 0.2)),
        length=1.5,
        seed=3,
    )
    saved = save_bundle(made, tmp_path / "b")
    assert load_bundle(tmp_path / "b") == saved
    assert load_bundle(str(tmp_path / "b")).folder == tmp_path / "b"


def test_the_fingerprint_names_the_vectors_and_nothing_else(folder):
    made = load_bundle(folder)
    known = made.fingerprint
    assert len(known) == 64
    assert fingerprint(replace(made, name="other", seed=7), made.model.read_bytes()) == known
    other = replace(made.preprocess, std=(1.0, 1.0, 1.0))
    assert fingerprint(replace(made, preprocess=other), made.model.read_bytes()) != known
    assert fingerprint(replace(made, domains={"photo": "edge"}), made.model.read_bytes()) != known
    made.model.write_bytes(made.model.read_bytes() + b"\0")
    assert fingerprint(made, made.model.read_bytes()) != known


def test_an_unknown_domain_names_the_known_ones(folder):
    with pytest.raises(ModelError, match=r"'skecth'.*sketch, photo.*did you mean 'sketch'"):
        load_bundle(folder).taken_as("skecth")


def test_nowhere_is_no_bundle(tmp_path):
    with pytest.raises(ModelError, match=r"no bundle.*export"):
        load_bundle(tmp_path / "nowhere")
    assert not is_bundle(tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"format": 99}, "not of format 1"),
        ({"dimm": 3}, "unknown key 'dimm' in the bundle.*did you mean 'dim'"),
        ({"dim": "three"}, "dim = 'three'"),
        ({"distance": "cosine"}, "distance = 'cosine'"),
        ({"preprocess": {"channels": 2}}, "channels = 2"),
        ({"domains": {"photo": "edge", "sketch": "edge"}, "edge_maps": 0}, "maps of version 0"),
        ({"query": "drawing"}, "query = 'drawing'"),
        ({"domains": {"photo": 5, "sketch": "sketch"}}, "domains.photo = 5"),
        ({"domains": {"photo": "x", "sketch": "sketch"}}, "domains = "),
        ({"domain_input": ["x"]}, "domain_input = "),
        ({"dim": 0}, "dim = 0"),
    ],
)
def test_a_record_that_is_wrong_is_named(folder, keys, message):
    change(folder, **keys)
    with pytest.raises(ModelError, match=message):
        load_bundle(folder)


def test_parts_that_are_missing_or_damaged_are_named(folder):
    (folder / "bundle.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="cannot read"):
        load_bundle(folder)
    (folder / "bundle.json").write_text("[]", "utf-8")
    with pytest.raises(ModelError, match="no table"):
        load_bundle(folder)
    mean_colours(folder).model.unlink()
    with pytest.raises(ModelError, match=r"has no model\.onnx"):
        load_bundle(folder)


@pytest.mark.parametrize("name", shipped())
def test_the_bundles_that_come_with_cdim_are_whole(name):
    made = load_bundle(name)
    assert made.fingerprint == fingerprint(made, made.model.read_bytes())
    assert made.training
    assert (made.folder / CARD).is_file()
    graph = made.model.read_bytes()
    assert b"site-packages" not in graph
    listed = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    assert f"{hashlib.sha256(graph).hexdigest()}  {name}\n" in listed
    assert sum(p.stat().st_size for p in made.folder.iterdir()) <= 20e6
