"""A network of the smallest input, and products small enough to keep in memory."""

from __future__ import annotations

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.learn.recipes.recipe import parse_recipe

SMALL = {
    "name": "small",
    "data": {"train": ["synthetic:9"], "validation": 0.0},
    "input": {"resize": [90, 90], "crop": [81, 81], "mean": [230.0], "std": [64.0]},
    "loss": {"negatives": "in-batch"},
    "optimiser": {"lr": 0.01},
    "loop": {"batch": 4, "steps": 6, "evaluate_every": 2},
}


@pytest.fixture(scope="session")
def small():
    """A recipe's plain values; keywords replace keys of its parts."""

    def build(**parts):
        table = {k: dict(v) if isinstance(v, dict) else v for k, v in SMALL.items()}
        for name, values in parts.items():
            table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
        return table

    return build


@pytest.fixture(scope="session")
def recipe(small):
    """The same, parsed."""
    return lambda **parts: parse_recipe(small(**parts))


@pytest.fixture(scope="session")
def products():
    """Patterns of 9 x 9 squares: a gallery image of each instance, and a noisy query of it."""

    def build(instances=6, categories=("",), side=90, seed=0):
        rng = np.random.default_rng(seed)
        rows = []
        for number in range(instances):
            category = categories[number % len(categories)]
            squares = rng.integers(0, 2, (9, 9), dtype=np.uint8) * np.uint8(255)
            clean = np.kron(squares, np.ones((side // 9, side // 9), dtype=np.uint8))
            noisy = np.where(rng.random(clean.shape) < 0.1, 255 - clean, clean).astype(np.uint8)
            name = f"{category}/{number:03}"
            rows += [(clean, name, "photo", "gallery", category)]
            rows += [(noisy, name, "sketch", "query", category)]
        names = ("source", "instance", "domain", "role", "category")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return Manifest.build(split="train", **columns)

    return build
