from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image

from cdim.data.images import read
from cdim.data.sets.catalogue import open_dataset


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two made-up products, a drawing and a photo of each."""
    folder = tmp_path_factory.mktemp("files")
    manifest = open_dataset("synthetic:18").manifest
    chosen = np.unique(manifest.instance)[:2]
    named = []
    for name in chosen:
        for role in ("query", "gallery"):
            row = np.flatnonzero((manifest.instance == name) & (manifest.role == role))[0]
            path = folder / f"{len(named)}.png"
            Image.fromarray(read(manifest.source[row])).save(path)
            named.append(path)
    return named


def test_files_in_pairs(call, tiny_run, files, tmp_path):
    out = tmp_path / "look"
    done = call(
        *("show", "activations", tiny_run, *files, "--edges", "--layer", "pool5"),
        *("--filters", "3,17", "-o", out, "--device", "cpu"),
    )
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines[1:3]] == ["3", "17"]
    table = list(csv.DictReader(io.StringIO((out / "filters.csv").read_text())))
    assert sorted(int(row["filter"]) for row in table) == list(range(256))
    margins = [float(row["margin"]) for row in table]
    assert margins == sorted(margins, reverse=True)
    with Image.open(out / "activations.png") as picture:
        assert picture.width > 4 * 144
        assert picture.height > 3 * 144


def test_a_dataset(call, tiny_run, tmp_path):
    done = call(
        *("show", "activations", tiny_run, "synthetic:18", "--layer", "conv4", "--top", 2),
        *("--split", "test", "-o", tmp_path / "look", "--device", "cpu"),
    )
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--filters", "1,x"], "numbers from 0"),
        (["--filters", "256"], "0 to 255"),
        (["--layer", "fc7"], "a layer that gives a map"),
        (["--layer", "pool6"], "pool5"),
    ],
)
def test_wrong_options_are_one_line(call, tiny_run, files, tmp_path, change, words):
    done = call(
        *("show", "activations", tiny_run, *files, "--layer", "pool5", "-o", tmp_path / "look"),
        *change,
    )
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_odd_number_of_files(call, tiny_run, files, tmp_path):
    done = call("show", "activations", tiny_run, *files[:3], "--layer", "pool5", "-o", tmp_path)
    assert done.exit_code == 2
    assert "files come in pairs" in done.stderr
    edges = ("--edges", "--layer", "pool5", "-o", tmp_path)
    done = call("show", "activations", tiny_run, "synthetic:18", *edges)
    assert done.exit_code == 2
    assert "a dataset is shown as it is" in done.stderr
