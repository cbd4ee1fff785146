"""Networks that return every intermediate by name.

A backbone is a module whose `forward` gives a dict from tap name to tensor:
maps (batch, channels, height, width) or vectors (batch, channels). Its `taps`
say, before anything is run, which there are; `final` names the one a network
without fusion would use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.networks.sketch_a_net import SketchANet
from cdim.learn.networks.timm_network import FINAL, TimmNetwork

OWN = "sketch-a-net"


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

    @property
    def inner(self) -> nn.Module:
        """The network itself, whose modules have the names that recipes use."""
        own: nn.Module = self.network
        return own.model if isinstance(own, TimmNetwork) else own

    @property
    def blocks(self) -> tuple[str, ...]:
        """Its blocks by depth: of Sketch-a-Net, which is that small, all taps but the last."""
        if isinstance(self.network, TimmNetwork):
            return self.network.blocks
        return tuple(tap for tap in self.taps if tap != self.final)

    def watch(self, taps: Sequence[str]) -> None:
        """Makes `forward` give more taps (Sketch-a-Net gives all it has).

        Raises:
            RecipeError: a tap the network does not have.
        """
        if isinstance(self.network, TimmNetwork):
            self.network.watch(taps)

    def part(self, name: str) -> nn.Module:
        """A module of the network by dotted name.

        Raises:
            RecipeError: there is none.
        """
        modules = {k: v for k, v in self.inner.named_modules() if k}
        if name not in modules:
            raise RecipeError(
                f"module {name!r} of the backbone",
                f"its modules are {', '.join(k for k in modules if '.' not in k)} and theirs",
                nearest(name, modules),
            )
        found: nn.Module = modules[name]
        return found


def build_backbone(
    name: str,
    channels: int,
    crop: tuple[int, int],
    taps: Sequence[str] = (),
    last_stride: int = 2,
) -> Backbone:
    """A backbone by name, with random weights.

    Args:
        name: "sketch-a-net" or a network of timm.
        channels: of the input image.
        crop: (height, width) of the input in pixels.
        taps: what `forward` is to give besides the final feature (Sketch-a-Net gives all).
        last_stride: 1 or 2; see `cdim.learn.recipes.recipe.ModelPart`.

    Raises:
        RecipeError: an unknown name or tap, or an input too small for the network.
    """
    if name != OWN:
        network = TimmNetwork(name, channels, crop, taps, last_stride)
        found = {
            tap: Tap(
                layout.channels,
                layout.size,
                crop[0] // layout.size[0] if layout.size != (1, 1) else 0,
            )
            for tap, layout in network.layouts.items()
        }
        return Backbone(network, found, FINAL)
    if last_stride == 1:
        raise RecipeError(
            f"model.last_stride = 1 of {OWN}",
            "it is for CNNs of timm",
            "set model.last_stride = 2",
        )
    own = SketchANet(channels, crop)
    layout = {k: Tap(*v) for k, v in own.layout.items()}
    return Backbone(own, layout, "fc7")
