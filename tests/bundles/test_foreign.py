"""Bundles of strangers: links, odd records, weights elsewhere, graphs that give something else."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.made import mean_colours

from cdim.bundles.bundle import PARTS, copy_bundle, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.errors import ModelError
from cdim.find.gallery import Gallery


@pytest.fixture
def folder(tmp_path):
    mean_colours(tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("a card")
    return tmp_path / "b"


def node(kind, inputs, outputs=("embedding",), **options):
    return helper.make_node(kind, inputs, list(outputs), **options)


def constant(name, value):
    return node("Constant", [], [name], value=numpy_helper.from_array(np.array(value)))


AXIS = constant("axis", [0])
MEAN = [AXIS, node("ReduceMean", ["features", "axis"], ["mean"])]
EMBEDDINGS = {
    "a row for the whole batch": [AXIS, node("ReduceMean", ["features", "axis"])],
    "no batch": [AXIS, node("ReduceMean", ["features", "axis"], keepdims=0)],
    "a number": [node("ReduceMean", ["features"], keepdims=0)],
    "a column too much": [node("Concat", ["features", "features"], axis=1)],
    "rows twice": [node("Concat", ["features", "features"], axis=0)],
    "the other way round": [node("Transpose", ["features"])],
    "three axes": [constant("last", [2]), node("Unsqueeze", ["features", "last"])],
    "whole numbers": [node("Cast", ["features"], to=TensorProto.INT64)],
    "strings": [node("Cast", ["features"], to=TensorProto.STRING)],
    "true and false": [node("Cast", ["features"], to=TensorProto.BOOL)],
    "doubles": [node("Cast", ["features"], to=TensorProto.DOUBLE)],
    "a sequence": [node("SplitToSequence", ["features"])],
    "not a number": [constant("none", np.float32("nan")), node("Add", ["features", "none"])],
    "infinite": [constant("zero", np.float32(0)), node("Div", ["features", "zero"])],
    "the same for all": [constant("zero", np.float32(0)), node("Mul", ["features", "zero"])],
    "the mean of the batch": [*MEAN, node("Expand", ["mean", "size"])],
    "less the mean of the batch": [*MEAN, node("Sub", ["features", "mean"])],
    "sorted by the batch": [
        constant("k", [2]),
        node("TopK", ["features", "k"], ["embedding", "at"], axis=0),
    ],
    "fails for some batches": [constant("two", [2, 3]), node("Reshape", ["features", "two"])],
    "an input that nobody gives": [node("Identity", ["other"])],
    "an operator that is not there": [node("Nonsense", ["features"])],
}
EMBEDDINGS["the mean of the batch"].insert(0, node("Shape", ["features"], ["size"]))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_a_graph_that_gives_something_else_is_refused_on_loading(tmp_path, kind, engine, capfd):
    mean_colours(tmp_path / "b", EMBEDDINGS[kind])
    with pytest.raises(ModelError) as caught:
        Encoder(tmp_path / "b", engine)
    assert "model.onnx" in caught.value.given
    assert not any(word in str(caught.value) for word in ("\n", "Exception from"))
    assert capfd.readouterr().err == ""


def test_sizes_are_those_of_the_record(tmp_path):
    for wrong in ({"features": 4}, {"dim": 2**19}):
        bundle = mean_colours(tmp_path / "b", **wrong)
        with pytest.raises(ModelError, match=r"2 pictures are float32 \(2, 3\)"):
            Encoder(bundle)


def test_a_model_that_does_not_work_leaves_no_gallery(tmp_path):
    mean_colours(tmp_path / "b", EMBEDDINGS["the same for all"])
    with pytest.raises(ModelError, match="two different pictures are the same"):
        Gallery.open(tmp_path / "gallery", str(tmp_path / "b"), create=True)
    assert not (tmp_path / "gallery").exists()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("what", ["link", "folder", "pipe", "too large"])
def test_parts_are_plain_files_of_bounded_size(tmp_path, folder, part, what, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_bytes((folder / part).read_bytes() if (folder / part).exists() else b"mine")
    (folder / part).unlink(missing_ok=True)
    if what == "link":
        (folder / part).symlink_to(secret)
    elif what == "folder":
        (folder / part).mkdir()
    elif what == "pipe":
        os.mkfifo(folder / part)
    else:
        (folder / part).write_bytes(secret.read_bytes())
        monkeypatch.setitem(PARTS, part, 3)
    for use in (lambda: copy_bundle(load_bundle(folder), tmp_path / "copy"), gallery_of(folder)):
        with pytest.raises(ModelError, match=rf"{part} .*(no plain file|bytes)|no bundle"):
            use()
    assert not (tmp_path / "copy").exists()


def gallery_of(folder):
    return lambda: Gallery.open(folder.parent / "gallery", load_bundle(folder), create=True)


def test_a_gallery_has_the_four_files_and_nothing_else(tmp_path, folder):
    (folder / "extra").symlink_to("/dev/zero")
    (folder / "more").mkdir()
    (folder / "more" / "file").write_text("x")
    gallery_of(folder)().close()
    kept = tmp_path / "gallery" / "bundle"
    assert sorted(p.name for p in kept.iterdir()) == ["README.md", "bundle.json", "model.onnx"]
    assert Encoder(kept).bundle == load_bundle(folder)


def weights_at(path, location):
    """Says of a graph that its weights are in another file."""
    model = onnx.load(str(path))
    tensor = numpy_helper.from_array(np.ones(3, dtype=np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    model.graph.initializer.append(tensor)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("location", ["w.bin", "../w.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*", ""])
def test_weights_in_other_files_are_refused_unopened(folder, location, monkeypatch):
    bundle = load_bundle(folder)
    weights_at(bundle.model, location)
    save_bundle(bundle, folder)
    monkeypatch.setattr("cdim.bundles.engines.start", lambda *_: pytest.fail("it was opened"))
    for use in (lambda: Encoder(folder), lambda: copy_bundle(load_bundle(folder), folder / "c")):
        with pytest.raises(ModelError, match="keeps weights in other files"):
            use()


def test_however_the_key_is_encoded(folder):
    bundle = load_bundle(folder)
    weights_at(bundle.model, "/etc/passwd")
    plain = b"\x0a\x08location"
    content = bundle.model.read_bytes()
    assert content.count(plain) == 1
    for longer in (b"\x8a\x00\x08", b"\x0a\x88\x00", b"\x8a\x80\x80\x80\x10\x88\x80\x80\x80\x00"):
        bundle.model.write_bytes(content.replace(plain, longer + b"location"))
        save_bundle(bundle, folder)
        with pytest.raises(ModelError, match="keeps weights in other files"):
            Encoder(folder)


def test_other_words_in_a_graph_are_no_weights(tmp_path):
    named = node("Identity", ["features"], name="head.location", doc_string="location")
    Encoder(mean_colours(tmp_path / "b", [named]))


PREPROCESS = {"resize": [16, 16], "crop": [16, 16], "channels": 3, "mean": [0, 0, 0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "cannot read"),
        ('{"format": 1, "name": ' + "[" * 900 + "]" * 900, "cannot read"),
        ('{"format": 1, "name": ' + "[" * 900 + "]" * 900 + "}", "name = "),
        ('{"format": ' + "9" * 5000 + "}", "cannot read"),
        ('{"dim": NaN}', "cannot read"),
        ('{"dim": 1e999}', "cannot read"),
        (r'{"name": "\ud800"}', "cannot read"),
        ("\xff\xfe", "cannot read"),
        ({"dim": 10**9}, "dim = 1000000000"),
        ({"features": 2**63}, "features = "),
        ({"length": 10**400}, "length = 1000"),
        ({"name": "x" * 10**6}, None),
        ({"name": ["x" * 10**6]}, "name = .*xxx.*; it is a string"),
        ({"preprocess": {**PREPROCESS, "std": [1e-300] * 3}}, "std at least"),
        ({"preprocess": {**PREPROCESS, "std": [1] * 3, "mean": [1e38] * 3}}, "mean 0 to 255"),
        ({"preprocess": {**PREPROCESS, "std": [1] * 3, "resize": [10**6, 16]}}, "at most 2,048"),
        ({"domains": {}}, "query = "),
    ],
)
def test_a_record_with_odd_values_is_one_line(folder, text, message):
    record = folder / "bundle.json"
    if isinstance(text, dict):
        text = json.dumps({**json.loads(record.read_text("utf-8")), **text})
    record.write_bytes(text.encode("latin-1"))
    if message is None:
        load_bundle(folder)
        return
    with pytest.raises(ModelError, match=message) as caught:
        load_bundle(folder)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)
