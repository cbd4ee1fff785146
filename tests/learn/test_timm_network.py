"""Networks of timm: any module a tap, whatever its output looks like."""

from __future__ import annotations

import copy

import pytest
import timm
import torch

from cdim.errors import RecipeError
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.taps import FINAL
from cdim.learn.networks.timm_network import TimmNetwork
from cdim.learn.recipes.recipe import parse_recipe

# family: (network, input, a tap in the middle and one near the end, with (channels, size))
FAMILIES = {
    "resnet": ("resnet18", (64, 32), {"layer3.0": (256, (4, 2)), "layer4.0": (512, (2, 1))}),
    "mobilenet": (
        "mobilenetv3_small_050",
        (64, 32),
        {"blocks.2": (24, (4, 2)), "blocks.4.1": (48, (2, 1))},
    ),
    "efficientnet": (
        "efficientnet_lite0",
        (64, 32),
        {"blocks.5.1": (192, (2, 1)), "conv_head": (1280, (2, 1))},
    ),
    "convnext": (
        "convnext_atto",
        (64, 64),
        # Inside its blocks the channels come last.
        {"stages.2.blocks.1": (160, (4, 4)), "stages.2.blocks.1.mlp": (160, (4, 4))},
    ),
    "densenet": ("densenet121", (64, 32), {"features.denseblock3": (1024, (4, 2))}),
    "regnet": ("regnetx_002", (64, 32), {"s3": (152, (4, 2)), "s4.b1": (368, (2, 1))}),
    "vit": ("vit_tiny_patch16_224", (64, 32), {"blocks.5": (192, (4, 2)), "norm": (192, (4, 2))}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        (64, 32),
        {"layers.1": (192, (8, 4)), "layers.2.blocks.3": (384, (4, 2))},
    ),
    "mixer": ("mixer_s16_224", (64, 64), {"blocks.3": (512, (4, 4))}),
}


def recipe(name, crop, taps, **model):
    return parse_recipe(
        {
            "name": "x",
            "data": {"train": ["a"]},
            "input": {
                "resize": list(crop),
                "crop": list(crop),
                "channels": 3,
                "mean": [124.0, 116.0, 104.0],
                "std": [58.0, 57.0, 57.0],
            },
            "model": {"backbone": name, **model},
            "fusion": {"taps": list(taps), "pool": "average", "normalise": "none"},
        }
    )


@pytest.mark.full
@pytest.mark.parametrize("family", FAMILIES)
def test_a_recipe_alone_fuses_any_family(family):
    name, crop, taps = FAMILIES[family]
    torch.manual_seed(0)
    embedder = Embedder(recipe(name, crop, taps)).eval()
    for tap, (channels, size) in taps.items():
        assert (embedder.backbone.taps[tap].channels, embedder.backbone.taps[tap].size) == (
            channels,
            size,
        )
    images = torch.randn(2, 3, *crop)
    outputs = embedder.backbone(images)
    model = embedder.backbone.network.model
    final = model.forward_head(model.forward_features(images), pre_logits=True)
    torch.testing.assert_close(outputs[FINAL], final)
    vectors = embedder(images)
    channels = [c for c, _ in taps.values()]
    assert vectors.shape == (2, sum(channels) + final.shape[1])
    parts = vectors.split([*channels, final.shape[1]], 1)
    for tap, part in zip(taps, parts, strict=False):
        torch.testing.assert_close(part, outputs[tap].mean((2, 3)))
    embedder.train()(images).sum().backward()
    first = next(p for p in embedder.backbone.parameters() if p.requires_grad)
    assert first.grad is not None


def test_a_map_is_laid_out_as_the_image_is():
    """A change in the lower right corner of the image shows there in the map."""
    for name, tap in {"vit_tiny_patch16_224": "patch_embed", "resnet18": "layer1"}.items():
        torch.manual_seed(0)
        network = TimmNetwork(name, 3, (64, 32), [tap]).eval()
        image = torch.randn(1, 3, 64, 32)
        changed = image.clone()
        changed[:, :, 48:, 16:] += 1
        with torch.no_grad():
            moved = (network(changed)[tap] - network(image)[tap]).abs().sum(1)[0]
        rows, columns = moved.shape
        assert moved.argmax() // columns >= rows / 2
        assert moved.argmax() % columns >= columns / 2
        assert moved[0, 0] == 0


def test_tokens_before_the_first_position_are_left_out():
    network = TimmNetwork("vit_tiny_patch16_224", 3, (64, 32), ["norm"]).eval()
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        tokens = network.model.forward_features(images)
        found = network(images)["norm"]
    assert network.layouts["norm"].prefix == 1
    for row in range(4):
        for column in range(2):
            wanted = tokens[:, 1 + 2 * row + column]
            torch.testing.assert_close(found[:, :, row, column], wanted)


@pytest.mark.parametrize("crop", [(200, 100), (240, 100), (90, 40), (64, 64)])
def test_a_side_may_be_no_multiple_of_the_patch(crop):
    embedder = Embedder(recipe("vit_tiny_patch16_224", crop, ["blocks.5"])).eval()
    assert embedder.backbone.taps["blocks.5"].size == (crop[0] // 16, crop[1] // 16)
    with torch.no_grad():
        assert embedder(torch.randn(1, 3, *crop)).shape == (1, 384)


def test_what_follows_in_place_does_not_change_a_tap():
    """The ReLU behind `bn1` of a ResNet block is computed in place."""
    network = TimmNetwork("resnet18", 3, (64, 32), ["layer4.1.bn1"]).eval()
    assert (network(torch.randn(2, 3, 64, 32))["layer4.1.bn1"] < 0).any()


def test_a_copy_of_a_network_gives_taps_of_its_own():
    network = TimmNetwork("resnet18", 3, (64, 32), ["layer3"]).eval()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for weights in twin.parameters():
            weights.zero_()
        images = torch.randn(1, 3, 64, 32)
        assert network(images)["layer3"].abs().sum() > 0
        assert twin(images)["layer3"].abs().sum() == 0


PAPER = {
    "layer1.2": (256, 64, 32),
    "layer2.3": (512, 32, 16),
    **{f"layer3.{i}": (1024, 16, 8) for i in range(6)},
    "layer4.0": (2048, 8, 4),
    "layer4.1": (2048, 8, 4),
    "layer4.2": (2048, 8, 4),
}
"""res2c, res3d, res4a to res4f, res5a to res5c of ResNet-50 on 256 x 128 pixels."""


def test_the_papers_resnet_tap_by_tap():
    network = TimmNetwork("resnet50", 3, (256, 128), list(PAPER)).eval()
    with torch.no_grad():
        outputs = network(torch.randn(1, 3, 256, 128))
    for tap, shape in PAPER.items():
        assert outputs[tap].shape == (1, *shape)
    torch.testing.assert_close(outputs[FINAL], outputs["layer4.2"].mean((2, 3)))


def test_the_last_stride_can_be_taken_away_without_widening_kernels():
    plain = TimmNetwork("mobilenetv2_100", 3, (64, 32), ["bn2"]).eval()
    finer = TimmNetwork("mobilenetv2_100", 3, (64, 32), ["bn2"], last_stride=1).eval()
    finer.load_state_dict(plain.state_dict())
    assert plain.layouts["bn2"].size == (2, 1)
    assert finer.layouts["bn2"].size == (4, 2)
    kernels = [m for m in finer.modules() if isinstance(m, torch.nn.Conv2d)]
    assert {m.dilation for m in kernels} == {(1, 1)}
    own = dict(plain.named_modules())
    for name, module in finer.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.padding == own[name].padding
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        assert finer(images)["bn2"].shape == (1, 1280, 4, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet51", 3, (64, 32)), "did you mean 'resnet50|did you mean 'resnet"),
        (("sketch_a_net", 3, (64, 32)), "did you mean 'sketch-a-net'"),
        (("resnet18", 3, (64, 32), ["layer4.5"]), r"tap 'layer4\.5'.*did you mean 'layer4"),
        (("resnet18", 3, (64, 32), ["global_pool.flatten.x"]), "tap 'global_pool"),
        (("vit_tiny_patch16_224", 3, (64, 32), ["blocks.0.attn.q_norm.x"]), "tap 'blocks"),
        (("vit_tiny_patch16_224", 3, (64, 32), [], 1), "last_stride"),
        (("sketch-a-net", 1, (225, 225), [], 1), "last_stride = 1 of sketch-a-net"),
        (("inception_v3", 3, (64, 32)), "64 x 32"),
        (("resnet50.tv_in1", 3, (64, 32)), "did you mean 'resnet50.tv_in1k'"),
    ],
)
def test_what_cannot_be_is_told(arguments, message):
    with pytest.raises(RecipeError, match=message):
        Backbone(*arguments)


def test_a_module_that_runs_more_than_once_is_no_tap():
    # One pooling module of VGG's classifier-free head serves no map; `layer1.0.act1` of a
    # ResNet-18 runs once, the stem's `act1` as well.
    network = timm.create_model("resnet18", num_classes=0)
    assert "layer1.0.act1" in dict(network.named_modules())
    assert "layer1.0.act1" in TimmNetwork("resnet18", 3, (64, 32)).layouts


def test_frozen_modules_keep_weights_and_norms():
    embedder = Embedder(recipe("resnet18", (64, 32), ["layer3"], freeze=["conv1", "bn1", "layer1"]))
    before = {k: v.clone() for k, v in embedder.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in embedder.parameters() if p.requires_grad], lr=0.1)
    embedder.train()
    embedder(torch.randn(4, 3, 64, 32))[:, 0].sum().backward()
    optimiser.step()
    frozen = ("conv1.", "bn1.", "layer1.")
    for name, value in embedder.state_dict().items():
        inner = name.removeprefix("backbone.network.model.")
        if inner.startswith(frozen):
            assert torch.equal(value, before[name]), name
    changed = [k for k, v in embedder.state_dict().items() if not torch.equal(v, before[k])]
    assert any("layer2" in name for name in changed)
    assert any("layer2.0.bn1.running" in name for name in changed)


def test_a_frozen_module_that_is_not_there_is_named():
    with pytest.raises(RecipeError, match="did you mean 'layer1"):
        Embedder(recipe("resnet18", (64, 32), [], freeze=["layr1"]))


@pytest.mark.parametrize("normalise", ["none", "l2"])
def test_middle_maps_can_join_after_training(normalise):
    torch.manual_seed(0)
    embedder = Embedder(recipe("resnet18", (64, 32), []))
    images = torch.randn(4, 3, 64, 32)
    embedder.train()(images)
    embedder.eval()
    with torch.no_grad():
        before = embedder(images)
        embedder.join(["layer2", "layer3.1"], "average", normalise)
        after, maps = embedder(images), embedder.backbone(images)
    parts = [maps[tap].mean((2, 3)) for tap in ("layer2", "layer3.1")] + [before]
    if normalise == "l2":
        parts = [torch.nn.functional.normalize(part) for part in parts]
    assert embedder.dim == 128 + 256 + 512
    torch.testing.assert_close(after, torch.cat(parts, 1))
    with pytest.raises(RecipeError, match="fusion tap 'layer9'"):
        embedder.join(["layer9"])


def test_depthwise_convolutions_stay_in_float32_under_autocast():
    network = TimmNetwork("mobilenetv3_small_050", 3, (64, 64)).eval()
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}

    def note(module, _inputs, output):
        kinds[module.groups > 1].add(output.dtype)

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(note)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = network(images)[FINAL]
        assert kinds == {True: {torch.float32}, False: {torch.float32}}
        with torch.autocast("cpu", torch.bfloat16):
            cast = network(images)[FINAL]
    assert kinds == {True: {torch.float32}, False: {torch.float32, torch.bfloat16}}
    assert torch.allclose(plain, cast.float(), atol=0.1)
    own = timm.create_model("mobilenetv3_small_050", num_classes=0).state_dict()
    assert network.model.state_dict().keys() == own.keys()
