"""Any network of timm, with any of its modules as a tap.

What a module's output means (which axis is height, where tokens begin) is not
asked of the network but measured: the network is run three times without
weights or pixels (PyTorch's meta device), at its own input size, at twice the
height and at twice the width. The axes that grow are the positions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest

FINAL = "pre_logits"
"""The vector a network's own classifier would see: its pooled last map, or class token."""

MOST_PREFIX = 16
"""Most class and register tokens before the first position."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How a module's output becomes a map (batch, channels, height, width).

    Args:
        axes: the output's axes in the order batch, channels, positions.
        prefix: tokens before the first position, such as the class token.
        channels: number of channels.
        size: (height, width) of the map in cells; (1, 1) for a vector.
    """

    axes: tuple[int, ...]
    prefix: int
    channels: int
    size: tuple[int, int]

    def as_map(self, output: Tensor) -> Float[Tensor, "batch channels height width"]:
        """The output as a map."""
        ordered = output.permute(self.axes)
        if ordered.ndim == 3:
            ordered = ordered[:, :, self.prefix :]
        # A length would be frozen into an exported graph, a shape is not.
        return ordered.reshape(ordered.shape[0], self.channels, *self.size)


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


class TimmNetwork(nn.Module):
    """A network of timm whose `forward` gives its final vector and the taps asked for.

    Args:
        name: as timm calls it.
        channels: of the input image.
        crop: (height, width) of the input in pixels.
        taps: dotted names of modules, such as "layer4.0".
        last_stride: 1 or 2; see `cdim.learn.recipes.recipe.ModelPart`.

    Attributes:
        layouts: every module that can be a tap, by name, in the order they run; `FINAL` last.

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
        super().__init__()
        self.model = build(name, channels, crop, last_stride)
        self.layouts = _measure(name, channels, crop, last_stride)
        self.taps: tuple[str, ...] = ()
        self.watch(taps)

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

    def watch(self, taps: Sequence[str]) -> None:
        """Makes `forward` give more taps.

        Raises:
            RecipeError: a tap that is no module, or gives no map.
        """
        modules = dict(self.model.named_modules())
        for tap in taps:
            if tap not in modules and tap not in self.layouts:
                raise RecipeError(
                    f"fusion tap {tap!r}",
                    "a tap is a module of the network by dotted name, such as "
                    f"{', '.join(list(self.layouts)[-4:-1])}",
                    nearest(tap, self.layouts),
                )
            if tap not in self.layouts:
                raise RecipeError(
                    f"fusion tap {tap!r}",
                    "a tap is a module that runs once an image and gives one map or vector",
                    "name the block around it",
                )
        wanted = [tap for tap in (*self.taps, *taps) if tap != FINAL]
        self.taps = tuple(dict.fromkeys(wanted))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """Maps by tap, and the final vector (batch, channels) under `FINAL`."""
        kept: dict[str, Tensor] = {}

        def keep(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
            # A copy: what follows may change the output in place.
            kept[name] = self.layouts[name].as_map(output.clone())

        # Hooks live for one call only: a deep copy of the network, such as the average of its
        # weights, would go on feeding the original's.
        hooks = [
            self.model.get_submodule(tap).register_forward_hook(partial(keep, tap))
            for tap in self.taps
        ]
        try:
            kept[FINAL] = _final(self.model, images)
        finally:
            for hook in hooks:
                hook.remove()
        return kept


def build(name: str, channels: int, crop: tuple[int, int], last_stride: int = 2) -> nn.Module:
    """A network of timm without classifier, with random weights.

    Raises:
        RecipeError: an unknown name, or a size or stride it does not work with.
    """
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
    return _create(name, channels, crop, last_stride)


def options(name: str, channels: int, crop: tuple[int, int], last_stride: int) -> dict[str, Any]:
    """What timm is to be asked for, besides the name."""
    wanted: dict[str, Any] = {"num_classes": 0, "in_chans": channels}
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        wanted["img_size"] = crop
    if last_stride == 1:
        wanted["output_stride"] = 16
    return wanted


def _create(name: str, channels: int, crop: tuple[int, int], last_stride: int) -> nn.Module:
    wanted = options(name, channels, crop, last_stride)
    try:
        model: nn.Module = timm.create_model(name, **wanted)
    except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(
            f"{name} with {', '.join(f'{k} = {v}' for k, v in wanted.items())}",
            f"timm must be able to build it; it says: {_first_line(error)}",
            "change input.crop, input.channels or model.last_stride, or take another network",
        ) from None
    if last_stride == 1:
        _undilate(model)
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
            module.__class__ = Depthwise
    return model


def _undilate(model: nn.Module) -> None:
    """Undoes the wider kernels by which timm makes up for a stride that was taken away."""
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


def _measure(
    name: str, channels: int, crop: tuple[int, int], last_stride: int
) -> dict[str, Layout]:
    height, width = crop
    own, tall, wide = (
        _shapes(name, channels, size, last_stride)
        for size in (crop, (2 * height, width), (height, 2 * width))
    )
    found = {}
    for tap, shape in own.items():
        layout = _layout(shape, tall.get(tap, ()), wide.get(tap, ()), crop)
        if layout is not None:
            found[tap] = layout
    return found


def _shapes(name: str, channels: int, size: tuple[int, int], last_stride: int) -> dict[str, Shape]:
    """Shapes of the outputs of all modules that run once and give one tensor, in their order."""
    seen: dict[str, list[Shape]] = {}

    def note(tap: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        shape = tuple(output.shape) if isinstance(output, Tensor) else ()
        seen.setdefault(tap, []).append(shape)

    with torch.device("meta"):
        model = _create(name, channels, size, last_stride).eval()
        for tap, module in model.named_modules():
            if tap:
                module.register_forward_hook(partial(note, tap))
        try:
            with torch.no_grad():
                final = _final(model, torch.empty(1, channels, *size))
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise RecipeError(
                f"{name} with an input of {size[0]} x {size[1]} pixels",
                f"the network must run at it; it says: {_first_line(error)}",
                "change input.crop, or take another network",
            ) from None
    once = {tap: shapes[0] for tap, shapes in seen.items() if len(shapes) == 1}
    return {**once, FINAL: tuple(final.shape)}


def _layout(own: Shape, tall: Shape, wide: Shape, crop: tuple[int, int]) -> Layout | None:
    """What the axes of an output mean; None where it is neither map nor vector."""
    if len(own) < 2 or own[0] != 1 or not len(own) == len(tall) == len(wide):
        return None
    down = [i for i in range(len(own)) if own[i] != tall[i]]
    across = [i for i in range(len(own)) if own[i] != wide[i]]
    if not down and not across and all(n == 1 for n in own[2:]):
        return Layout(tuple(range(len(own))), 0, own[1], (1, 1))
    if len(down) != 1 or len(across) != 1:
        return None
    rest = [i for i in range(1, len(own)) if i not in (down[0], across[0])]
    if len(rest) != 1:
        return None
    channels = own[rest[0]]
    if len(own) == 4 and down != across:
        size = (own[down[0]], own[across[0]])
        return Layout((0, rest[0], down[0], across[0]), 0, channels, size)
    if len(own) == 3 and down == across:
        axis = down[0]
        grid = _grid(own[axis], tall[axis], wide[axis], crop)
        if grid is not None:
            return Layout((0, rest[0], axis), own[axis] - grid[0] * grid[1], channels, grid)
    return None


@lru_cache(maxsize=256)
def _grid(own: int, tall: int, wide: int, crop: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of `own` tokens, given how many there are at twice the height or width.

    A side that is no multiple of the patch may hold one more than twice its cells when doubled.
    Of what fits, the grid whose proportions are nearest to the image's.
    """
    fits = [
        (rows, cells // rows)
        for cells in range(max(1, own - MOST_PREFIX), own + 1)
        for rows in range(1, cells + 1)
        if cells % rows == 0
        and tall - (own - cells) in (2 * cells, 2 * cells + cells // rows)
        and wide - (own - cells) in (2 * cells, 2 * cells + rows)
    ]
    return min(fits, key=lambda g: abs(log(g[0] * crop[1] / (g[1] * crop[0]))), default=None)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
