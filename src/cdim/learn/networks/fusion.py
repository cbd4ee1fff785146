"""The fusion module (Fig. 3c): middle maps join the final feature as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.networks.attention import Attention
from cdim.learn.networks.taps import Maps, Tap, Vectors, check_tap
from cdim.learn.recipes.parts import Pool


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


GRIDS = {"average": 1, "grid2": 2, "grid3": 3, "grid4": 4, "grid8": 8}
POOLS: tuple[str, ...] = get_args(Pool)


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
        taps: the names of the middle taps, in the order they are joined.
        pool: "flatten", "gem", "max", "attention" or a key of `GRIDS` for all taps, or one a tap.
        project: outputs of the linear layer; 0 for none.
        normalise: "l2", "root" or "none".
        with_final: whether the final feature is joined.

    Raises:
        RecipeError: a tap the backbone does not have, pooling or normalising of another name, a
            projection without taps, nothing to join.
    """

    def __init__(
        self,
        layout: Mapping[str, Tap],
        final: str,
        taps: Sequence[str] = (),
        pool: str | Sequence[str] = "flatten",
        project: int = 0,
        normalise: str = "l2",
        with_final: bool = True,
    ) -> None:
        super().__init__()
        for name in taps:
            check_tap(name, layout)
        if project and not taps:
            raise RecipeError(
                f"fusion.project = {project} without taps",
                "a projection needs something to project",
                "name fusion.taps or set project = 0",
            )
        if not with_final and not taps:
            raise RecipeError(
                "fusion.final = false without taps",
                "an embedding has at least one part",
                "name fusion.taps or set final = true",
            )
        pools = [pool] * len(taps) if isinstance(pool, str) else list(pool)
        if len(pools) != len(taps):
            raise RecipeError(
                f"{len(pools)} ways of pooling for {len(taps)} fusion taps",
                "it is one for all taps, or one a tap",
                "make the two lists equally long",
            )
        for name, value, known in [
            *(("fusion.pool", each, POOLS) for each in pools),
            ("fusion.normalise", normalise, ("l2", "root", "none")),
        ]:
            if value not in known:
                raise RecipeError(
                    f"{name} = {value!r}", f"it is one of {', '.join(known)}", nearest(value, known)
                )
        self.taps = tuple(taps)
        self.final = final
        self.normalise = normalise
        self.with_final = with_final
        modules = [build_pool(p, layout[t]) for t, p in zip(taps, pools, strict=True)]
        self.pools = nn.ModuleList(module for module, _ in modules)
        sizes = [size for _, size in modules]
        self.project = nn.Linear(sum(sizes), project) if project else None
        parts = [project] if project else sizes
        self.parts = (*parts, layout[final].channels) if with_final else tuple(parts)

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
        if self.normalise != "none":
            parts = [rooted(part) if self.normalise == "root" else unit(part) for part in parts]
        return torch.cat(parts, 1)

    def _joining(self, outputs: Mapping[str, Tensor]) -> list[Tensor]:
        """What is joined, each (batch, size)."""
        middle = [
            pool(as_map(outputs[tap])).float()
            for tap, pool in zip(self.taps, self.pools, strict=True)
        ]
        if self.project is not None:
            middle = [self.project(torch.cat(middle, 1)).float()]
        if not self.with_final:
            return middle
        final = outputs[self.final]
        return [*middle, (final.mean((2, 3)) if final.ndim == 4 else final).float()]


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
