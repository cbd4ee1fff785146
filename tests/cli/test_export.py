from __future__ import annotations

import json

import numpy as np
import pytest

from cdim.bundles.bundle import load_bundle
from cdim.bundles.encoder import Encoder
from cdim.data.sets.catalogue import open_dataset
from cdim.learn.networks.embedder import load_run


@pytest.fixture(scope="session")
def tiny_bundle(tiny_run, tmp_path_factory):
    """The tiny run as a bundle, by the command line."""
    from click.testing import CliRunner

    from cdim.cli import cdim

    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    arguments = ["export", str(tiny_run), "-o", str(folder), "--test", "synthetic:18"]
    done = CliRunner().invoke(cdim, arguments)
    assert done.exit_code == 0, done.output
    assert "synthetic:18 test" in done.stdout
    assert f"cdim index photos/ -o gallery --model {folder}" in done.stdout
    assert "no probabilities" in done.stderr
    return folder


def test_a_bundle_is_judged_as_its_run(call, tiny_run, tiny_bundle):
    run, made = (
        json.loads(call("eval", place, "synthetic:18", "--json").stdout)
        for place in (tiny_run, tiny_bundle)
    )
    assert run["metrics"] == made["metrics"]
    assert run["seed"] == made["seed"] == 0
    rows = open_dataset("synthetic:18").manifest
    network, graph = load_run(tiny_run, "cpu").embed(rows), Encoder(tiny_bundle).embed(rows)
    assert graph == pytest.approx(network, abs=1e-5)


def test_a_bundle_is_compared_with_a_run(call, tiny_run, tiny_bundle):
    arguments = ("eval", tiny_bundle, "synthetic:18", "--compare", tiny_run, "--json")
    found = json.loads(call(*arguments).stdout)["compare"]["metrics"]
    assert found["acc@1"]["difference"] == 0


@pytest.mark.parametrize("options", [("--join", "conv4"), ("--device", "cuda")])
def test_what_only_runs_have_is_refused_for_bundles(call, tiny_bundle, options):
    done = call("eval", tiny_bundle, "synthetic:18", "--rerank", *options)
    option, value = options
    assert f"{value} for the bundle" in done.stderr
    assert done.stderr.rstrip().endswith(f"({option})")
    assert done.exit_code == 2
    assert "finished graph" in done.stderr


def test_a_bundle_is_indexed_and_searched_with(call, tiny_bundle, tmp_path):
    gallery = tmp_path / "gallery"
    done = call("index", "synthetic:18", "-o", gallery, "--model", tiny_bundle)
    assert done.exit_code == 0, done.output
    done = call("search", gallery, "--like", "synthetic:shoe/0/1/photo", "-k", 3, "--json")
    ids = [hit["id"] for hit in json.loads(done.stdout)["hits"]]
    model = Encoder(load_bundle(tiny_bundle))
    photos = open_dataset("synthetic:18").manifest.where(role="gallery")
    vectors = model.embed(photos)
    at = photos.source.index("synthetic:shoe/0/1/photo")
    order = np.argsort(np.linalg.norm(vectors - vectors[at], axis=1), kind="stable")
    assert ids == [photos.source[i] for i in order[1:4]]


def test_a_bundle_is_not_overwritten(call, tiny_run, tiny_bundle):
    done = call("export", tiny_run, "-o", tiny_bundle)
    assert done.exit_code == 2
    assert "not overwritten" in done.stderr
