"""Which filters fire alike, against naive loops and cases known by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from cdim.data.manifest import Manifest
from cdim.errors import DataError, UsageError
from cdim.learn.inspect.activations import agreement, maps, pairs
from cdim.learn.inspect.heat_maps import TILE, overlay, sheet
from cdim.learn.networks.embedder import Embedder


def cosine(a, b):
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return 0.0 if length == 0 else float((a * b).sum() / length)


def test_agreement_against_loops():
    rng = np.random.default_rng(0)
    a, b = np.maximum(rng.normal(size=(2, 5, 3, 4, 4)), 0).astype(np.float32)
    a[1, 2] = 0
    category = np.array(["x", "x", "y", "x", "z"])
    found = agreement(torch.from_numpy(a), torch.from_numpy(b), category)
    for channel in range(3):
        for i in range(5):
            own = cosine(a[i, channel], b[i, channel])
            rivals = [j for j in range(5) if j != i and category[j] == category[i]]
            others = [cosine(a[i, channel], b[j, channel]) for j in rivals]
            assert found.alike[i, channel] == pytest.approx(own, abs=1e-6)
            assert found.first[i, channel] == (bool(rivals) and own > max(others))
            if rivals:
                assert found.unlike[i, channel] == pytest.approx(np.mean(others), abs=1e-6)
                assert found.margin[i, channel] == pytest.approx(own - np.mean(others), abs=1e-6)
            else:
                assert np.isnan(found.unlike[i, channel])
                assert found.margin[i, channel] == found.alike[i, channel]
    fires = [np.mean([(side[:, c] > 0).any((1, 2)) for side in (a, b)]) for c in range(3)]
    assert found.fires == pytest.approx(fires)


def test_a_filter_that_marks_the_same_place_ranks_before_one_that_always_fires_alike():
    n = 6
    placed = torch.zeros(n, 1, n, 1)
    placed[torch.arange(n), 0, torch.arange(n), 0] = 1
    everywhere = torch.ones(n, 1, n, 1)
    elsewhere = placed.roll(1, 0)
    queries = torch.cat([everywhere, placed, placed], 1)
    matches = torch.cat([everywhere, elsewhere, 3 * placed], 1)
    found = agreement(queries, matches, np.full(n, ""))
    assert found.ranked().tolist() == [2, 0, 1]
    assert found.margin.mean(0) == pytest.approx([0, -1 / (n - 1), 1])
    assert found.first.mean(0).tolist() == [0, 0, 1]


def test_pairs_take_a_query_and_its_gallery_image(products):
    manifest = products(4)
    rows = pairs(manifest)
    assert len(rows) == 4
    for query, match in rows:
        assert manifest.instance[query] == manifest.instance[match]
        assert (manifest.role[query], manifest.role[match]) == ("query", "gallery")


def test_pairs_of_people_cross_cameras():
    manifest = Manifest.build(
        ["a1", "a2", "a3", "b1", "c1", "c2"],
        ["a", "a", "a", "b", "c", "c"],
        domain="photo",
        camera=[1, 1, 2, 1, 3, 3],
    )
    assert pairs(manifest).tolist() == [[0, 2], [4, 5]]
    both = dataclasses.replace(manifest, role=np.full(6, "both"))
    assert pairs(both).tolist() == [[0, 2], [4, 5]]


def test_no_pairs_is_an_error(products):
    manifest = products(3)
    with pytest.raises(DataError, match="an instance needs a query and a gallery image"):
        pairs(manifest.where(role="query"))


@pytest.mark.parametrize(
    ("backbone", "channels", "layer"),
    [
        ("sketch-a-net", 1, "conv4"),
        ("resnet18", 3, "layer2"),
        ("vit_tiny_patch16_224", 3, "blocks.3"),
    ],
)
def test_maps_are_what_the_network_computes(recipe, products, backbone, channels, layer):
    side = {"sketch-a-net": 81, "resnet18": 64, "vit_tiny_patch16_224": 64}[backbone]
    given = {"resize": [side] * 2, "crop": [side] * 2, "channels": channels}
    given |= {"mean": [128.0] * channels, "std": [64.0] * channels}
    embedder = Embedder(recipe(model={"backbone": backbone}, input=given))
    stack = np.stack([embedder.preprocess.load(source) for source in products(3, side=90).source])
    whole = maps(embedder, layer, stack, cells=1000)
    embedder.eval()
    with torch.inference_mode():
        direct = embedder.backbone(torch.from_numpy(embedder.preprocess(stack)))[layer].relu()
    torch.testing.assert_close(whole, direct)
    coarse = maps(embedder, layer, stack, cells=2)
    assert coarse.shape == (*direct.shape[:2], 2, 2)
    torch.testing.assert_close(coarse.mean((2, 3)), coarse.flatten(2).mean(2))


def test_a_layer_without_places_is_refused(recipe, products):
    embedder = Embedder(recipe())
    stack = np.zeros((1, 90, 90, 1), np.uint8)
    for layer in ("fc7", "conv9"):
        with pytest.raises(UsageError, match="a layer that gives a map"):
            maps(embedder, layer, stack)


def test_heat_covers_where_it_is_and_nothing_else():
    white = np.full((60, 40, 1), 255, np.uint8)
    heat = np.zeros((6, 4), np.float32)
    heat[1, 1] = 2
    shown = np.asarray(overlay(white, heat, 2.0))
    assert shown.shape == (TILE, 2 * TILE // 3, 3)
    scale = TILE / 6
    assert shown[int(1.5 * scale), int(1.5 * scale)].sum() < 720  # the hot cell is tinted
    assert (shown[int(4 * scale) :] == 255).all()
    assert (np.asarray(overlay(white, heat, 0.0)) == 255).all()


def test_a_pair_shares_one_scale():
    white = np.full((50, 50, 3), 255, np.uint8)
    strong, weak = np.full((2, 2), 4.0, np.float32), np.full((2, 2), 0.04, np.float32)
    picture = sheet([(white, white)], [("filter 0", [(strong, weak)])], "title")
    row = np.asarray(picture)[-TILE // 2]
    left, right = row[150 + TILE // 2].sum(), row[150 + TILE + 4 + TILE // 2].sum()
    assert left < right
