"""What an atlas holds: plain values, written as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdim.learn.atlas.cells import POOLS, Cell, why_not
from cdim.learn.atlas.contributions import Match, PartGain
from cdim.learn.atlas.scoring import Accuracy, accuracy
from cdim.learn.atlas.selection import Explored, Selected
from cdim.learn.atlas.shortening import ShortForm
from cdim.learn.networks.taps import Tap
from cdim.metrics.significance import Paired


@dataclass(frozen=True)
class Layer:
    """One tap: its map's (height, width), and ways of pooling that it has no cell for, and why."""

    tap: str
    channels: int
    size: tuple[int, int]
    absent: Mapping[str, str]


@dataclass(frozen=True)
class Scored:
    """A cell, judged alone under each treatment."""

    cell: Cell
    scores: Mapping[str, Accuracy]


@dataclass(frozen=True)
class Atlas:
    """Everything that was measured.

    Args:
        model: the recipe's or run's name.
        backbone: its network.
        datasets: whose train splits were used.
        images, queries, folds: how many.
        seed, budget, level: the settings.
        layers: the taps by depth, the final feature last.
        cells: every cell, judged alone.
        selections: by treatment.
        chosen: the treatment whose fusion is best.
        held_out: of choosing the treatment and the fusion without each fold, on that fold.
        last_layer: of the final feature alone, under the chosen treatment.
        gain: acc@1 of the first minus the second, on the same queries.
        forms: shorter ones of the chosen fusion.
        parts, matches: what each part adds, over all queries and for each.
    """

    model: str
    backbone: str
    datasets: tuple[str, ...]
    images: int
    queries: int
    folds: int
    seed: int
    budget: int
    level: float
    layers: tuple[Layer, ...]
    cells: tuple[Scored, ...]
    selections: tuple[Selected, ...]
    chosen: str
    held_out: Accuracy
    last_layer: Accuracy
    gain: Paired
    forms: tuple[ShortForm, ...]
    parts: tuple[PartGain, ...]
    matches: tuple[Match, ...]

    @property
    def choice(self) -> Selected:
        """The selection of the chosen treatment."""
        return next(each for each in self.selections if each.treatment.name == self.chosen)


def layer(name: str, tap: Tap) -> Layer:
    """A tap as the atlas shows it."""
    absent = {pool: why_not(pool, tap) for pool in POOLS}
    return Layer(name, tap.channels, tap.size, {pool: why for pool, why in absent.items() if why})


def scored(cells: Sequence[Cell], explored: Sequence[Explored]) -> tuple[Scored, ...]:
    """Every cell alone under every treatment."""
    return tuple(
        Scored(cell, {e.selected.treatment.name: accuracy(e.single[number]) for e in explored})
        for number, cell in enumerate(cells)
    )
