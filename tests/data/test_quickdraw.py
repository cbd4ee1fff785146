from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from cdim.data import images
from cdim.data.preprocess import Preprocess
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import DataError


def test_as_released(data_root: Path) -> None:
    manifest = open_dataset("quickdraw", data_root).manifest
    assert len(manifest) == len(set(manifest.instance)) == 69_000
    categories, counts = np.unique(manifest.category, return_counts=True)
    assert (len(categories), set(counts.tolist())) == (345, {200})
    assert set(manifest.domain) == {"sketch"}
    assert set(manifest.split) == set(manifest.role) == {""}


def test_drawings_look_like_qmul_sketches(data_root: Path) -> None:
    """In ink, size and place; and drawing all 69,000 takes minutes at most."""
    plain = Preprocess(crop=(256, 256), mean=(0.0,))
    manifest = open_dataset("quickdraw", data_root).manifest.take(range(0, 69_000, 138))
    start = time.perf_counter()
    drawn = images.load_stack(manifest, plain)
    assert (time.perf_counter() - start) * 138 < 600
    qmul = open_dataset("qmul-handbag", data_root).manifest.where(domain="sketch", split="test")
    sketches = images.load_stack(qmul, plain)

    def measures(stack: np.ndarray) -> np.ndarray:
        boxes = []
        for image in stack[..., 0]:
            y, x = np.nonzero(image < 200)
            boxes.append([max(np.ptp(x), np.ptp(y)), x.min() + x.max(), y.min() + y.max()])
        return np.median(boxes, axis=0)

    assert measures(drawn) == pytest.approx(measures(sketches), abs=6)
    assert 0.4 < (255 - drawn).mean() / (255 - sketches).mean() < 1.2


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="quickdraw is not in"):
        open_dataset("quickdraw", tmp_path)
