"""What an atlas holds: plain values, written as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.data.manifest import Manifest
from cdim.learn.atlas.cells import POOLS, Cell, why_not
from cdim.learn.atlas.contributions import Contributions
from cdim.learn.atlas.selection import Explored, Step
from cdim.learn.atlas.shortening import ShortForm
from cdim.learn.atlas.treatments import Treatment
from cdim.learn.networks.taps import Tap
from cdim.metrics.significance import Estimate, Paired, bootstrap, paired_test

RESAMPLES = 2000
"""For intervals of cells, of which there are hundreds."""


@dataclass(frozen=True)
class Layer:
    """One tap: its map's (height, width), and ways of pooling that it has no cell for, and why."""

    tap: str
    channels: int
    size: tuple[int, int]
    absent: Mapping[str, str]


@dataclass(frozen=True)
class Accuracy:
    """How often the match is found first, and the mean reciprocal rank."""

    acc_1: Estimate
    mrr: float


@dataclass(frozen=True)
class Scored:
    """A cell, judged alone under each treatment."""

    cell: Cell
    scores: Mapping[str, Accuracy]


@dataclass(frozen=True)
class Selected:
    """The fusion chosen under one treatment.

    Args:
        treatment, words: which, and in words.
        cells, dim: the parts, and the dimensions of all.
        steps: how it was chosen.
        on_chosen: on the queries that chose it: optimistic.
        held_out: of the choices made without each fold, on that fold.
        fusions: those choices.
    """

    treatment: Treatment
    words: str
    cells: tuple[Cell, ...]
    dim: int
    steps: tuple[Step, ...]
    on_chosen: Accuracy
    held_out: Accuracy
    fusions: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Shorter:
    """A shorter form of the chosen fusion.

    Args:
        how: what was done.
        dim: dimensions left.
        accuracy: on the folds.
        cost: acc@1 minus that of `against`.
        against: the form it was made from.
    """

    how: str
    dim: int
    accuracy: Accuracy
    cost: Paired
    against: str


@dataclass(frozen=True)
class PartGain:
    """What a part of the chosen fusion adds.

    Args:
        cell: which.
        margin: mean over queries of how much nearer it puts the match than the best wrong item.
        helps: share of queries where that is above zero.
        only_with: queries whose match is found first, and is not without this part.
        only_without: the other way round.
    """

    cell: Cell
    margin: float
    helps: float
    only_with: int
    only_without: int


@dataclass(frozen=True)
class Match:
    """One query.

    Args:
        query: the instance it shows.
        rival: that of the best wrong item.
        found: whether the match is first.
        margins: of each part; their sum is above zero where it is.
    """

    query: str
    rival: str
    found: bool
    margins: tuple[float, ...]


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
    forms: tuple[Shorter, ...]
    parts: tuple[PartGain, ...]
    matches: tuple[Match, ...]

    @property
    def choice(self) -> Selected:
        """The selection of the chosen treatment."""
        return next(each for each in self.selections if each.treatment.name == self.chosen)


def accuracy(reciprocal_ranks: NDArray[np.float64]) -> Accuracy:
    """Of queries (q,)."""
    first = reciprocal_ranks == 1
    return Accuracy(bootstrap(first, resamples=RESAMPLES), float(reciprocal_ranks.mean()))


def layer(name: str, tap: Tap) -> Layer:
    """A tap as the atlas shows it."""
    absent = {pool: why_not(pool, tap) for pool in POOLS}
    return Layer(name, tap.channels, tap.size, {pool: why for pool, why in absent.items() if why})


def scored(cells: Sequence[Cell], explored: Sequence[Explored]) -> tuple[Scored, ...]:
    """Every cell alone under every treatment."""
    return tuple(
        Scored(cell, {e.treatment.name: accuracy(e.single[number]) for e in explored})
        for number, cell in enumerate(cells)
    )


def selected(explored: Explored) -> Selected:
    """The selection under one treatment."""
    return Selected(
        explored.treatment,
        explored.treatment.words,
        explored.cells,
        sum(cell.dim for cell in explored.cells),
        explored.steps,
        accuracy(explored.chosen),
        accuracy(np.concatenate([found for _, found in explored.without])),
        explored.fusions,
    )


def shorter(forms: Sequence[ShortForm]) -> tuple[Shorter, ...]:
    """Each form beside the longest of its kind: a projection's own, or the whole fusion."""
    longest: dict[str, ShortForm] = {}
    found = []
    for form in forms:
        kind = form.how if form.how.startswith("projected") else "whole"
        against, ranks = longest.setdefault(kind, form), form.reciprocal_ranks
        cost = paired_test(ranks == 1, against.reciprocal_ranks == 1)
        words = f"{against.how}, {against.dim}"
        found.append(Shorter(form.how, form.dim, accuracy(ranks), cost, words))
    return tuple(found)


def parts(found: Contributions) -> tuple[PartGain, ...]:
    """What each part adds, over all queries."""
    sides = zip(found.cells, found.margins.T, found.without, strict=True)
    return tuple(
        PartGain(
            cell,
            float(margins.mean()),
            float((margins > 0).mean()),
            int((found.found & ~without).sum()),
            int((~found.found & without).sum()),
        )
        for cell, margins, without in sides
    )


def matches(
    found: Contributions, manifest: Manifest, queries: NDArray[np.intp]
) -> tuple[Match, ...]:
    """What each part adds to each match; `queries` are the rows (q,) of the manifest."""
    names = manifest.instance[queries], manifest.instance[found.rivals]
    return tuple(
        Match(str(query), str(rival), bool(first), tuple(margins.tolist()))
        for query, rival, first, margins in zip(*names, found.found, found.margins, strict=True)
    )
