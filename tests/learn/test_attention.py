"""The attention rival against naive loops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.learn.export import graph
from cdim.learn.networks.embedder import Embedder, load_run
from cdim.learn.networks.fusion import Attention, Fusion, fusion_part
from cdim.learn.networks.taps import Tap
from cdim.learn.recipes.recipe import read_recipe
from cdim.learn.training.run import train

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def by_hand(pool, maps):
    """The definition, cell by cell."""
    (first, one), (last, other) = (
        (layer.weight.detach().numpy()[:, :, 0, 0], layer.bias.detach().numpy())
        for layer in (pool.score[0], pool.score[2])
    )
    n, channels, height, width = maps.shape
    masks, pooled = np.empty((n, 1, height, width)), np.empty((n, channels))
    for i in range(n):
        scores = np.empty((height, width))
        for y in range(height):
            for x in range(width):
                hidden = np.maximum(first @ maps[i, :, y, x] + one, 0)
                scores[y, x] = (last @ hidden + other).item()
        masks[i, 0] = np.exp(scores) / np.exp(scores).sum()
        for c in range(channels):
            total = 0.0
            for y in range(height):
                for x in range(width):
                    total += maps[i, c, y, x] + masks[i, 0, y, x] * maps[i, c, y, x]
            pooled[i, c] = total / (height * width)
    return masks, pooled


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_it_is_the_mean_of_the_map_and_the_attended_map(channels, height, width, seed):
    torch.manual_seed(seed)
    pool, maps = Attention(channels), torch.randn(3, channels, height, width)
    masks, pooled = by_hand(pool, maps.numpy().astype(np.float64))
    with torch.no_grad():
        np.testing.assert_allclose(pool.mask(maps), masks, atol=1e-5)
        np.testing.assert_allclose(pool(maps), pooled, atol=1e-5)


def test_a_mask_that_prefers_nothing_leaves_the_average():
    pool, maps = Attention(4), torch.randn(2, 4, 3, 5)
    for weights in pool.parameters():
        torch.nn.init.zeros_(weights)
    torch.testing.assert_close(pool(maps), maps.mean((2, 3)) * (1 + 1 / 15))


def test_every_layer_of_the_mask_learns():
    pool = Attention(4)
    pool(torch.randn(2, 4, 3, 5))[:, 0].square().sum().backward()
    # A softmax does not change where all scores move together.
    assert all(w.grad.abs().sum() > 0 for w in list(pool.parameters())[:3])


def test_it_pools_any_tap_beside_other_poolings():
    layout = {"low": Tap(2, (6, 4)), "vector": Tap(5, (1, 1)), "last": Tap(4, (1, 1))}
    fusion = Fusion(
        layout,
        "last",
        fusion_part(taps=["low", "vector", "low"], pool=["attention", "attention", "flatten"]),
    )
    assert fusion.parts == (2, 5, 48, 4)
    given = {"low": torch.rand(3, 2, 6, 4), "vector": torch.rand(3, 5), "last": torch.rand(3, 4)}
    assert fusion({k: v.bfloat16() for k, v in given.items()}).dtype == torch.float32


def test_the_exported_graph_gives_what_the_network_gives(recipe, tmp_path):
    torch.manual_seed(0)
    embedder = Embedder(recipe(fusion={"taps": ["pool5"], "pool": "attention", "project": 7}))
    module = graph.Graph(embedder.eval())
    graph.write(module, tmp_path / "g.onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"))
    images = np.random.default_rng(0).standard_normal((3, 1, 81, 81)).astype(np.float32)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(images))
    for ours, theirs in zip(session.run(None, {"images": images}), wanted, strict=True):
        assert ours == pytest.approx(theirs.numpy(), abs=1e-5)


def test_features_before_a_projection_have_the_learned_mask(recipe):
    embedder = Embedder(recipe(fusion={"taps": ["pool5"], "pool": "attention", "project": 7}))
    module = graph.Graph(embedder)
    assert module.features is not None
    learned, taken = embedder.fusion.pools.state_dict(), module.features.pools.state_dict()
    assert learned.keys() == taken.keys()
    assert all(torch.equal(learned[name], taken[name]) for name in learned)


def test_it_trains(small, tmp_path):
    import tomli_w

    file = tmp_path / "tiny.toml"
    file.write_text(tomli_w.dumps(small(fusion={"taps": ["pool5"], "pool": "attention"})))
    run = train(file, ["loop.steps=2"], out=tmp_path / "run", device="cpu")
    assert load_run(run, "cpu").dim == 512
    log = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    assert all(np.isfinite(row["loss"]) for row in log if "loss" in row)


def test_the_recipes_differ_from_full_fusion_in_the_fusion_alone():
    full = read_recipe(RECIPES / "strong-fusion.toml").to_dict()
    for name in ("strong-attention", "strong-fusion-512"):
        plan = read_recipe(RECIPES / f"{name}.toml")
        assert Embedder(plan).dim == 512
        rest = {k: v for k, v in plan.to_dict().items() if k not in ("name", "fusion")}
        assert rest == {k: v for k, v in full.items() if k not in ("name", "fusion")}
