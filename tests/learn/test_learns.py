"""A small run finds the photo of a held-out product much more often than chance."""

from __future__ import annotations

import numpy as np
import tomli_w

from cdim.data.synthetic import dataset
from cdim.learn.networks.embedder import load_run
from cdim.learn.training.run import train
from cdim.metrics.distances import distances
from cdim.metrics.ranking import first_ranks


def test_a_small_run_beats_chance_on_products_it_has_not_seen(small, tmp_path):
    table = small(
        data={"train": ["synthetic:120"]},
        fusion={"taps": ["pool5"]},
        optimiser={"kind": "adamw", "lr": 0.0005},
        augment={"flip": 0.5},
        loop={"batch": 16, "steps": 40, "evaluate_every": 40},
    )
    (tmp_path / "r.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    run = train(tmp_path / "r.toml", out=tmp_path / "run", device="cpu")
    test = dataset.manifest(120).where(split="test")
    embeddings = load_run(run, "cpu").embed(test)
    found, chance = [], []
    for category in np.unique(test.category):
        q, g = (
            np.flatnonzero((test.category == category) & (test.role == role))
            for role in ("query", "gallery")
        )
        apart = distances(embeddings[q], embeddings[g])
        found.append(1 / first_ranks(apart, test.instance[q, None] == test.instance[g]))
        chance.append(np.mean(1 / np.arange(1, len(g) + 1)))
    assert np.concatenate(found).mean() > 1.5 * np.mean(chance)
