"""Each way a run can fail, end to end: one line on stderr, exit code 2, nothing lost.

Wrong command lines and unknown recipe keys are in tests/cli/test_failures.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

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
def train(tmp_path):
    """`cdim train` in a process of its own."""

    def run(data, *arguments, **environment):
        (tmp_path / "r.toml").write_text(RECIPE.format(data=data), encoding="utf-8")
        command = [sys.executable, "-m", "cdim", "train", "r.toml", "--out", "run"]
        return subprocess.run(
            [*command, "--device", "cpu", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def fails_in_one_line(done, *words):
    """The bars of tqdm end in a carriage return or a line of their own; the error is one line."""
    assert done.returncode == 2, done.stderr
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
    assert train("synthetic:9", "--set", "loop.steps=1").returncode == 0
    before = kept(tmp_path / "run")
    assert len(before) == 2
    other = ["--set", "optimiser.lr=1e30", "--out", "other"]
    fails_in_one_line(train("synthetic:9", *other), "optimiser.lr")
    assert kept(tmp_path / "run") == before


FULL = """
import errno, os
original = os.replace
def replace(source, target):
    if str(target).endswith("last.safetensors"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return original(source, target)
if os.environ.get("DISK") == "full":
    os.replace = replace
"""


def test_a_full_disk_and_what_was_trained_before(train, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FULL, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    assert train("synthetic:9", "--set", "loop.steps=1").returncode == 0
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    done = train("synthetic:9", "--resume", PYTHONPATH=path.rstrip(os.pathsep), DISK="full")
    fails_in_one_line(done, "No space left", "--resume")
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before
    assert train("synthetic:9", "--resume").returncode == 0
