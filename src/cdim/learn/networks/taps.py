"""Taps: the outputs of a network's modules as maps, whatever their axes mean.

What the axes mean is measured: a network is run at its own input size, at twice the height and at
twice the width. The axes that grow are the positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, UsageError, nearest

FINAL = "pre_logits"
"""A network's own output: what its classifier would see, the pooled last map or class token."""
MOST_PREFIX = 16
"""Most class and register tokens before the first position."""
Shape = tuple[int, ...]
Maps = Float[Tensor, "batch channels height width"]
Vectors = Float[Tensor, "batch dim"]


@dataclass(frozen=True)
class Tap:
    """One named intermediate, and how it becomes a map (batch, channels, height, width)."""

    channels: int  # number of channels
    size: tuple[int, int]  # (height, width) of the map in cells; (1, 1) for a vector
    # the output's axes in the order batch, channels, positions
    axes: tuple[int, ...] = (0, 1, 2, 3)
    prefix: int = 0  # tokens before the first position, such as the class token

    def as_map(self, output: Tensor) -> Maps:
        """The output as a map."""
        ordered = output.permute(self.axes)
        if ordered.ndim == 3:
            ordered = ordered[:, :, self.prefix :]
        # A length would be frozen into an exported graph, a shape is not.
        return ordered.reshape(ordered.shape[0], self.channels, *self.size)


_FEW = 12  # taps that a message names all


def check_tap(name: str, taps: Mapping[str, Tap], argument: str = "taps") -> None:
    """Refuses a tap that a network does not have.

    Raises:
        RecipeError: names the nearest.
    """
    if name not in taps:
        names = list(taps)
        some = names if len(names) <= _FEW else names[-4:-1]
        raise RecipeError(
            f"fusion tap {name!r}",
            "a tap is a module, by dotted name, that runs once an image and gives one map or "
            f"vector, such as {', '.join(some)}",
            nearest(name, taps),
            argument=argument,
        )


class TappedNetwork(nn.Module):
    """A network whose `forward` gives its own output and the wanted taps.

    Args:
        model: any network of one image batch.
        layouts: every module that can be a tap, by dotted name, in the order they run; `FINAL`,
            the network's own output, last.
        taps: those that `forward` gives.

    Raises:
        RecipeError: a tap that is no module, or gives no map.
    """

    def __init__(self, model: nn.Module, layouts: dict[str, Tap], taps: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.layouts = layouts
        self.taps: tuple[str, ...] = ()
        self.watch(taps)

    def watch(self, taps: Sequence[str]) -> None:
        """Makes `forward` give more taps; refuses what the constructor refuses."""
        for tap in taps:
            check_tap(tap, self.layouts)
        self.taps = tuple(dict.fromkeys(tap for tap in (*self.taps, *taps) if tap != FINAL))

    def forward(self, images: Maps) -> dict[str, Tensor]:
        """Maps by tap, and the network's own output under `FINAL`, a vector or a map."""
        kept: dict[str, Tensor] = {}

        def keep(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
            # A copy: what follows may change the output in place.
            kept[name] = self.layouts[name].as_map(output.clone())

        # Hooks live for one call only: a deep copy of the network, such as the average of its
        # weights, would still feed the original's.
        hooks = [
            self.model.get_submodule(tap).register_forward_hook(partial(keep, tap))
            for tap in self.taps
        ]
        try:
            final = self.output(images)
        finally:
            for hook in hooks:
                hook.remove()
        if FINAL in self.layouts:
            if not isinstance(final, Tensor):
                raise UsageError(
                    f"the network gives {type(final).__name__} while it trains",
                    "its output is one tensor in both modes",
                    "give it one output, or join the taps alone",
                )
            kept[FINAL] = final if final.ndim == 2 else self.layouts[FINAL].as_map(final)
        return kept

    def output(self, images: Tensor) -> Any:
        """What the network itself gives."""
        return self.model(images)


def measure_taps(
    shapes_at: Callable[[tuple[int, int]], dict[str, Shape]], size: tuple[int, int]
) -> dict[str, Tap]:
    """Every output that is a map or a vector, by name, in the order they are made.

    Args:
        shapes_at: gives the shapes of all outputs for one image of a size in pixels.
        size: (height, width) of the network's input.
    """
    height, width = size
    own, tall, wide = (shapes_at(at) for at in (size, (2 * height, width), (height, 2 * width)))
    found = {tap: _tap(own[tap], tall.get(tap, ()), wide.get(tap, ()), size) for tap in own}
    return {name: tap for name, tap in found.items() if tap is not None}


def output_shapes(
    model: nn.Module, run: Callable[[], Any]
) -> tuple[dict[str, Shape], Exception | None]:
    """Shapes of the outputs of all modules that run once and give one tensor, in their order.

    `run` runs the network on one image.

    Returns:
        The shapes, the network's own under `FINAL` where it is a tensor, and the error of a run
        that failed.
    """
    seen: dict[str, list[Shape]] = {}

    def note(tap: str, _module: nn.Module | None, _inputs: Any, output: Any) -> None:
        shape = tuple(output.shape) if isinstance(output, Tensor) else ()
        seen.setdefault(tap, []).append(shape)

    hooks = [
        module.register_forward_hook(partial(note, tap))
        for tap, module in model.named_modules()
        if tap
    ]
    final = failure = None
    try:
        with torch.no_grad():
            final = run()
    except Exception as error:  # a network may fail in any way
        failure = error
    finally:
        for hook in hooks:
            hook.remove()
    once = {tap: shapes[0] for tap, shapes in seen.items() if len(shapes) == 1}
    if isinstance(final, Tensor):
        once[FINAL] = tuple(final.shape)
    return once, failure


def _tap(own: Shape, tall: Shape, wide: Shape, crop: tuple[int, int]) -> Tap | None:
    """What the axes of an output mean; None where it is neither map nor vector."""
    if len(own) < 2 or own[0] != 1 or not len(own) == len(tall) == len(wide):
        return None
    down = [i for i in range(len(own)) if own[i] != tall[i]]
    across = [i for i in range(len(own)) if own[i] != wide[i]]
    if not down and not across and all(n == 1 for n in own[2:]):
        return Tap(own[1], (1, 1), tuple(range(len(own))))
    rest = [i for i in range(1, len(own)) if i not in (*down, *across)]
    if not len(down) == len(across) == len(rest) == 1 or 0 in (*down, *across):
        return None
    axes = (0, *rest, *down)
    if len(own) == 4:
        return Tap(own[rest[0]], (own[down[0]], own[across[0]]), (*axes, *across))
    grid = _grid(own[down[0]], tall[down[0]], wide[down[0]], crop)
    if grid is None:
        return None
    return Tap(own[rest[0]], grid, axes, own[down[0]] - grid[0] * grid[1])


@lru_cache(maxsize=256)
def _grid(own: int, tall: int, wide: int, crop: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of `own` tokens, given how many there are at twice the height or width."""
    # A side that is no multiple of the patch may hold one more than twice its cells when doubled.
    fits = [
        (rows, cells // rows)
        for cells in range(max(1, own - MOST_PREFIX), own + 1)
        for rows in range(1, cells + 1)
        if cells % rows == 0
        and tall - (own - cells) in (2 * cells, 2 * cells + cells // rows)
        and wide - (own - cells) in (2 * cells, 2 * cells + rows)
    ]
    # Of what fits, the grid whose proportions are nearest to the image's.
    return min(fits, key=lambda g: abs(log(g[0] * crop[1] / (g[1] * crop[0]))), default=None)
