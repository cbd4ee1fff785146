"""Which head suits some pairs best, and what it is worth: folds of the pairs say both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.heads import hubness, projection
from cdim.bundles.heads.kinds import HEADS, Head
from cdim.bundles.heads.projection import Components, Projection
from cdim.data.manifest import Manifest
from cdim.judge.held_out import folds_of, searched_fold
from cdim.metrics.calibration.fit import Search

On = Literal["features", "embedding"]


@dataclass(frozen=True)
class Plan:
    """A head that can be fitted.

    Args:
        on: the output of the bundle that it takes.
        head: which one, of pairs.
    """

    on: On
    head: Head


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a head is learned from.

    Args:
        manifest: n images of instances that have queries and gallery images.
        taken: (n,) what each image's domain is turned into.
        vectors: (n, d) each of a bundle's outputs.
    """

    manifest: Manifest
    taken: NDArray[np.str_]
    vectors: Mapping[On, NDArray[np.float32]]

    def components(self, on: On, rows: NDArray[np.bool_] | None = None) -> Components:
        """Of some rows (n,) of an output, or all of them, with the pairs among them."""
        kept = np.full(len(self.taken), True) if rows is None else rows
        short = on == "embedding"
        x, taken = self.vectors[on][kept], self.taken[kept]
        found = projection.decompose(x, taken, roots=not short, whole=short)
        sides = self.manifest.role[kept] == "query"
        return projection.pair(found, sides, self.manifest.instance[kept])


@dataclass(frozen=True, eq=False)
class Choice:
    """The best head, and what it is worth.

    Args:
        plan: of the head.
        head: fitted to all pairs.
        folds: how many parts were held out in turn.
        metrics: what is measured, the first of them to compare by.
        before: by metric, (q,) values of the held-out queries with the bundle's own embedding.
        after: the same with heads that had not seen what they were asked for.
        searches: those, by fold, to calibrate by.
    """

    plan: Plan
    head: Projection
    folds: int
    metrics: tuple[str, ...]
    before: dict[str, NDArray[np.float64]]
    after: dict[str, NDArray[np.float64]]
    searches: list[list[Search]]


def choose(pairs: Pairs, outputs: Sequence[On], dim: int, seed: int) -> Choice:
    """Tries every head on held-out pairs and fits the best one to all.

    Args:
        pairs: to learn from.
        outputs: of the bundle that heads may take.
        dim: dimensions of the embedding; fewer where the images span fewer.
        seed: of the folds.

    Raises:
        DataError: too few pairs of a kind to search among, or a query without gallery image.
    """
    apart = hubness.asking(pairs.taken, pairs.manifest.role == "query")
    kinds = ("pairs", "csls") if apart and dim > hubness.DIMS else ("pairs",)
    plans = [Plan(on, head) for on in outputs for head in HEADS if head.kind in kinds]
    folds = folds_of(pairs.manifest, seed)
    held = [searched_fold(pairs.manifest, fold) for fold in folds]
    tried = [_tried(plans, pairs, fold, dim) for fold in folds]
    scores = [
        {plan: part.reciprocal_ranks(found[plan]) for plan in plans}
        for part, found in zip(held, tried, strict=True)
    ]
    # What is reported of a fold is what the other folds would have chosen.
    honest = [_best([*scores[:n], *scores[n + 1 :]]) for n in range(len(folds))]
    unseen = [found[choice] for found, choice in zip(tried, honest, strict=True)]
    judged = list(zip(held, unseen, strict=True))
    plan = _best(scores)
    return Choice(
        plan,
        _fit(plan, pairs.components(plan.on), dim),
        len(folds),
        held[0].metrics,
        _joined([part.measure(pairs.vectors["embedding"]) for part in held]),
        _joined([part.measure(found) for part, found in judged]),
        [search for part, found in judged for search in part.searches(found)],
    )


def _fit(plan: Plan, known: Components, dim: int) -> Projection:
    """The head of a plan; of fewer dimensions where its images span fewer."""
    return projection.fit(known, plan.head, min(dim, known.axes.shape[1]))


def _tried(
    plans: Sequence[Plan], pairs: Pairs, fold: NDArray[np.bool_], dim: int
) -> dict[Plan, NDArray[np.float32]]:
    """All images, embedded by each head that has not seen a fold."""
    known = {on: pairs.components(on, ~fold) for on in {plan.on for plan in plans}}
    return {
        plan: projection.apply(_fit(plan, known[plan.on], dim), pairs.vectors[plan.on], pairs.taken)
        for plan in plans
    }


def _joined(parts: Sequence[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _best(scores: Sequence[dict[Plan, NDArray[np.float64]]]) -> Plan:
    """The plan with the best mean reciprocal rank over some folds."""
    means = {plan: np.concatenate([fold[plan] for fold in scores]).mean() for plan in scores[0]}
    return max(means, key=lambda plan: means[plan])
