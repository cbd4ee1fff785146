"""Heads from a user's own pairs, on the bundle that comes with cdim."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

import cdim
from cdim.bundles.adapt import adapt
from cdim.bundles.bundle import check_whole, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads.graph import put_head
from cdim.bundles.heads.projection import Projection, apply
from cdim.cli.group import cdim as command
from cdim.data import images
from cdim.data.sets.catalogue import open_dataset
from cdim.data.synthetic import dataset
from cdim.errors import DataError, ModelError, UsageError
from cdim.metrics.distances import unit
from cdim.metrics.ranking import first_ranks

PAIRS = "synthetic:40:3"


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted") / "mine"
    return adapt("default", [PAIRS], folder, dim=64, tests=["synthetic:30:7"]), folder


def test_the_new_bundle_is_whole_and_says_what_it_is(adapted):
    done, folder = adapted
    made = load_bundle(folder)
    check_whole(made)
    base = load_bundle("default")
    assert (made.name, made.dim, made.length) == ("mine", 64, 1.0)
    assert made.fingerprint != base.fingerprint
    assert "whitened within" in made.projection
    assert PAIRS in {known.name for known in made.training}
    rows = {(row.dataset, row.metric, row.note) for row in made.metrics}
    assert ("pairs, 5 folds", "acc@1", "") in rows
    assert ("pairs, 5 folds", "acc@1", "before adapting") in rows
    assert ("synthetic:30:7 test", "acc@1", "") in rows
    assert "whitened within" in (folder / "README.md").read_text(encoding="utf-8")
    # A model that has seen none of the pairs can be calibrated on them.
    assert done.seen == ()
    assert made.calibration is not None
    vectors = cdim.load(folder).encode_query(np.full((50, 50), 255, dtype=np.uint8)).vectors
    assert vectors.shape == (1, 64)
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)


def test_what_is_reported_after_is_what_a_search_by_hand_finds(adapted):
    done, folder = adapted
    test = open_dataset("synthetic:30:7").manifest.where(split="test")
    running = Encoder(folder)
    query, gallery = test.where(role="query"), test.where(role="gallery")
    found = []
    for kind in np.unique(query.category):
        q, g = query.where(category=str(kind)), gallery.where(category=str(kind))
        apart = np.linalg.norm(running.embed(q)[:, None] - running.embed(g)[None], axis=2)
        found += first_ranks(apart, q.instance[:, None] == g.instance).tolist()
    row = next(r for r in done.bundle.metrics if r.dataset.startswith("synthetic:30"))
    every = np.linalg.norm(running.embed(query)[:, None] - running.embed(gallery)[None], axis=2)
    alone = (first_ranks(every, query.instance[:, None] == gallery.instance) == 1).mean()
    assert row.value == pytest.approx(alone)
    assert (np.array(found) == 1).mean() >= alone


def table(folder, domains, count=12, number=0):
    """A CSV of pairs of made-up products, in two domains."""
    rows = list(dataset.manifest(count, number))
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "instance", "domain", "role"])
        for place, row in enumerate(rows):
            side = int(row.domain != "sketch")
            path = folder / f"{place}.png"
            Image.fromarray(images.read(row.source)).save(path)
            role = ("query", "gallery")[side]
            writer.writerow([path.name, row.instance, domains[side], role])
    return folder / "pairs.csv"


def test_any_two_domains(tmp_path):
    pairs = table(tmp_path, ("night", "day"))
    done = adapt("default", [str(pairs)], tmp_path / "new")
    made = done.bundle
    assert (made.query, made.gallery) == ("night", "day")
    assert {"night", "day", "sketch", "photo"} <= set(made.domains)
    picture = np.full((60, 40, 3), 90, dtype=np.uint8)
    night, day = (cdim.load(made).encode(picture, domain=d) for d in ("night", "day"))
    assert not np.allclose(night, day, atol=1e-3)


@pytest.mark.parametrize("second", ["edge", "night"])
def test_photos_may_stand_beside_edge_maps_and_nothing_else(tmp_path, second):
    pairs = table(tmp_path, ("sketch", "photo"))
    lines = pairs.read_text(encoding="utf-8").splitlines()
    photos = [place for place, line in enumerate(lines) if ",photo," in line]
    for place in photos[::2]:
        lines[place] = lines[place].replace(",photo,", f",{second},")
    pairs.write_text("\n".join(lines), encoding="utf-8")
    if second == "night":
        with pytest.raises(UsageError, match="gallery images of the domains 'night', 'photo'"):
            adapt("default", [str(pairs)], tmp_path / "new")
        return
    made = adapt("default", [str(pairs)], tmp_path / "new").bundle
    assert (made.query, made.gallery) == ("sketch", "photo")
    assert made.domains == load_bundle("default").domains


def test_pairs_that_leave_nothing_to_tell_apart_are_refused(tmp_path):
    pairs = table(tmp_path, ("sketch", "photo"), 6)
    lines = pairs.read_text(encoding="utf-8").splitlines()
    told = [f"{line},{line.split(',')[1].replace('/', '-')}" for line in lines[1:]]
    pairs.write_text("\n".join([f"{lines[0]},category", *told]), encoding="utf-8")
    with pytest.raises(DataError, match="no category with two of them"):
        adapt("default", [str(pairs)], tmp_path / "new")


def test_few_pairs_only_and_the_same_draw_twice(tmp_path):
    first = adapt("default", [PAIRS], tmp_path / "a", most=10, seed=4)
    again = adapt("default", [PAIRS], tmp_path / "b", most=10, seed=4)
    assert first.bundle.metrics == again.bundle.metrics
    assert first.bundle.fingerprint == again.bundle.fingerprint
    assert 0 < max(row.queries for row in first.bundle.metrics) <= 10


def test_a_bundle_that_knew_the_pairs_says_so(adapted, tmp_path):
    twice = adapt(adapted[0].bundle, [PAIRS], tmp_path / "twice", dim=32)
    assert twice.seen == (PAIRS,)
    assert twice.bundle.calibration is None
    assert "had been trained on these images" in twice.bundle.metrics[0].note
    assert twice.bundle.dim == 32


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("on", ["features", "embedding"])
@pytest.mark.parametrize(("roots", "bank"), [(False, 0), (True, 0), (True, 4), (False, 30)])
def test_the_graph_computes_the_head(tmp_path, on, roots, bank, half):
    base = load_bundle("default")
    width = base.features if on == "features" else base.dim
    rng = np.random.default_rng(0)
    domains = base.domain_input or ("photo", "sketch")
    means = rng.normal(0, 0.01, (len(domains), width)).astype(np.float32)
    matrix = rng.standard_normal((width, 7)).astype(np.float32)
    queries = unit(rng.standard_normal((bank, 7)).astype(np.float32)) if bank else None
    asking = ("sketch",) if bank else ()
    head = Projection(domains, means, matrix, "at random", roots, queries, asking)
    order = put_head(base, on, head, tmp_path / "model.onnx", half=half)
    made = save_bundle(
        dataclasses.replace(base, dim=head.dim, length=1.0, domain_input=order), tmp_path
    )
    some = dataset.manifest(5)
    given = Encoder(made, "onnxruntime").embed(some)
    before = Encoder(base, "onnxruntime").embed(some, output=on)
    taken = np.array([base.domains[domain] for domain in some.domain])
    assert given == pytest.approx(apply(head, before, taken), abs=5e-3 if half else 1e-4)
    graph = onnx.load(str(made.model)).graph
    names = {node.name for node in graph.node}
    assert len(names) == len(graph.node)


def test_what_cannot_be_adapted_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(UsageError, match="is not an empty folder"):
        adapt("default", [PAIRS], tmp_path / "full")
    with pytest.raises(UsageError, match=r"3 instances.*4 or more"):
        adapt("default", [PAIRS], tmp_path / "new", most=3)
    with pytest.raises(UsageError, match="5000 dimensions"):
        adapt("default", [PAIRS], tmp_path / "new", dim=5000)
    assert not (tmp_path / "new").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.onnx").write_bytes(b"no graph")
    made = save_bundle(load_bundle("default"), broken)
    head = Projection(("a",), np.zeros((1, 2), np.float32), np.zeros((2, 1), np.float32), "")
    with pytest.raises(ModelError, match="no head can be put on"):
        put_head(made, "features", head, tmp_path / "out.onnx", half=True)


def test_on_the_command_line(tmp_path):
    run = CliRunner().invoke(
        command, ["adapt", "default", PAIRS, "-o", str(tmp_path / "mine"), "--dim", "32"]
    )
    assert run.exit_code == 0, run.output
    assert "mine: 32 dimensions" in run.output
    assert "before adapting" in run.output
    assert "points [" in run.output
