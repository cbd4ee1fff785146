"""The fusion module around any network of PyTorch (Fig. 3c)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cdim.errors import UsageError, first_line
from cdim.learn.networks.fusion import Fusion, fusion_part
from cdim.learn.networks.taps import (
    FINAL,
    MOST_PREFIX,
    Maps,
    Shape,
    TappedNetwork,
    Vectors,
    measure_taps,
    output_shapes,
)


class FusedNetwork(nn.Module):
    """A network whose output is the fused vector of its taps and its own output; see `fuse`.

    Attributes:
        network: its `model` is the module that was given, weights and all.
        fusion: its `parts` are the dimensions of each part, in the order they are joined.
        shape: (channels, height, width) of an image.
    """

    def __init__(self, network: TappedNetwork, fusion: Fusion, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.network = network
        self.fusion = fusion
        self.shape = shape

    @property
    def dim(self) -> int:
        """Dimensions of the fused vector."""
        return self.fusion.dim

    def forward(self, images: Maps) -> Vectors:
        """Images, normalised as the network needs them, to fused vectors, float32.

        Raises:
            UsageError: images of another size, or a network that gives several outputs.
        """
        if tuple(images.shape[1:]) != self.shape:
            raise UsageError(
                f"images of (channels, height, width) = {tuple(images.shape[1:])}",
                f"the taps were measured at {self.shape}",
                "resize the images, or fuse the network at their size",
            )
        vectors: Tensor = self.fusion(self.network(images))
        return vectors


def fuse(
    model: nn.Module,
    taps: Sequence[str],
    size: tuple[int, int],
    *,
    channels: int = 3,
    pool: str | Sequence[str] = "average",
    project: int = 0,
    normalise: str = "l2",
    final: bool = True,
) -> FusedNetwork:
    """Puts the fusion module around a network, which stays the same object (Sec. 3.2, 3.3).

    The network runs on three blank images, at `size`, at twice the height and at twice the width,
    which tells what the axes of every output mean. Where it runs at one size only, outputs of
    four axes are read as (batch, channels, height, width), and those of three as (batch, tokens,
    channels) if they have a token for each cell of a map.

    >>> from torch import nn
    >>> from cdim.learn import fuse
    >>> maps = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU())
    >>> net = nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> fused = fuse(net, ["0.1", "0.3"], (32, 32), pool=["grid2", "average"])
    >>> fused(torch.rand(5, 3, 32, 32)).shape, fused.fusion.parts
    (torch.Size([5, 64]), (32, 16, 16))

    Args:
        model: takes images (batch, channels, height, width) and gives a vector or a map. Replace
            its classifier by `nn.Identity()` to join what the classifier sees.
        taps: dotted names of modules, as in `model.named_modules()`; each runs once an image.
        size: (height, width) of the images in pixels.
        channels: of the images.
        pool: "flatten" (Eq. 1), "average", "max", "gem", "grid2", "grid3", "grid4", "grid8" or
            "attention" (Fig. 3b) for all taps, or one a tap.
        project: outputs of a linear layer over all taps joined (Sec. 3.3); 0 for none.
        normalise: "l2" scales each part to length one before joining, "root" the signed square
            roots of its values, "none" joins parts as they are.
        final: whether the network's own output is joined as the last part.

    Raises:
        RecipeError: a tap that the network does not have, pooling or normalising of another name,
            or nothing to join.
        UsageError: the network does not run at that size, or its output is no vector and no map.
    """
    taps = [taps] if isinstance(taps, str) else list(taps)
    own = _shapes(model, channels, size)

    def shapes_at(at: tuple[int, int]) -> dict[str, Shape]:
        return own if at == size else _shapes(model, channels, at, own, 2 + (at[0] == size[0]))

    layouts = measure_taps(shapes_at, size)
    if not final:
        layouts.pop(FINAL, None)
    elif FINAL not in layouts:
        raise UsageError(
            f"a network whose output is {own.get(FINAL, 'no tensor')}",
            "its output is a vector (batch, channels) or a map of each image",
            "give it one output, or join the taps alone with final=False",
        )
    network = TappedNetwork(model, layouts, taps)
    joined = {"taps": taps, "pool": pool, "project": project, "normalise": normalise}
    fusion = Fusion(layouts, FINAL, fusion_part(**joined, final=final))
    device = next(model.parameters(), torch.empty(0)).device
    return FusedNetwork(network, fusion.to(device), (channels, *size))


def _shapes(
    model: nn.Module,
    channels: int,
    size: tuple[int, int],
    own: dict[str, Shape] | None = None,
    axis: int = 0,
) -> dict[str, Shape]:
    """Shapes of all outputs at a size, in evaluation mode.

    Where the network fails at another size than its own, shapes that it did not come to follow
    from its `own`: of a map the side at `axis` is twice as long, and tokens are as many more as
    the map has cells that they come from.
    """
    weights = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        image = torch.zeros(1, channels, *size, dtype=weights.dtype, device=weights.device)
        found, failure = output_shapes(model, lambda: model(image))
    finally:
        for module, training in modes.items():
            module.training = training
    if failure is None:
        return found
    if own is None:
        raise UsageError(
            f"the network does not run on an image of {channels} x {size[0]} x {size[1]} pixels "
            f"({first_line(failure)})",
            "it takes images (batch, channels, height, width)",
            "give the size and channels it was made for",
        ) from failure
    cells = [shape[2] * shape[3] for shape in own.values() if len(shape) == 4]
    doubled: dict[str, Shape] = {}
    for tap, shape in own.items():
        if len(shape) == 2:
            doubled[tap] = shape
        elif len(shape) == 3:
            added = [n for n in cells if 0 <= shape[1] - n <= MOST_PREFIX][-1:]
            doubled[tap] = (shape[0], shape[1] + sum(added), shape[2])
        elif len(shape) == 4:
            doubled[tap] = tuple(n * (1 + (i == axis)) for i, n in enumerate(shape))
    return {**doubled, **found}
