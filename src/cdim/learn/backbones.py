"""Networks that return every intermediate by name.

A backbone is a module whose `forward` gives a dict from tap name to tensor:
maps (batch, channels, height, width) or vectors (batch, channels). Its `taps`
say, before anything is run, which there are; `final` names the one a network
without fusion would use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.sketch_a_net import SketchANet


@dataclass(frozen=True)
class Tap:
    """One named intermediate.

    Args:
        channels: number of channels.
        size: (height, width) of the map in cells; (1, 1) for a vector.
        stride: pixels of the input between two neighbouring cells; 0 for a vector.
    """

    channels: int
    size: tuple[int, int]
    stride: int


class Backbone(nn.Module):
    """A network and a description of its taps."""

    def __init__(self, network: nn.Module, taps: dict[str, Tap], final: str) -> None:
        super().__init__()
        self.network = network
        self.taps = taps
        self.final = final

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """Every tap of a batch, by name."""
        outputs: dict[str, Tensor] = self.network(images)
        return outputs


def _sketch_a_net(channels: int, crop: tuple[int, int]) -> Backbone:
    network = SketchANet(channels, crop)
    return Backbone(network, {k: Tap(*v) for k, v in network.layout.items()}, "fc7")


BACKBONES: dict[str, Callable[[int, tuple[int, int]], Backbone]] = {"sketch-a-net": _sketch_a_net}


def build_backbone(name: str, channels: int, crop: tuple[int, int]) -> Backbone:
    """A backbone by name, with random weights.

    Args:
        name: a key of `BACKBONES`.
        channels: of the input image.
        crop: (height, width) of the input in pixels.

    Raises:
        RecipeError: an unknown name, or an input too small for the network.
    """
    if name not in BACKBONES:
        raise RecipeError(
            f"model.backbone = {name!r}",
            f"the backbones are {', '.join(BACKBONES)}",
            nearest(name, BACKBONES),
        )
    return BACKBONES[name](channels, crop)
