"""The fusion module around networks that cdim did not build."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn

import cdim.learn
from cdim.errors import CdimError, RecipeError, UsageError
from cdim.learn import fuse
from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.recipe import parse_recipe

SIZE = (64, 32)
# a network of timm, and taps of it
FAMILIES = {
    "resnet18": ["layer3.0", "layer4.1.bn1"],  # the ReLU behind `bn1` is computed in place
    "vit_tiny_patch16_224": ["blocks.5", "norm"],
    "convnext_atto": ["stages.1", "stages.2.blocks.1.mlp"],  # inside its blocks channels come last
}


def plain():
    """A small network with a linear layer behind a flattened map: it takes one size only."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        nn.Conv2d(4, 6, 3, 2, 1),
        nn.Flatten(),
        nn.Linear(6 * 4 * 2, 5),
    )


@pytest.mark.parametrize(
    ("pool", "normalise"),
    [
        ("flatten", "l2"),
        ("attention", "none"),
        (["gem", "max"], "root"),
        (["grid2", "average"], "l2"),
    ],
)
def test_a_network_of_timm_gives_the_vector_of_its_recipe(pool, normalise):
    recipe = {
        "name": "x",
        "data": {"train": ["a"]},
        "input": {"resize": SIZE, "crop": SIZE, "channels": 3, "mean": [0.0] * 3, "std": [1.0] * 3},
        "model": {"backbone": "resnet18"},
        "fusion": {"taps": FAMILIES["resnet18"], "pool": pool, "normalise": normalise},
    }
    check_against_recipe(recipe, pool=pool, normalise=normalise)


@pytest.mark.parametrize("name", list(FAMILIES)[1:])
def test_tokens_and_channels_that_come_last_are_maps(name):
    size = (64, 64)
    recipe = {
        "name": "x",
        "data": {"train": ["a"]},
        "input": {"resize": size, "crop": size, "channels": 3, "mean": [0.0] * 3, "std": [1.0] * 3},
        "model": {"backbone": name},
        "fusion": {"taps": FAMILIES[name], "pool": ["grid2", "max"], "project": 7},
    }
    check_against_recipe(recipe, pool=["grid2", "max"], project=7)


def check_against_recipe(recipe, **how):
    torch.manual_seed(0)
    embedder = Embedder(parse_recipe(recipe)).eval()
    model = copy.deepcopy(embedder.backbone.inner)
    size = recipe["input"]["crop"]
    fused = fuse(model, recipe["fusion"]["taps"], size, **how)
    assert fused.fusion.load_state_dict(embedder.fusion.state_dict())
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.equal(fused(images), embedder(images))
    assert fused.dim == embedder.dim
    assert fused.network.model is model


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=3).eval()


def test_a_network_of_torchvision_gives_what_its_layers_give_by_hand(resnet):
    images, seen = torch.randn(2, 3, *SIZE), {}
    names = ("layer2.1", "layer4.0.bn2")
    hooks = [
        resnet.get_submodule(name).register_forward_hook(
            lambda _m, _i, output, name=name: seen.update({name: output.clone()})
        )
        for name in names
    ]
    with torch.no_grad():
        scores = resnet(images)
    for hook in hooks:
        hook.remove()
    parts = [seen["layer2.1"].flatten(1), seen["layer4.0.bn2"].amax((2, 3)), scores]
    fused = fuse(resnet, names, SIZE, pool=["flatten", "max"])
    with torch.no_grad():
        found = fused(images)
        alone = fuse(resnet, names, SIZE, pool=["flatten", "max"], final=False)(images)
    unit = [part / part.norm(dim=1, keepdim=True) for part in parts]
    torch.testing.assert_close(found, torch.cat(unit, 1))
    torch.testing.assert_close(alone, torch.cat(unit[:2], 1))
    assert fused.fusion.parts == (128 * 8 * 4, 512, 3)


def test_measuring_leaves_the_network_as_it_was(resnet):
    before = {k: v.clone() for k, v in resnet.state_dict().items()}
    resnet.layer1.train()
    modes = [module.training for module in resnet.modules()]
    fuse(resnet, ["layer1"], SIZE)
    assert [module.training for module in resnet.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in resnet.state_dict().items())
    assert not any(module._forward_hooks for module in resnet.modules())
    resnet.eval()


def test_gradients_reach_the_network_and_the_pooling():
    fused = fuse(plain(), ["0"], (16, 8), channels=1, pool="gem", project=3)
    fused.train()(torch.randn(4, 1, 16, 8))[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fused.fusion.parameters())
    assert fused.network.model[0][0].weight.grad.abs().sum() > 0


def test_state_round_trips_and_a_copy_gives_taps_of_its_own():
    images = torch.randn(2, 1, 16, 8)
    fused = fuse(plain(), ["0", "1"], (16, 8), channels=1, pool="gem").eval()
    other = fuse(plain(), ["0", "1"], (16, 8), channels=1, pool="gem").eval()
    twin = copy.deepcopy(fused)
    with torch.no_grad():
        for weights in fused.parameters():
            weights.mul_(1.5)
        assert not torch.equal(fused(images), twin(images))
        other.load_state_dict(fused.state_dict())
        assert torch.equal(fused(images), other(images))
    # Training mode changes the batch norm's output, evaluation mode repeats itself.
    assert not torch.equal(fused.train()(images), fused.eval()(images))
    assert torch.equal(fused(images), fused(images))


def test_a_network_of_one_size_is_measured_as_far_as_it_runs():
    fused = fuse(plain(), ["0", "1", "3"], (16, 8), channels=1, pool="flatten", normalise="none")
    images = torch.randn(3, 1, 16, 8)
    model = fused.network.model.eval()
    with torch.no_grad():
        first = model[0](images)
        second = model[1](first)
        last = model[3](second.flatten(1))
        wanted = torch.cat([first.flatten(1), second.flatten(1), last, last], 1)
        torch.testing.assert_close(fused(images), wanted)


def test_tokens_of_a_network_of_one_size_are_a_map():
    torch.manual_seed(0)
    tiny = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8, "num_classes": 3}
    model = torchvision.models.VisionTransformer(image_size=32, patch_size=8, **tiny).eval()
    layer, images = "encoder.layers.encoder_layer_0", torch.randn(2, 3, 32, 32)
    fused = fuse(model, [layer], (32, 32), pool="flatten", normalise="none", final=False)
    seen = []
    model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        found = fused(images)
    assert torch.equal(found, seen[0][:, 1:].mT.flatten(1))  # without the class token


class Several(nn.Module):
    """A map and two outputs."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, 2, 3)

    def forward(self, images):
        found = self.map(images)
        return found, found.mean()


def test_the_taps_alone_need_no_output():
    fused = fuse(Several(), ["map"], SIZE, final=False)
    assert fused(torch.randn(2, 3, *SIZE)).shape == (2, 2)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"taps": ["layer3.O"]}, RecipeError, r"did you mean 'layer3"),
        ({"taps": ["avgpool.x"]}, RecipeError, "avgpool.x"),
        ({"taps": ["layer1.0.relu"]}, RecipeError, "runs once"),
        ({"pool": "mean"}, RecipeError, r"fusion\.pool = 'mean'"),
        ({"pool": ["max", "gem"]}, RecipeError, "it is one value, or one a tap"),
        ({"normalise": "l1"}, RecipeError, "fusion.normalise = 'l1'"),
        ({"taps": [], "project": 4}, RecipeError, "without taps"),
        ({"taps": [], "final": False}, RecipeError, "without taps"),
        ({"channels": 1}, UsageError, "does not run on an image of 1 x 64 x 32"),
        ({"model": Several(), "taps": ["map"]}, UsageError, "output is no tensor"),
    ],
)
def test_what_cannot_be_fused_is_told(resnet, given, kind, message):
    with pytest.raises(kind, match=message):
        fuse(**{"model": resnet, "taps": ["layer3"], "size": SIZE, **given})


def test_images_of_another_size_are_refused(resnet):
    fused = fuse(resnet, ["layer3"], SIZE)
    with pytest.raises(UsageError, match=r"\(3, 32, 64\).*\(3, 64, 32\)"):
        fused(torch.randn(1, 3, 32, 64))


def test_a_network_with_more_outputs_in_training_is_told():
    class Aside(Several):
        def forward(self, images):
            found = super().forward(images)
            return found if self.training else found[0]

    fused = fuse(Aside(), ["map"], SIZE)
    assert fused.eval()(torch.randn(2, 3, *SIZE)).shape == (2, 4)
    with pytest.raises(CdimError, match="tuple while it trains"):
        fused.train()(torch.randn(2, 3, *SIZE))


def test_the_room_offers_it_without_starting_torch():
    code = "import sys, cdim.learn; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'fuze'"):
        cdim.learn.fuze  # noqa: B018
