"""Each way a run can fail, end to end: one line on stderr, exit code 2, nothing lost.

Wrong command lines and unknown recipe keys are in tests/cli/test_failures.py.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from PIL import Image

from cdim.cli import cdim

RECIPE = """
name = "tiny"
[data]
train = ["{data}"]
validation = 0.0
[input]
resize = [90, 90]
crop = [81, 81]
[loss]
negatives = "in-batch"
[loop]
batch = 2
steps = 4
evaluate_every = 1
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    """`cdim train` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(data, *arguments):
        Path("r.toml").write_text(RECIPE.format(data=data), encoding="utf-8")
        command = ["train", "r.toml", "--out", "run", "--device", "cpu"]
        return CliRunner().invoke(cdim, [*command, *arguments])

    return run


def fails_in_one_line(done, *words):
    """The bars of tqdm end in a carriage return or a line of their own; the error is one line."""
    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors == lines[-1:], done.stderr
    for word in words:
        assert word in errors[0]


@pytest.fixture
def photos(tmp_path):
    """Three products, a photo and a sketch of each, as a CSV."""
    lines = ["source,instance,domain,role"]
    for number in range(3):
        for domain, role in (("photo", "gallery"), ("sketch", "query")):
            pixels = np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{domain}{number}.jpg")
            lines.append(f"{domain}{number}.jpg,{number},{domain},{role}")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_missing_image(train, photos):
    (photos / "sketch1.jpg").unlink()
    fails_in_one_line(train("photos.csv"), "sketch1.jpg")


def test_half_a_jpeg(train, photos):
    whole = (photos / "photo2.jpg").read_bytes()
    (photos / "photo2.jpg").write_bytes(whole[: len(whole) // 2])
    fails_in_one_line(train("photos.csv"), "photo2.jpg")


def test_an_empty_folder(train, tmp_path):
    (tmp_path / "empty").mkdir()
    fails_in_one_line(train("empty"), "empty")
    assert not (tmp_path / "run").exists()


def test_a_mat_file_with_another_key(train, tmp_path):
    scipy.io.savemat(tmp_path / "m.mat", {"pictures": np.zeros((4, 8, 8), dtype=np.uint8)})
    rows = [f"m.mat#{row},{row // 2},photo,{('gallery', 'query')[row % 2]}" for row in range(4)]
    text = "\n".join(["source,instance,domain,role", *rows]) + "\n"
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    fails_in_one_line(train("m.csv"), "m.mat", "pictures", "'data'")


def kept(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.safetensors")}


def test_a_loss_that_is_no_number_and_what_was_trained_before(train, tmp_path):
    assert train("synthetic:9", "--set", "loop.steps=1").exit_code == 0
    before = kept(tmp_path / "run")
    assert len(before) == 2
    other = ["--set", "optimiser.lr=1e30", "--out", "other"]
    fails_in_one_line(train("synthetic:9", *other), "optimiser.lr")
    assert kept(tmp_path / "run") == before


def test_a_full_disk_and_what_was_trained_before(train, tmp_path, monkeypatch):
    replace = os.replace

    def full(source, target):
        if str(target).endswith("last.safetensors"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    assert train("synthetic:9", "--set", "loop.steps=1").exit_code == 0
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        done = train("synthetic:9", "--resume")
    fails_in_one_line(done, "No space left", "resume the training")
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before
    assert train("synthetic:9", "--resume").exit_code == 0
