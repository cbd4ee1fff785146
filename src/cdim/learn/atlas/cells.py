"""The cells of an atlas: a tap and a way to pool it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.fusion import GRIDS, build_pool
from cdim.learn.networks.taps import Tap, check_tap

POOLS = ("average", "gem", "max", "grid2", "grid3", "grid4", "grid8", "flatten")
"""From one value a channel to the whole map."""
MOST_CELLS = 8
"""Cells on a side of the finest grid that is kept."""


@dataclass(frozen=True)
class Cell:
    """One way to turn images into vectors of `dim` dimensions: a tap, and how it is pooled."""

    tap: str
    pool: str
    dim: int

    def __str__(self) -> str:
        return f"{self.tap} ({self.pool})"


def cells_of(backbone: Backbone, taps: Sequence[str] = ()) -> tuple[Cell, ...]:
    """All cells of a network, by depth and then by pooling; those of the final feature last.

    Args:
        backbone: the network.
        taps: the maps wanted; () for those of every block.

    Raises:
        RecipeError: a tap that the network does not have.
    """
    for tap in taps:
        check_tap(tap, backbone.taps)
    wanted = set(taps or backbone.blocks) - {backbone.final}
    ordered = [tap for tap in backbone.taps if tap in wanted] + [backbone.final]
    return tuple(
        Cell(tap, pool, build_pool(pool, backbone.taps[tap])[1])
        for tap in ordered
        for pool in pools_of(backbone.taps[tap])
    )


def pools_of(tap: Tap) -> list[str]:
    """The ways of pooling that a map allows and that differ from each other."""
    return [pool for pool in POOLS if not why_not(pool, tap)]


def why_not(pool: str, tap: Tap) -> str:
    """Why a map is not pooled so, in words; "" if it is."""
    height, width = tap.size
    if pool == "flatten":
        return "beyond the grid" if max(height, width) > MOST_CELLS else ""
    if tap.size == (1, 1):
        return "a vector"
    cells = GRIDS.get(pool, 1)
    if tap.size == (cells, cells):
        return "the whole map"
    return "a smaller map" if cells > min(height, width) else ""
