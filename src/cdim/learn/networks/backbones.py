"""Networks that return every intermediate by name.

A backbone is a module whose `forward` gives a dict from tap name to tensor:
maps (batch, channels, height, width) or vectors (batch, channels). Its `taps`
say, before anything is run, which there are; `final` names the one a network
without fusion would use.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.networks.sketch_a_net import SketchANet
from cdim.learn.networks.taps import FINAL
from cdim.learn.networks.timm_network import TimmNetwork

OWN = "sketch-a-net"


class Backbone(nn.Module):
    """A network and a description of its taps."""

    def __init__(self, network: TimmNetwork | SketchANet) -> None:
        super().__init__()
        self.network = network
        self.taps = network.layouts
        self.final = FINAL if isinstance(network, TimmNetwork) else "fc7"

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """Every tap of a batch, by name."""
        outputs: dict[str, Tensor] = self.network(images)
        return outputs

    @property
    def inner(self) -> nn.Module:
        """The network itself, whose modules have the names that recipes use."""
        return self.network.model if isinstance(self.network, TimmNetwork) else self.network

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
        last_stride: 1 or 2; see `cdim.learn.recipes.parts.ModelPart`.

    Raises:
        RecipeError: an unknown name or tap, or an input too small for the network.
    """
    if name != OWN:
        return Backbone(TimmNetwork(name, channels, crop, taps, last_stride))
    if last_stride == 1:
        raise RecipeError(
            f"model.last_stride = 1 of {OWN}",
            "it is for CNNs of timm",
            "set model.last_stride = 2",
        )
    return Backbone(SketchANet(channels, crop))
