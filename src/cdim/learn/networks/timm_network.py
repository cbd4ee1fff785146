"""Any network of timm, with any of its modules as a tap.

Taps are measured on PyTorch's meta device, without weights or pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from cdim.errors import RecipeError, first_line, nearest
from cdim.learn.networks.taps import Shape, TappedNetwork, measure_taps, output_shapes


class Depthwise(nn.Conv2d):
    """A depthwise convolution that bf16 autocast leaves in float32 on a CPU.

    There the library's backward pass in bf16 is slow, for one channel a group.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        """As `nn.Conv2d`."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


class TimmNetwork(TappedNetwork):
    """A network of timm whose `forward` gives its final vector and the wanted taps.

    Args:
        name: as timm calls it.
        channels, crop, last_stride: as of `cdim.learn.networks.backbones.Backbone`.
        taps: dotted names of modules, such as "layer4.0".

    Raises:
        RecipeError: an unknown name, a tap that is no module or gives no map, an input size or
            last stride the network does not work with.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        crop: tuple[int, int],
        taps: Sequence[str] = (),
        last_stride: int = 2,
    ) -> None:
        _check_name(name)
        model = _create(name, channels, crop, last_stride)
        layouts = measure_taps(lambda at: _shapes(name, channels, at, last_stride), crop)
        super().__init__(model, layouts, taps)

    def output(self, images: Tensor) -> Tensor:
        """The final vector (batch, channels)."""
        return _final(self.model, images)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of the network that can be taps, in the order they run.

        What a block is says timm, which needs to know it for learning rates layer by layer. Where
        it does not, it is what the network itself is made of.
        """
        matcher = getattr(self.model, "group_matcher", None)
        groups = matcher(coarse=False) if matcher is not None else {}
        named = groups.get("blocks", ()) if isinstance(groups, dict) else ()
        # A number beside a pattern puts its modules with a block: they are none themselves.
        patterns = [named] if isinstance(named, str) else [p for p, place in named if place is None]
        found = [
            tap for tap in self.layouts if any(re.fullmatch(p.lstrip("^"), tap) for p in patterns)
        ]
        parts = {name for name, _ in self.model.named_children()}
        vectors = {tap for tap, layout in self.layouts.items() if layout.size == (1, 1)}
        return tuple(found or [tap for tap in self.layouts if tap in parts - vectors])


def _check_name(name: str) -> None:
    """Refuses a network that timm does not have, or weights of it."""
    if not timm.is_model(name):
        known = timm.list_models()
        raise RecipeError(
            f"model.backbone = {name!r}",
            f"it is 'sketch-a-net' or one of timm's {len(known)} networks",
            nearest(name, ["sketch-a-net", *known]),
        )
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError:
        plain = name.partition(".")[0]
        tags = timm.list_pretrained(f"{plain}.*")
        raise RecipeError(
            f"model.backbone = {name!r}",
            f"timm's weights of {plain} are {', '.join(tags) or 'none'}",
            nearest(name, tags),
        ) from None


def options(name: str, channels: int, crop: tuple[int, int], last_stride: int) -> dict[str, Any]:
    """The options of timm, beside the name."""
    wanted: dict[str, Any] = {"num_classes": 0, "in_chans": channels}
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        wanted["img_size"] = crop
    return wanted | ({"output_stride": 16} if last_stride == 1 else {})


def _create(name: str, channels: int, crop: tuple[int, int], last_stride: int) -> nn.Module:
    wanted = options(name, channels, crop, last_stride)
    try:
        model: nn.Module = timm.create_model(name, **wanted)
    except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(
            f"{name} with {', '.join(f'{k} = {v}' for k, v in wanted.items())}",
            f"timm must be able to build it; it says: {first_line(error)}",
            "change input.crop, input.channels or model.last_stride, or take another network",
        ) from None
    if last_stride == 1:
        _undilate(model)
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
            module.__class__ = Depthwise
    return model


def _undilate(model: nn.Module) -> None:
    """Undoes the wider kernels by which timm makes up for a removed stride."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.dilation != (1, 1):
            if isinstance(module.padding, tuple):
                rows, columns = module.padding
                down, across = module.dilation
                module.padding = (rows // down, columns // across)
            module.dilation = (1, 1)


def _final(model: nn.Module, images: Tensor) -> Tensor:
    features = model.forward_features(images)  # type: ignore[operator]
    vector: Tensor = model.forward_head(features, pre_logits=True)  # type: ignore[operator]
    return vector.flatten(1)


def _shapes(name: str, channels: int, size: tuple[int, int], last_stride: int) -> dict[str, Shape]:
    """Shapes of all outputs at a size of the input."""
    with torch.device("meta"):
        model = _create(name, channels, size, last_stride).eval()
        image = torch.empty(1, channels, *size)
        found, failure = output_shapes(model, lambda: _final(model, image))
    if failure is not None:
        raise RecipeError(
            f"{name} with an input of {size[0]} x {size[1]} pixels",
            f"the network must run at it; it says: {first_line(failure)}",
            "change input.crop, or take another network",
        )
    return found
