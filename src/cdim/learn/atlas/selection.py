"""Forward selection of a fusion under a budget of dimensions; it stops when gains are chance.

The best single cell comes first. Every other tap is then tried beside the parts so far, with the
pooling that is best for it alone and still fits. Of those that gain significantly, the best joins.
With many candidates and a hundred queries, some candidate always seems a point better.
`cdim.metrics.significance.best_of` therefore compares each with the best of all candidates under
random signs. The level holds for the whole step, however many were tried. The parts so far were
themselves the best of many on these queries, which makes the bar higher, not lower.

The first cell is not tested: something has to be chosen. A choice looks too good on the queries
that made it. The choice is therefore repeated without each fold's queries, and the report says how
each of these choices does on the fold that it did not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.errors import UsageError
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.scoring import Accuracy, Scorer, accuracy
from cdim.learn.atlas.treatments import Treatment
from cdim.metrics.significance import best_of

LEVEL = 0.05
"""Chance, at each step, to take a cell when none adds anything."""


@dataclass(frozen=True)
class Step:
    """One step of the selection."""

    cell: Cell  # the best candidate
    taken: bool  # whether it joined
    candidates: int  # how many were tried
    acc_1: float  # share of queries that find their match first, with it joined
    mrr: float  # mean reciprocal rank, likewise; what is compared
    gain: float  # of that over the step before; all of it in the first step
    p: float | None  # of "no candidate adds anything"; None in the first step


@dataclass(frozen=True)
class Selected:
    """The fusion chosen under one treatment."""

    # which, and in words
    treatment: Treatment
    words: str
    # the parts, and the dimensions of all
    cells: tuple[Cell, ...]
    dim: int
    steps: tuple[Step, ...]  # how it was chosen; the last may be one that did not join
    on_chosen: Accuracy  # on the queries that chose it: optimistic
    held_out: Accuracy  # of the choices made without each fold, on that fold
    fusions: tuple[tuple[Cell, ...], ...]  # those choices


@dataclass(frozen=True, eq=False)
class Explored:
    """All that was measured under one treatment."""

    selected: Selected  # the fusion that was chosen
    single: NDArray[np.float64]  # (cells, q) reciprocal ranks of every cell alone
    # reciprocal ranks (q,) with the chosen fusion, too good since chosen on them
    chosen: NDArray[np.float64]
    # for each fold, what the other folds' queries chose: their mean reciprocal rank with it, and
    # the reciprocal ranks of the fold's own queries
    without: tuple[tuple[float, NDArray[np.float64]], ...]


def _joined(steps: Sequence[Step]) -> tuple[Cell, ...]:
    return tuple(step.cell for step in steps if step.taken)


def check_budget(cells: Sequence[Cell], budget: int) -> None:
    """Refuses a budget of dimensions that no cell fits, with a `UsageError`."""
    least = min(cells, key=lambda cell: cell.dim)
    if least.dim > budget:
        raise UsageError(
            f"a budget of {budget} dimensions",
            f"the shortest descriptor, {least}, has {least.dim} dimensions",
            "raise the budget",
            argument="budget",
        )


def explore(scorer: Scorer, cells: Sequence[Cell], budget: int) -> Explored:
    """Judges every cell under the scorer's treatment, and chooses a fusion under a budget."""
    single = np.stack([scorer.reciprocal_ranks([cell]) for cell in cells])
    sizes = [len(fold.queries) for fold in scorer.folds]
    part = np.repeat(np.arange(len(sizes)), sizes)
    steps = forward(scorer, cells, budget, np.full(len(part), True))
    fusion = _joined(steps)
    chosen = scorer.reciprocal_ranks(fusion)
    without, fusions = [], []
    for number in range(len(sizes)):
        others = part != number
        fusions.append(_joined(forward(scorer, cells, budget, others)))
        found = scorer.reciprocal_ranks(fusions[-1])
        without.append((float(found[others].mean()), found[~others]))
    selected = Selected(
        scorer.treatment,
        scorer.treatment.words,
        fusion,
        sum(cell.dim for cell in fusion),
        tuple(steps),
        accuracy(chosen),
        accuracy(np.concatenate([found for _, found in without])),
        tuple(fusions),
    )
    return Explored(selected, single, chosen, tuple(without))


def forward(
    scorer: Scorer,
    cells: Sequence[Cell],
    budget: int,
    rows: NDArray[np.bool_],
    level: float = LEVEL,
) -> list[Step]:
    """The steps of a selection on some queries (q,)."""
    first = [cell for cell in cells if cell.dim <= budget]
    values = np.stack([scorer.reciprocal_ranks([cell])[rows] for cell in first])
    alone = dict(zip(first, values.mean(axis=1).tolist(), strict=True))
    place = int(values.mean(axis=1).argmax())
    steps = [_step(first[place], True, len(first), values[place], 0.0, None)]
    while True:
        fusion = [step.cell for step in steps]
        fitting = _fitting(alone, budget - sum(cell.dim for cell in fusion), fusion)
        if not fitting:
            return steps
        base = scorer.reciprocal_ranks(fusion)[rows]
        values = np.stack([scorer.reciprocal_ranks([*fusion, cell])[rows] for cell in fitting])
        best = best_of(values, base, level)
        taken, found = best.difference > 0 and best.p <= level, values[best.place]
        before = float(base.mean())
        steps.append(_step(fitting[best.place], taken, len(fitting), found, before, best.p))
        if not taken:
            return steps


def _fitting(alone: Mapping[Cell, float], left: int, fusion: Sequence[Cell]) -> list[Cell]:
    """Of each tap that has not joined yet, the cell that is best alone, of those that fit."""
    joined = {cell.tap for cell in fusion}
    fitting = [cell for cell in alone if cell.dim <= left and cell.tap not in joined]
    taps = dict.fromkeys(cell.tap for cell in fitting)
    return [max((c for c in fitting if c.tap == tap), key=alone.__getitem__) for tap in taps]


def _step(
    cell: Cell, taken: bool, tried: int, values: NDArray[np.float64], before: float, p: float | None
) -> Step:
    mrr = float(values.mean())
    return Step(cell, taken, tried, float((values == 1).mean()), mrr, mrr - before, p)


def best(explored: Sequence[Explored]) -> tuple[Explored, NDArray[np.float64]]:
    """The treatment whose fusion finds most, and what such a choice is worth.

    Returns:
        It, and reciprocal ranks (q,) of the queries of each fold with the treatment and the fusion
        that the other folds' queries chose.
    """
    chosen = max(explored, key=lambda each: each.chosen.mean())
    honest = [
        max((each.without[number] for each in explored), key=lambda found: found[0])[1]
        for number in range(len(chosen.without))
    ]
    return chosen, np.concatenate(honest)
