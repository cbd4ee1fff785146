"""The cells of an atlas: a tap and a way to pool it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.fusion import GRIDS, build_pool
from cdim.learn.networks.taps import Tap, check_tap
from cdim.learn.recipes.parts import Pool

POOLS: tuple[Pool, ...] = ("average", "gem", "max", "grid2", "grid3", "grid4", "grid8", "flatten")
"""From one value a channel to the whole map."""
MOST_CELLS = 8
"""Cells on a side of the finest grid that is kept."""


@dataclass(frozen=True)
class Cell:
    """One way to turn images into vectors of `dim` dimensions: a tap, and how it is pooled."""

    tap: str
    pool: Pool
    dim: int

    def __str__(self) -> str:
        return f"{self.tap} ({self.pool})"


def cells_of(backbone: Backbone, taps: Sequence[str] = ()) -> tuple[Cell, ...]:
    """The cells of some taps, by default of every block, by depth; the final feature's come last.

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
        for pool in POOLS
        if not why_not(pool, backbone.taps[tap])
    )


def why_not(pool: str, tap: Tap) -> str:
    """Why a map is not pooled so, in words; "" if it can be and differs from all other ways."""
    height, width = tap.size
    if pool == "flatten":
        return "beyond the grid" if max(height, width) > MOST_CELLS else ""
    if tap.size == (1, 1):
        return "a vector"
    cells = GRIDS.get(pool, 1)
    if tap.size == (cells, cells):
        return "the whole map"
    return "a smaller map" if cells > min(height, width) else ""
