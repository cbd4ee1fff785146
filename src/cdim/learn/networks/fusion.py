"""The fusion module (Fig. 3c): middle maps join the final feature as one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdim import strict
from cdim.learn.networks.taps import Maps, Tap, Vectors, check_tap
from cdim.learn.recipes.parts import FusionPart
from cdim.learn.recipes.recipe import DOCUMENT

HIDDEN = 256
"""Channels between the two convolutions of attention, as in DSSA."""


class GeM(nn.Module):
    """Generalised mean over positions with a learned exponent: 1 is the average, large the max."""

    def __init__(self) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Maps) -> Vectors:
        """(batch, channels); inputs below 1e-6 count as 1e-6."""
        powered = x.float().clamp(min=1e-6).pow(self.exponent)
        return powered.mean((2, 3)).pow(1 / self.exponent)


class Max(nn.Module):
    """The largest value over positions."""

    def forward(self, x: Maps) -> Vectors:
        """(batch, channels)."""
        return x.amax((2, 3))


class Attention(nn.Module):
    """Pools a map with the cells it attends to counting more: the mean of `f + a f` (Fig. 3b).

    The rival design, after DSSA (Song et al., ICCV 2017). The mask `a` comes from two 1 x 1
    convolutions with a ReLU between them and a softmax over positions. Added to the map and not put
    in its place (the shortcut of DSSA, its Sec. 3.2), a bad mask loses nothing. DSSA's fc6 sees the
    attended map as well; here, as everywhere in the fusion module, the backbone is left alone.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv2d(channels, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, 1, 1)
        )

    def mask(self, x: Maps) -> Float[Tensor, "batch 1 height width"]:
        """How much each cell counts, 0 to 1, adding up to 1 over the cells of an image."""
        scores: Tensor = self.score(x.float()).float()
        return scores.flatten(1).softmax(1).view_as(scores)

    def forward(self, x: Maps) -> Vectors:
        """(batch, channels), float32."""
        return (x * (1 + self.mask(x))).mean((2, 3))


GRIDS = {"average": 1, "grid2": 2, "grid3": 3, "grid4": 4, "grid8": 8}


def build_pool(name: str, tap: Tap) -> tuple[nn.Module, int]:
    """A way of pooling by name, and the dimensions it leaves of a tap."""
    if name == "flatten":
        return nn.Flatten(), tap.channels * tap.size[0] * tap.size[1]
    if name in GRIDS:
        cells = GRIDS[name]
        return nn.Sequential(nn.AdaptiveAvgPool2d(cells), nn.Flatten()), tap.channels * cells**2
    pool = Attention(tap.channels) if name == "attention" else GeM() if name == "gem" else Max()
    return pool, tap.channels


class Fusion(nn.Module):
    """Pools each tap, joins them, optionally projects, and appends the final feature.

    `f_mid = pool(map)` for each tap (Eq. 1 with "flatten"), optionally one linear layer over all of
    them joined (Sec. 3.3), then the final feature last. With "l2" every part is scaled to length
    one before it is joined, so that each has an equal say in the distance (Sec. 3.2); with "root"
    so are the signed square roots of its values. Without taps it is the paper's "Vanilla".

    Args:
        layout: the backbone's taps.
        final: the name of its final feature; a map is averaged over positions.
        part: what is joined to it, and how.

    Raises:
        RecipeError: a tap the backbone does not have.
    """

    def __init__(self, layout: Mapping[str, Tap], final: str, part: FusionPart) -> None:
        super().__init__()
        for name in part.taps:
            check_tap(name, layout)
        self.final = final
        self.part = part
        modules = [build_pool(p, layout[t]) for t, p in zip(part.taps, part.pools, strict=True)]
        self.pools = nn.ModuleList(module for module, _ in modules)
        sizes = [size for _, size in modules]
        self.project = nn.Linear(sum(sizes), part.project) if part.project else None
        parts = [part.project] if part.project else sizes
        self.parts = (*parts, layout[final].channels) if part.final else tuple(parts)

    @property
    def dim(self) -> int:
        """Dimensions of the fused vector."""
        return sum(self.parts)

    def forward(self, *looks: Mapping[str, Tensor]) -> Vectors:
        """A backbone's outputs as one float32 vector an image, (batch, dim).

        Of several views of the same images, such as their mirror images, each part is averaged
        before it is scaled.
        """
        each = zip(*map(self._joining, looks), strict=True)
        parts = [torch.stack(part).mean(0) if len(part) > 1 else part[0] for part in each]
        if self.part.normalise != "none":
            scaled = rooted if self.part.normalise == "root" else unit
            parts = [scaled(part) for part in parts]
        return torch.cat(parts, 1)

    def _joining(self, outputs: Mapping[str, Tensor]) -> list[Tensor]:
        """What is joined, each (batch, size)."""
        middle = [
            pool(as_map(outputs[tap])).float()
            for tap, pool in zip(self.part.taps, self.pools, strict=True)
        ]
        if self.project is not None:
            middle = [self.project(torch.cat(middle, 1)).float()]
        if not self.part.final:
            return middle
        final = outputs[self.final]
        return [*middle, (final.mean((2, 3)) if final.ndim == 4 else final).float()]


def fusion_part(**values: Any) -> FusionPart:
    """What is fused and how, checked as in a recipe."""
    return strict.build(FusionPart, values, DOCUMENT, "fusion")


def unit(vectors: Vectors) -> Vectors:
    """Vectors scaled to length one; zeros stay zeros."""
    scaled: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return scaled


def rooted(vectors: Vectors) -> Vectors:
    """Signed square roots, scaled to length one, as `cdim.bundles.heads.projection.rooted`."""
    return unit(torch.sign(vectors) * vectors.abs().sqrt())


def as_map(x: Tensor) -> Tensor:
    """A vector (batch, channels) as a map of one cell; maps as they are."""
    return x if x.ndim == 4 else x[:, :, None, None]
