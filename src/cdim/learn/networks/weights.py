"""Pre-trained weights for a backbone: from timm, a file, or an installed Python package.

A file made for the same network by another library has the same tensors under
other names. They are matched by order then, and every shape has to agree.
"""

from __future__ import annotations

import importlib.metadata
import pickle
import sys
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from cdim.errors import ModelError, RecipeError, first_line
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.timm_network import TimmNetwork, options
from cdim.learn.recipes.recipe import Recipe

TIMM = "timm"
PYPI = "pypi:"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_COUNTER = "num_batches_tracked"
_WRAPPERS = ("state_dict", "model", "model_state_dict")
_CLASSIFIER = 2
"""Tensors a file may hold behind the last of the backbone's: a classifier's weight and bias."""


def load_pretrained(backbone: Backbone, recipe: Recipe) -> None:
    """Puts the weights that `model.weights` names into a backbone.

    Raises:
        ModelError: they cannot be had or read, or do not fit.
        RecipeError: "timm" for a network that is not timm's.
    """
    source = recipe.model.weights
    network = backbone.inner
    own = network.state_dict()
    if source == TIMM:
        if not isinstance(backbone.network, TimmNetwork):
            raise RecipeError(
                f'model.weights = "timm" for {recipe.model.backbone}',
                "timm has weights for its own networks",
                'use model.start, a file, or weights = ""',
            )
        found = _from_timm(recipe)
    else:
        path = _in_package(source.removeprefix(PYPI)) if source.startswith(PYPI) else Path(source)
        found = fit(read_tensors(path), own, str(path))
    network.load_state_dict(found)


def _from_timm(recipe: Recipe) -> dict[str, Tensor]:
    part, size = recipe.model, recipe.input
    config = timm.get_pretrained_cfg(part.backbone)
    if config is None or not config.has_weights:
        raise RecipeError(
            f'model.weights = "timm" for {part.backbone}',
            "timm has no weights of this network",
            'name one that has, see timm.list_pretrained(), or a file, or ""',
        )
    wanted = options(part.backbone, size.channels, size.crop, part.last_stride)
    try:
        model = timm.create_model(part.backbone, pretrained=True, **wanted)
    except (OSError, RuntimeError, ValueError) as error:  # every failure of the download is one
        raise ModelError(
            f"timm's weights of {part.backbone} cannot be had ({first_line(error)})",
            "they are downloaded once, which needs internet",
            'name a file or "pypi:<package>" in model.weights; docs/training.md lists packages',
        ) from None
    tensors: dict[str, Tensor] = model.state_dict()
    return tensors


def _in_package(name: str) -> Path:
    """The one file of weights inside an installed package."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            f"the package {name} with the weights is not installed",
            "model.weights names an installed package",
            f"pip install --no-deps {name}",
        ) from None
    found = [file for file in files if file.suffix in SUFFIXES]
    if len(found) != 1:
        raise ModelError(
            f"the package {name} holds {len(found)} files of weights",
            f"it has one, ending in {', '.join(SUFFIXES)}",
            "name the file itself in model.weights",
        )
    return Path(str(found[0].locate()))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, in its order; nothing in it is executed.

    Raises:
        ModelError: no such file, or one that holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, SafetensorError) as error:
        raise _unreadable(path, str(error)) from None
    except pickle.UnpicklingError:
        raise _unreadable(path, "it holds more than tensors, and is not run") from None
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()
    ):
        raise _unreadable(path, "it is no table of tensors")
    return dict(content)


def fit(given: dict[str, Tensor], own: dict[str, Tensor], origin: str) -> dict[str, Tensor]:
    """A file's tensors `given` under the names of a network's `own`, both in their order.

    Matched by the names they share where all of the network's are there, else by order. A
    classifier at the file's end is left out. Messages call the file `origin`.

    Raises:
        ModelError: a tensor is missing or has another shape.
    """
    plain = {name.removeprefix("module."): tensor for name, tensor in given.items()}
    needed = {k: v for k, v in own.items() if not k.endswith(_COUNTER)}
    if needed.keys() <= plain.keys():
        matched = {name: plain[name] for name in needed}
    else:
        rest = {k: v for k, v in plain.items() if not k.endswith(_COUNTER)}
        # "weight", "running_mean", ...: tells apart what shapes alone cannot.
        kinds = [name.rpartition(".")[2] for name in rest][: len(needed)]
        if not len(needed) <= len(rest) <= len(needed) + _CLASSIFIER or kinds != [
            name.rpartition(".")[2] for name in needed
        ]:
            raise ModelError(
                f"{origin} holds {len(rest)} tensors, named unlike the network's {len(needed)}",
                "names agree, or the order does, before a classifier (.safetensors keeps no order)",
                "take weights of the same network, or another model.backbone",
            )
        matched = dict(zip(needed, rest.values(), strict=False))
        tqdm.write(f"{origin}: weights matched by order", file=sys.stderr)
    for name, tensor in matched.items():
        if tensor.shape != own[name].shape:
            raise ModelError(
                f"{origin} has {tuple(tensor.shape)} where {name} is {tuple(own[name].shape)}",
                "every shape agrees with the network's",
                "take weights of the same network and number of input channels",
            )
    return {name: matched.get(name, own[name]) for name in own}


def _unreadable(path: Path, fault: str) -> ModelError:
    return ModelError(
        f"cannot read weights from {path} ({(fault.splitlines() or ['damaged'])[0]})",
        f"a file of tensors is needed: {', '.join(SUFFIXES)}",
        "check model.weights",
    )
