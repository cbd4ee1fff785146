from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from cdim.errors import ModelError, RecipeError
from cdim.learn.export import graph
from cdim.learn.networks.embedder import Embedder

COLOUR = {"channels": 3, "mean": [0.0] * 3, "std": [255.0] * 3}


def outputs(module, tmp_path, n=3):
    """Features and embeddings of random images, by the graph and by the network."""
    graph.write(module, tmp_path / "g.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"))
    p = module.embedder.preprocess
    rng = np.random.default_rng(0)
    images = rng.standard_normal((n, p.channels, *p.crop)).astype(np.float32)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(images))
    found = session.run(["features", "embedding"], {"images": images})
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs.numpy(), abs=1e-5)
    return found


def test_the_embedding_is_also_the_features_where_nothing_is_projected(recipe, tmp_path):
    module = graph.Graph(Embedder(recipe(fusion={"taps": ["pool5"]})))
    features, embedding = outputs(module, tmp_path)
    assert features.shape == (3, module.features_dim)
    assert features == pytest.approx(embedding)


def test_the_file_does_not_say_where_it_was_made(recipe, tmp_path):
    graph.write(graph.Graph(Embedder(recipe(fusion={"taps": ["pool5"]}))), tmp_path / "g.onnx")
    content = (tmp_path / "g.onnx").read_bytes()
    for place in (b"site-packages", b"graph.py", str(Path.cwd()).encode()):
        assert place not in content


def test_features_stand_before_the_trained_projection(recipe, tmp_path):
    embedder = Embedder(recipe(fusion={"taps": ["conv4", "pool5"], "project": 7}))
    module = graph.Graph(embedder)
    features, embedding = outputs(module, tmp_path)
    assert embedding.shape == (3, embedder.dim) == (3, 7 + 256)
    assert features.shape == (3, module.features_dim)
    assert module.features_dim > embedder.dim


@pytest.mark.parametrize("normalise", ["none", "l2"])
def test_mirror_images_are_seen_as_well(recipe, tmp_path, normalise):
    size = {"resize": [64, 64], "crop": [64, 64]}
    parts = {"taps": ["layer2"], "pool": "grid2", "project": 6, "normalise": normalise}
    made = recipe(
        input={**COLOUR, **size}, model={"backbone": "resnet18"}, fusion={**parts, "mirror": True}
    )
    embedder = Embedder(made).eval()
    features, embedding = outputs(graph.Graph(embedder), tmp_path)
    images = np.random.default_rng(0).standard_normal((3, 3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        sides = [embedder.backbone(torch.from_numpy(x)) for x in (images, images[..., ::-1].copy())]
        final = sum(maps[embedder.fusion.final] for maps in sides).numpy() / 2
        middle = (
            sum(
                embedder.fusion.project(
                    torch.nn.functional.adaptive_avg_pool2d(maps["layer2"], 2).flatten(1)
                )
                for maps in sides
            ).numpy()
            / 2
        )
        flipped = embedder(torch.from_numpy(images[..., ::-1].copy())).numpy()
    wanted = [middle, final]
    if normalise == "l2":
        wanted = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in wanted]
    assert embedding == pytest.approx(np.concatenate(wanted, 1), abs=1e-5)
    assert flipped == pytest.approx(embedding, abs=1e-5)
    assert features.shape == (3, 128 * 4 + 512)


def test_mirror_images_are_left_out_while_training(recipe):
    embedder = Embedder(recipe(fusion={"taps": ["pool5"], "mirror": True}))
    images = torch.randn(2, 1, *embedder.preprocess.crop)
    assert len(embedder.eval().looks(images)) == 2
    assert len(embedder.train().looks(images)) == 1


@pytest.mark.full
def test_features_too_long_are_averaged_over_the_finest_grid_that_fits(recipe, tmp_path):
    crop = {"resize": [225, 225], "crop": [225, 225]}
    embedder = Embedder(recipe(input=crop, fusion={"taps": ["conv1", "pool5"], "project": 8}))
    module = graph.Graph(embedder)
    # 64 and 256 channels on a grid of 4 x 4 and the final 256: on 8 x 8 they would be 20,736.
    assert module.features_dim == (64 + 256) * 16 + 256 <= graph.MOST_FEATURES
    features, _ = outputs(module, tmp_path, n=1)
    maps = embedder.backbone(torch.zeros(1, 1, 225, 225))
    assert maps["conv1"].shape[1] == 64
    assert features.shape == (1, module.features_dim)


def test_features_that_fit_in_no_way_are_refused(recipe, monkeypatch):
    monkeypatch.setattr(graph, "MOST_FEATURES", 100)
    with pytest.raises(RecipeError, match=r"fusion.taps.*at most 100"):
        graph.Graph(Embedder(recipe(fusion={"taps": ["pool5"]})))


@pytest.mark.full
@pytest.mark.parametrize(
    ("backbone", "taps", "pool"),
    [
        ("resnet18", ["layer2.0", "layer4.0"], "average"),
        ("vit_tiny_patch16_224", ["blocks.5"], "grid4"),
        ("convnext_atto", ["stages.1"], "gem"),
    ],
)
def test_networks_of_timm_are_exported(recipe, tmp_path, backbone, taps, pool):
    crop = [224, 224] if backbone.startswith("vit") else [64, 64]
    made = recipe(
        input={**COLOUR, "resize": crop, "crop": crop},
        model={"backbone": backbone},
        fusion={"taps": taps, "pool": pool, "project": 6, "normalise": "none"},
    )
    outputs(graph.Graph(Embedder(made)), tmp_path)


@pytest.mark.parametrize("normalise", ["root", "l2"])
def test_a_choice_of_an_atlas_is_exported(recipe, tmp_path, normalise):
    fusion = {"taps": ["conv3", "conv5"], "pool": ["max", "grid2"], "normalise": normalise}
    embedder = Embedder(recipe(fusion={**fusion, "final": False})).eval()
    features, embedding = outputs(graph.Graph(embedder), tmp_path)
    assert features.shape == (3, 256 + 4 * 256)
    assert embedding == pytest.approx(features)


def test_a_graph_for_batches_of_one_size_is_refused(recipe, tmp_path, monkeypatch):
    embedder = Embedder(recipe())
    usual = embedder.fusion.forward

    def frozen(maps):
        found = usual(maps)
        return found.reshape(len(found), -1)

    monkeypatch.setattr(embedder.fusion, "forward", frozen)
    with pytest.raises(ModelError, match=r"batches of one size|cannot export"):
        graph.write(graph.Graph(embedder), tmp_path / "g.onnx")
