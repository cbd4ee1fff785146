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
    """Everything that was measured."""

    model: str  # the recipe's or run's name
    backbone: str  # its network
    datasets: tuple[str, ...]  # whose train splits were used
    # how many
    images: int
    queries: int
    folds: int
    # the settings
    seed: int
    budget: int
    level: float
    layers: tuple[Layer, ...]  # the taps by depth, the final feature last
    cells: tuple[Scored, ...]  # every cell, judged alone
    selections: tuple[Selected, ...]  # by treatment
    chosen: str  # the treatment whose fusion is best
    held_out: Accuracy  # of choosing the treatment and the fusion without each fold, on that fold
    last_layer: Accuracy  # of the final feature alone, under the chosen treatment
    gain: Paired  # acc@1 of the first minus the second, on the same queries
    forms: tuple[ShortForm, ...]  # shorter ones of the chosen fusion
    # what each part adds, over all queries and for each
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
