"""Pre-trained weights out of files of other libraries."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from cdim.errors import ModelError, RecipeError
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.weights import load_pretrained
from cdim.learn.recipes.recipe import parse_recipe


def recipe(weights, backbone="mobilenetv2_100", channels=3):
    return parse_recipe(
        {
            "name": "x",
            "data": {"train": ["a"]},
            "input": {
                "resize": [64, 64],
                "crop": [64, 64],
                "channels": channels,
                "mean": [0.0] * channels,
                "std": [1.0] * channels,
            },
            "model": {"backbone": backbone, "weights": str(weights)},
        }
    )


def loaded(weights, backbone="mobilenetv2_100", channels=3):
    network = Backbone(backbone, channels, (64, 64))
    load_pretrained(network, recipe(weights, backbone, channels))
    return network.eval()


@pytest.fixture(scope="module")
def other():
    """torchvision's MobileNetV2: the same network, every tensor under another name."""
    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_another_library_give_its_features(other, tmp_path, wrapped):
    tensors = other.state_dict()
    torch.save({"state_dict": tensors, "epoch": 3} if wrapped else tensors, tmp_path / "w.pth")
    network = loaded(tmp_path / "w.pth")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = other.features(images).mean((2, 3))
        torch.testing.assert_close(network(images)["pre_logits"], wanted)


def test_safetensors_are_matched_by_name_and_never_by_order(other, tmp_path):
    network = Backbone("mobilenetv2_100", 3, (64, 64)).network.model
    same = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(same, tmp_path / "same.safetensors")
    found = loaded(tmp_path / "same.safetensors").network.model.state_dict()
    for name, value in same.items():
        torch.testing.assert_close(found[name], value)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="keeps no order"):
        loaded(tmp_path / "other.safetensors")


def test_names_are_matched_where_the_file_has_them_all(tmp_path):
    torch.manual_seed(1)
    source = Backbone("resnet18", 3, (64, 64)).network.model
    tensors = {f"module.{k}": v for k, v in reversed(source.state_dict().items())}
    torch.save(tensors, tmp_path / "w.pth")
    found = loaded(tmp_path / "w.pth", "resnet18").network.model.state_dict()
    for name, value in source.state_dict().items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "cannot read weights"),
        (lambda p: p.write_bytes(b"no weights"), "cannot read weights"),
        (lambda p: torch.save({"a": 3}, p), "no table of tensors"),
        (lambda p: torch.save([torch.zeros(3)], p), "no table of tensors"),
        (lambda p: torch.save({"a": torch.zeros(3)}, p), "holds 1 tensors"),
        (lambda p: torch.save({"a": Path("x")}, p), "more than tensors"),
    ],
)
def test_what_is_no_file_of_weights_is_told(tmp_path, make, message):
    make(tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message):
        loaded(tmp_path / "w.pth")


def test_another_shape_is_named(other, tmp_path):
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"conv_stem\.weight is \(32, 1, 3, 3\)"):
        loaded(tmp_path / "w.pth", channels=1)


def test_the_file_of_an_installed_package_is_found(other, tmp_path, monkeypatch):
    torch.save(other.state_dict(), tmp_path / "weights.pth")
    info = tmp_path / "some_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text("weights.pth,,\nsome_weights-1.0.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.metadata.version("some-weights") == "1.0"
    stem = loaded("pypi:some-weights").network.model.conv_stem.weight
    torch.testing.assert_close(stem, other.features[0][0].weight)


def test_a_package_that_is_not_there_or_holds_no_weights_is_told():
    with pytest.raises(ModelError, match="pip install --no-deps no-such-weights"):
        loaded("pypi:no-such-weights")
    with pytest.raises(ModelError, match="holds 0 files of weights"):
        loaded("pypi:tqdm")


def test_timm_has_weights_for_its_own_networks_only():
    network = Backbone("sketch-a-net", 1, (225, 225))
    with pytest.raises(RecipeError, match="timm has weights for its own"):
        load_pretrained(network, recipe("timm", "sketch-a-net", 1))


def test_a_network_that_timm_has_no_weights_of_is_told():
    without = next(n for n in timm.list_models("res*") if not timm.list_pretrained(f"{n}*"))
    network = Backbone("resnet18", 3, (64, 64))
    with pytest.raises(RecipeError, match="has no weights of this network"):
        load_pretrained(network, recipe("timm", without))


def test_without_internet_timm_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"needs internet.*pypi:"):
        loaded("timm", "mobilenetv2_100")
