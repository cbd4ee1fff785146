"""Networks that return every intermediate by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.networks.sketch_a_net import SketchANet
from cdim.learn.networks.taps import Maps
from cdim.learn.networks.timm_network import TimmNetwork

OWN = "sketch-a-net"


class Backbone(nn.Module):
    """A network by name, with random weights, and a description of its taps.

    Args:
        name: "sketch-a-net" or a network of timm.
        channels: of the input image.
        size: (height, width) of the input in pixels.
        taps: what `forward` is to give besides the final feature (Sketch-a-Net gives all).
        last_stride: 1 or 2; see `cdim.learn.recipes.parts.ModelPart`.

    Attributes:
        taps: which there are, by depth, before anything is run.
        final: the one that a network without fusion would use.

    Raises:
        RecipeError: an unknown name or tap, or an input too small for the network.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        size: tuple[int, int],
        taps: Sequence[str] = (),
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        if name == OWN and last_stride != 2:
            raise RecipeError(
                f"model.last_stride = {last_stride} of {OWN}",
                "it is for CNNs of timm",
                "set model.last_stride = 2",
            )
        self.network = (
            SketchANet(channels, size)
            if name == OWN
            else TimmNetwork(name, channels, size, taps, last_stride)
        )
        self.taps = self.network.layouts
        self.final = list(self.taps)[-1]

    def forward(self, images: Maps) -> dict[str, Tensor]:
        """Every tap of a batch by name: maps, or vectors (batch, channels)."""
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
        modules: dict[str, nn.Module] = {k: v for k, v in self.inner.named_modules() if k}
        if name not in modules:
            raise RecipeError(
                f"module {name!r} of the backbone",
                f"its modules are {', '.join(k for k in modules if '.' not in k)} and theirs",
                nearest(name, modules),
            )
        return modules[name]
