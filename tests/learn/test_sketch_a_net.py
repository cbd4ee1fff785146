"""Sketch-a-Net against its table in the paper (Sec. 3.2, Fig. 4a)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cdim.errors import RecipeError
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.sketch_a_net import SketchANet

# tap: (channels, side of the map, stride in pixels)
TABLE = {
    "conv1": (64, 71, 3),
    "pool1": (64, 35, 6),
    "conv2": (128, 31, 6),
    "pool2": (128, 15, 12),
    "conv3": (256, 15, 12),
    "conv4": (256, 15, 12),
    "conv5": (256, 15, 12),
    "pool5": (256, 7, 24),
    "fc6": (512, 1, 0),
    "fc7": (256, 1, 0),
}

WEIGHTS = {
    "conv1": 64 * 1 * 15 * 15 + 64,
    "conv2": 128 * 64 * 5 * 5 + 128,
    "conv3": 256 * 128 * 3 * 3 + 256,
    "conv4": 256 * 256 * 3 * 3 + 256,
    "conv5": 256 * 256 * 3 * 3 + 256,
    "fc6": 512 * 256 * 7 * 7 + 512,
    "fc7": 256 * 512 + 256,
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SketchANet()


def written_out():
    """The same network as a plain list of layers."""
    return nn.Sequential(
        nn.Conv2d(1, 64, kernel_size=15, stride=3),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 128, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(128, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Flatten(),
        nn.Linear(256 * 7 * 7, 512),
        nn.ReLU(),
        nn.Linear(512, 256),
    )


def test_the_taps_are_those_of_the_paper():
    backbone = Backbone("sketch-a-net", 1, (225, 225))
    table = {tap: (channels, side) for tap, (channels, side, _) in TABLE.items()}
    assert {k: (t.channels, t.size[0]) for k, t in backbone.taps.items()} == table
    assert all(t.size[0] == t.size[1] for t in backbone.taps.values())
    assert backbone.final == "fc7"


def test_the_weights_are_as_many_as_counted_by_hand(network):
    for name, count in WEIGHTS.items():
        own = [p for k, p in network.named_parameters() if name in k.split(".")]
        assert sum(p.numel() for p in own) == count, name
    assert sum(p.numel() for p in network.parameters()) == sum(WEIGHTS.values()) == 8_249_088


def test_forward_matches_the_network_written_out(network):
    plain = written_out()
    with torch.no_grad():
        for bias in (p for p in network.parameters() if p.ndim == 1):
            bias.normal_()  # biases start at zero, which would hide a wrong one
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    images = torch.randn(2, 1, 225, 225)
    with torch.inference_mode():
        ours, theirs = network(images), plain(images)
    torch.testing.assert_close(ours["fc7"], theirs)
    for name, (channels, side, stride) in TABLE.items():
        shape = (2, channels, side, side) if stride else (2, channels)
        assert ours[name].shape == shape, name


def test_relu_everywhere_but_behind_fc7(network):
    with torch.inference_mode():
        taps = network(torch.randn(2, 1, 225, 225))
    assert (taps.pop("fc7") < 0).any()
    for name, tap in taps.items():
        assert (tap >= 0).all(), name
        assert (tap > 0).any(), name


def test_each_stride_is_how_far_a_shift_moves_a_map():
    torch.manual_seed(1)
    network = SketchANet()
    images = torch.randn(1, 1, 225 + 24, 225 + 24)
    with torch.inference_mode():
        for name, (_, _, stride) in TABLE.items():
            if stride:
                here = network(images[:, :, :225, :225])[name]
                there = network(images[:, :, stride : stride + 225, :225])[name]
                inner = slice(3, -3) if name[-1] in "345" else slice(None)  # padding differs
                torch.testing.assert_close(
                    here[:, :, 1:][..., inner, inner], there[:, :, :-1][..., inner, inner]
                )


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 110), width=st.integers(75, 110), channels=st.sampled_from([1, 3]))
def test_the_layout_is_what_comes_out_or_the_input_is_refused(height, width, channels):
    if min(height, width) < 81:
        with pytest.raises(RecipeError, match="at least 81 x 81"):
            SketchANet(channels, (height, width))
        return
    network = SketchANet(channels, (height, width))
    with torch.inference_mode():
        taps = network(torch.zeros(1, channels, height, width))
    assert list(taps) == list(network.layouts)
    for name, tap in network.layouts.items():
        size = () if name in ("fc6", "fc7") else tap.size
        assert taps[name].shape[1:] == (tap.channels, *size), name


def test_an_unknown_backbone_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'sketch-a-net'"):
        Backbone("sketchanet", 1, (225, 225))
