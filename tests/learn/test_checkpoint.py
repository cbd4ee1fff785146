"""Checkpoints: whole or not at all, and no pickle."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cdim.errors import ModelError, TrainingError
from cdim.learn.networks import checkpoint

SRC = Path(__file__).resolve().parents[2] / "src"
TENSORS = {"a.w": torch.arange(6.0).reshape(2, 3), "a.n": torch.tensor(7), "b.w": torch.ones(1)}


@pytest.fixture
def path(tmp_path):
    checkpoint.write(tmp_path / "x.safetensors", TENSORS, {"step": 3, "best": float("-inf")})
    return tmp_path / "x.safetensors"


def test_what_is_written_is_read(path):
    tensors, meta = checkpoint.read(path)
    assert meta == {"step": 3, "best": float("-inf")}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype
    assert checkpoint.select(tensors, "a.").keys() == {"w", "n"}
    assert os.listdir(path.parent) == [path.name]


def test_any_memory_layout_can_be_written(path):
    turned = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    checkpoint.write(path, {"w": turned, "part": turned[:1].mT}, {})
    assert torch.equal(checkpoint.read(path)[0]["w"], turned)


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(path, monkeypatch, call):
    before = path.read_bytes()
    monkeypatch.setattr(os, call, full)
    with pytest.raises(TrainingError, match=r"No space left.*resume") as caught:
        checkpoint.write(path, {"w": torch.zeros(9)}, {})
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_disk_that_refuses_to_open_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(TrainingError, match="No space left"):
            checkpoint.write(path, {"w": torch.zeros(9)}, {})
    assert path.read_bytes() == before


def test_what_a_killed_writer_left_is_no_obstacle(path):
    path.with_name(f".{path.name}.partial").write_bytes(b"half")
    checkpoint.write(path, {"w": torch.zeros(9)}, {})
    assert checkpoint.read(path)[0].keys() == {"w"}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("size", [0, 4, 8, 60, -1])
def test_a_damaged_file_is_told(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"cannot read .*x\.safetensors"):
        checkpoint.read(path)


def test_what_is_not_ours_is_told(path):
    save_file(TENSORS, path)
    with pytest.raises(ModelError, match="written by cdim"):
        checkpoint.read(path)
    path.write_bytes(b"\x80\x04" + b"." * 100)
    for wrong in (path, path.parent, path.with_name("missing")):
        with pytest.raises(ModelError, match="cannot read"):
            checkpoint.read(wrong)


def test_nothing_pickles():
    """A pickle runs what it says when it is opened.

    Other libraries' weights come as .pth: those are read by PyTorch's reader of tensors, which
    runs nothing, and `pickle` is imported there for the name of the error it raises.
    """
    unsafe = re.compile(
        r"\b(import|from) +(pickle|cPickle|dill|cloudpickle|shelve|joblib|marshal)\b"
        r"|\btorch\.load\b(?!\([^()]*weights_only=True\))"
        r"|\btorch\.save\b|allow_pickle *= *True|weights_only *= *False"
    )
    found = {
        f"{path.name}: {match[0]}"
        for path in SRC.rglob("*.py")
        for match in unsafe.finditer(path.read_text("utf-8"))
    }
    assert found <= {"weights.py: import pickle"}
