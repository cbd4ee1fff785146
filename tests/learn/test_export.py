from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import tomli_w
from onnx import numpy_helper

from cdim.bundles import finish
from cdim.bundles.bundle import load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads.kinds import Head
from cdim.bundles.heads.projection import Projection, apply
from cdim.bundles.queries import QueryImage
from cdim.data import images
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import CdimError, ModelError, UsageError
from cdim.find.gallery import Gallery
from cdim.judge.evaluate import evaluate
from cdim.learn.export import export as exporting
from cdim.learn.export import graph
from cdim.learn.export.export import export
from cdim.learn.export.runs import open_run
from cdim.learn.networks.embedder import load_run
from cdim.learn.training.run import train
from cdim.metrics.distances import unit


@pytest.fixture(scope="module", autouse=True)
def _networks_are_written_once(tmp_path_factory):
    """PyTorch's exporter is most of the cost of these tests; tests/learn/test_graph.py tests it."""
    folder, write, kept = tmp_path_factory.mktemp("graphs"), graph.write, {}

    def once(network, path):
        key = hashlib.sha256(repr(network.embedder.recipe).encode())
        for name, tensor in network.state_dict().items():
            key.update(name.encode() + tensor.cpu().numpy().tobytes())
        if key.digest() not in kept:
            place = folder / f"{len(kept)}.onnx"
            write(network, place)
            kept[key.digest()] = place
        shutil.copy(kept[key.digest()], path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "write", once)
        yield


@pytest.fixture(scope="module")
def runs(small, tmp_path_factory):
    """A run on everything, and two folds of it."""
    folder = tmp_path_factory.mktemp("runs")
    table = small(
        data={"train": ["synthetic:60"], "validation": 0.0},
        fusion={"taps": ["pool5"]},
        loop={"steps": 2},
    )
    (folder / "all.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    train(folder / "all.toml", out=folder / "all", device="cpu")
    for fold in (0, 1):
        held = ("data.validation=0.5", f"data.fold={fold}")
        train(folder / "all.toml", held, out=folder / f"fold-{fold}", device="cpu")
    return folder


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """The run as a bundle of 16 dimensions, measured and calibrated on its folds."""
    out = tmp_path_factory.mktemp("bundles") / "short"
    folds = [runs / "fold-0", runs / "fold-1"]
    return export(runs / "all", out, folds=folds, dim=16, tests=["synthetic:60"])


def test_a_bundle_says_what_it_is(exported):
    assert (exported.dim, exported.length) == (16, 1.0)
    assert exported.features == 256 + 256  # pool5 is one cell at this size
    assert (exported.query, exported.gallery) == ("sketch", "photo")
    assert exported.domain_input == ("photo", "sketch")
    assert [t.name for t in exported.training] == ["synthetic:60"]
    assert exported == load_bundle(exported.folder)
    assert {p.name for p in exported.folder.iterdir()} == {
        "model.onnx",
        "bundle.json",
        "README.md",
        "reliability.svg",
    }


def test_its_numbers_are_of_all_folds_with_the_cost_of_being_short(exported):
    first = [m for m in exported.metrics if m.metric == "acc@1"]
    assert [(m.dataset, m.note, m.queries) for m in first] == [
        ("validation, 2 folds", "", 42),
        ("validation, 2 folds", "as trained, fp32", 42),
        ("synthetic:60 test", "", 18),
    ]
    assert all(m.low <= m.value <= m.high for m in exported.metrics)
    assert exported.calibration is not None


def test_its_test_numbers_are_those_of_the_encoder(exported):
    rows = open_dataset("synthetic:60").manifest.where(split="test")
    sides = rows.where(role="query"), rows.where(role="gallery")
    model = Encoder(exported)
    report = evaluate(*(model.embed(side) for side in sides), *sides, dataset="x")
    said = next(m for m in exported.metrics if m.dataset == "synthetic:60 test")
    assert said.value == pytest.approx(report.metrics["acc@1"].value)


@pytest.fixture(scope="module")
def plain(runs, tmp_path_factory):
    """The run as it is."""
    return export(runs / "all", tmp_path_factory.mktemp("bundles") / "plain")


def test_without_held_out_images_there_are_no_probabilities(plain):
    assert plain.calibration is None
    assert plain.metrics == ()
    assert plain.length == pytest.approx(np.sqrt(2))
    assert plain.domain_input == ()


@pytest.fixture(scope="module", params=["pairs", "csls"])
def headed(request, runs, tmp_path_factory):
    """The run in 8 dimensions by a head that is named."""
    folder = tmp_path_factory.mktemp("bundles") / request.param
    return request.param, export(runs / "all", folder, dim=8, head=Head(request.param, 3.0))


def test_a_head_may_be_named(headed):
    kind, made = headed
    assert made.dim == 8
    assert "whitened within" in made.projection
    assert ("CSLS" in made.projection) == (kind == "csls")
    assert "(lambda 3)" in made.projection


def test_a_head_needs_dimensions(runs, tmp_path):
    with pytest.raises(UsageError, match="say how short"):
        export(runs / "all", tmp_path / "c", head=Head("pairs", 3.0))
    assert not (tmp_path / "c").exists()


def test_run_bundle_and_gallery_rank_alike_to_the_last_query(plain, runs, data_root, tmp_path):
    rows = open_dataset("qmul-shoe", data_root).manifest.where(split="test")
    query, gallery = rows.where(role="query"), rows.where(role="gallery")
    network = load_run(runs / "all", "cpu")
    shutil.copytree(plain.folder, tmp_path / "edges")
    known = dataclasses.replace(
        plain, domains={"sketch": "sketch", "edge": "edge", "photo": "edge"}
    )
    model = Encoder(save_bundle(known, tmp_path / "edges"))
    wanted = evaluate(network.embed(query), network.embed(gallery), query, gallery, dataset="run")
    same = evaluate(model.embed(query), model.embed(gallery), query, gallery, dataset="bundle")
    assert same.ranks.tolist() == wanted.ranks.tolist()
    ranks = []
    with Gallery.open(tmp_path / "gallery", model, create=True) as shelf:
        pixels = [images.read(source, gallery.root) for source in gallery.source]
        shelf.add(pixels, gallery.instance.tolist(), domain="edge")
        for source, instance in zip(query.source, query.instance, strict=True):
            found = shelf.search(
                QueryImage(images.read(source, query.root), "sketch"), k=len(gallery)
            )
            ranks.append([hit.item.id for hit in found.hits].index(instance) + 1)
    found_first = np.array(ranks) == 1
    assert found_first.tolist() == (wanted.ranks == 1).tolist()
    assert found_first.any()
    # Further down, an untrained network's near-ties may swap places.
    assert np.abs(np.array(ranks) - wanted.ranks).max() <= 1


def test_parity_is_looked_at_vector_by_vector(plain, runs, tmp_path):
    run = open_run(runs / "all", None)
    network = graph.Graph(run.embedder)
    graph.check(plain, network, None, run.train)
    shutil.copytree(plain.folder, tmp_path / "b")
    model = onnx.load(str(tmp_path / "b" / "model.onnx"))
    weights = next(t for t in model.graph.initializer if "fc7" in t.name and len(t.dims) == 2)
    changed = numpy_helper.to_array(weights) + np.float32(0.05)
    weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
    onnx.save(model, str(tmp_path / "b" / "model.onnx"))
    made = save_bundle(load_bundle(tmp_path / "b"), tmp_path / "b")
    with pytest.raises(ModelError, match=r"differ from what they were made from \(cosine 0\."):
        graph.check(made, network, None, run.train)


@pytest.mark.parametrize(("rooted", "bank"), [(False, 0), (True, 0), (True, 4), (False, 30)])
@pytest.mark.parametrize("domains", [("photo", "sketch"), ("photo",)])
def test_the_graph_with_a_head_is_the_network_and_numpys_head(
    plain, runs, tmp_path, domains, rooted, bank
):
    run, rng = open_run(runs / "all", None), np.random.default_rng(1)
    width = run.embedder.dim
    means = rng.normal(0, 0.01, (len(domains), width)).astype(np.float32)
    matrix = rng.standard_normal((width, 5)).astype(np.float32)
    bank = bank if len(domains) > 1 else 0  # one domain cannot ask and answer
    queries = unit(rng.standard_normal((bank, 5)).astype(np.float32)) if bank else None
    asking = ("sketch",) if bank else ()
    head = Projection(domains, means, matrix, "at random", rooted, queries, asking)
    made = finish.headed(plain, "embedding", head, tmp_path / "headed")
    assert (made.dim, made.domain_input) == (7 if bank else 5, domains if len(domains) > 1 else ())
    some = run.train.where(domain=domains)
    graph.check(made, graph.Graph(run.embedder), head, some)
    features = Encoder(made).embed(some, output="features")
    network = run.embedder.embed(some)
    assert features == pytest.approx(network, abs=1e-5)
    wanted = apply(head, network, some.domain)
    assert Encoder(made).embed(some) == pytest.approx(wanted, abs=1e-4)
    other = dataclasses.replace(head, matrix=np.roll(matrix, 1, axis=0))
    with pytest.raises(ModelError, match="embedding of the new graph differ"):
        graph.check(made, graph.Graph(run.embedder), other, some)


def test_in_eight_bits_embeddings_keep_their_length(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "LOST_SHARE", 1.0)
    folds, head = [runs / "fold-0"], Head("csls", 1.0)
    made = export(runs / "all", tmp_path / "b", folds=folds, dim=16, head=head, precision="int8")
    photos = [images.read(f"synthetic:shoe/0/{k}/photo") for k in range(4)]
    lengths = np.linalg.norm(Encoder(made).encode(photos, "photo").vectors, axis=1)
    assert lengths == pytest.approx(np.ones(4), abs=1e-5)


def test_eight_bits_are_accepted_where_they_cost_little(plain, runs, tmp_path, monkeypatch):
    folds = [runs / "fold-0"]
    monkeypatch.setattr(exporting, "LOST_SHARE", 0.5)
    made = export(runs / "all", tmp_path / "small", folds=folds, precision="int8")
    assert made.precision == "int8"
    assert made.model.stat().st_size < 0.5 * plain.model.stat().st_size
    assert [m.note for m in made.metrics if m.metric == "acc@1"] == ["", "as trained, fp32"]
    photo = images.read("synthetic:shoe/0/1/photo")
    one, other = (Encoder(m).encode(photo, "photo").vectors[0] for m in (made, plain))
    assert 0.95 < one @ other / 2 < 0.999999


def test_a_network_taken_as_it_is_has_learned_from_its_recipe_only_with_a_head(
    runs, small, tmp_path
):
    table = small(
        data={"train": ["synthetic:30:5"], "validation": 0.0},
        model={"start": "all"},
        fusion={"taps": ["pool5"]},
        loop={"steps": 0},
    )
    (tmp_path / "as-it-is.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    run = train(tmp_path / "as-it-is.toml", out=runs / "as-it-is", device="cpu")
    plain = export(run, tmp_path / "plain")
    assert [known.name for known in plain.training] == ["synthetic:60"]
    headed = export(run, tmp_path / "headed", dim=8, head=Head("pairs", 1.0))
    assert [known.name for known in headed.training] == ["synthetic:30:5", "synthetic:60"]


def test_weights_in_16_bits_halve_the_file_and_change_no_vector(headed, runs, tmp_path):
    kind, whole = headed
    head = Head(kind, 3.0)
    half = export(runs / "all", tmp_path / "b", dim=8, head=head, precision="fp16")
    assert (half.precision, whole.precision) == ("fp16", "fp32")
    assert half.fingerprint != whole.fingerprint
    assert half.model.stat().st_size < 0.6 * whole.model.stat().st_size
    photos = [images.read(f"synthetic:shoe/0/{k}/photo") for k in range(4)]
    ours, theirs = (Encoder(made).encode(photos, "photo").vectors for made in (half, whole))
    assert (ours * theirs).sum(1).min() > 0.9999
    assert not np.array_equal(ours, theirs)


def test_eight_bits_that_lose_queries_are_refused(runs, tmp_path, monkeypatch):
    def broken(source, target, inputs):
        model = onnx.load(str(source))
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 4:
                array = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(array), tensor.name))
        onnx.save(model, str(target))

    monkeypatch.setattr(exporting, "quantise", broken)
    monkeypatch.setattr(Encoder, "_try", lambda encoder: None)  # which refuses it before
    with pytest.raises(
        ModelError, match=r"8 bits lose .* of 42 held-out queries.*another precision"
    ):
        export(
            runs / "all",
            tmp_path / "b",
            folds=[runs / "fold-0", runs / "fold-1"],
            precision="int8",
        )
    assert not (tmp_path / "b").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "int8 with nothing held out"),
        ({"dim": 1000}, "can be told apart"),
        ({"folds": ["all"]}, "held out nothing"),
        ({"tests": ["quadrant"]}, "quadrant"),
    ],
)
def test_what_cannot_be_exported_is_said(runs, tmp_path, options, message):
    if "folds" in options:
        options = {"folds": [runs / name for name in options["folds"]]}
    with pytest.raises(CdimError, match=message):
        export(runs / "all", tmp_path / "b", **options)
    assert not (tmp_path / "b").exists()


def test_a_bundle_is_not_overwritten(runs, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not overwritten"):
        export(runs / "all", tmp_path / "b")
    assert (tmp_path / "b" / "mine.txt").read_text() == "keep"


def test_the_same_fold_twice_is_refused(runs, tmp_path):
    with pytest.raises(UsageError, match=r"fold-0 and fold-0 both held out"):
        export(runs / "all", tmp_path / "b", folds=[runs / "fold-0"] * 2)


def test_a_fold_of_other_data_is_refused(runs, tmp_path):
    changes = ('data.train=["synthetic:60:7"]', "data.validation=0.5")
    train(runs / "all.toml", changes, out=tmp_path / "other", device="cpu")
    with pytest.raises(UsageError, match=r"another \[data\]"):
        export(runs / "all", tmp_path / "b", folds=[tmp_path / "other"])


def test_a_classifier_is_exported_without_searches(small, tmp_path):
    table = small(
        data={"train": ["synthetic:18"], "validation": 0.4, "target": "category"},
        loss={"kind": "cross-entropy"},
        fusion={"normalise": "none"},
        loop={"steps": 1},
    )
    del table["loss"]["negatives"]
    (tmp_path / "kinds.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    train(tmp_path / "kinds.toml", out=tmp_path / "run", device="cpu")
    assert export(tmp_path / "run", tmp_path / "b").length is None


@pytest.mark.parametrize("place", [".", "link"])
def test_a_place_that_cannot_be_written_anew_is_refused_first(runs, tmp_path, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "x").touch()
    with pytest.raises(UsageError):
        export(runs / "all", Path(place))


def test_a_single_part_is_judged_by_instance(runs):
    run = open_run(runs / "fold-0", None)
    vectors = run.embedder.embed(run.held.manifest)
    parts = run.held.searches(vectors, 5)
    assert len(parts) == 5
    assert sum(map(len, parts)) == 2 * 21  # in the gallery of the kind, and in that of all kinds
    sizes = {len(search.distances) for part in parts for search in part}
    assert sizes == {7, 21}


def test_a_fold_of_another_network_is_refused(runs, small, tmp_path):
    table = small(data={"train": ["synthetic:60"], "validation": 0.5}, loop={"steps": 1})
    (tmp_path / "other.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    train(tmp_path / "other.toml", out=tmp_path / "other", device="cpu")
    with pytest.raises(UsageError, match=r"another \[fusion\]"):
        export(runs / "all", tmp_path / "b", folds=[tmp_path / "other"])


def test_earlier_stages_are_named_as_training_data(runs, small, tmp_path):
    shutil.copytree(runs / "all", tmp_path / "runs" / "first")
    table = small(
        data={"train": ["synthetic:9"], "validation": 0.0},
        model={"start": "first"},
        fusion={"taps": ["pool5"]},
        loop={"steps": 1},
    )
    (tmp_path / "second.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    train(tmp_path / "second.toml", out=tmp_path / "runs" / "second", device="cpu")
    made = export(tmp_path / "runs" / "second", tmp_path / "b")
    assert [t.name for t in made.training] == ["synthetic:9", "synthetic:60"]
    shutil.rmtree(tmp_path / "runs" / "first")
    with pytest.raises(ModelError, match=r"'first'.*started from"):
        export(tmp_path / "runs" / "second", tmp_path / "c")
