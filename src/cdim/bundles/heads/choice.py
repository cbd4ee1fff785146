"""Which head suits some pairs best: the one that finds held-out instances best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.heads import hubness
from cdim.bundles.heads.fit import Components, decompose, fit, pair
from cdim.bundles.heads.kinds import HEADS, Head, Kind
from cdim.bundles.heads.projection import Projection, apply
from cdim.data.manifest import Manifest
from cdim.judge.held_out import HeldOut

On = Literal["features", "embedding"]


@dataclass(frozen=True)
class Candidate:
    """A head that can be fitted, and the vectors that it takes."""

    on: On
    head: Head


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images with their vectors: what heads are fitted on and applied to."""

    manifest: Manifest  # n images; queries and gallery images of one instance are pairs
    taken: NDArray[np.str_]  # (n,) the domain that each image has in the network
    # (n, d) each; "features" are fused vectors, whose roots the heads of pairs take, and
    # "embedding" is short and used as it is
    vectors: Mapping[On, NDArray[np.float32]]
    _found: dict[tuple[On, bool], Components] = field(default_factory=dict, init=False, repr=False)

    def take(self, rows: NDArray[np.bool_]) -> Pairs:
        """The images of a mask (n,)."""
        vectors = {on: x[rows] for on, x in self.vectors.items()}
        return Pairs(self.manifest.take(rows), self.taken[rows], vectors)

    def heads(self, dim: int) -> list[Head]:
        """The heads of `dim` dimensions that can be fitted to these images."""
        sides, instance = self.manifest.role == "query", self.manifest.instance
        fits: set[Kind] = {"components"}
        if len(np.intersect1d(instance[sides], instance[~sides])) > 1:
            fits.add("pairs")
            if dim > hubness.DIMS and hubness.asking(self.taken, sides):
                fits.add("csls")
        return [head for head in HEADS if head.kind in fits]

    def components(self, on: On, kind: Kind) -> Components:
        """What a head of some kind is fitted to, as `pair` gives it; computed once."""
        learns, fused = kind != "components", on == "features"
        if (on, learns) not in self._found:
            x, roots, whole = self.vectors[on], learns and fused, learns and not fused
            known = decompose(x, self.taken, roots=roots, whole=whole)
            if learns:
                known = pair(known, self.manifest.role == "query", self.manifest.instance)
            self._found[on, learns] = known
        return self._found[on, learns]

    def fit(self, candidate: Candidate, dim: int) -> Projection:
        """A head of `dim` dimensions, or of as many as these images span."""
        components = self.components(candidate.on, candidate.head.kind)
        return fit(components, candidate.head, min(dim, components.axes.shape[1]))


@dataclass(frozen=True, eq=False)
class Trial:
    """Heads tried on searches for instances that they have not seen.

    For each head: embeddings (n, dim) of the images of `held`, and 1 / rank (q,) of every query.
    """

    held: HeldOut
    found: dict[Candidate, NDArray[np.float32]]
    scores: dict[Candidate, NDArray[np.float64]]


def try_heads(
    candidates: Sequence[Candidate], known: Pairs, held: HeldOut, unseen: Pairs, dim: int
) -> Trial:
    """Fits every head to the known images and searches among `unseen`, the images of `held`.

    Heads have `dim` dimensions; fewer where the known images span fewer.
    """
    found = {
        each: apply(known.fit(each, dim), unseen.vectors[each.on], unseen.taken)
        for each in candidates
    }
    return Trial(held, found, {each: held.reciprocal_ranks(x) for each, x in found.items()})


def best(trials: Sequence[Trial]) -> Candidate:
    """The head with the best mean reciprocal rank over all searches; of equals, the first."""

    def score(head: Candidate) -> float:
        return float(np.concatenate([trial.scores[head] for trial in trials]).mean())

    return max(trials[0].scores, key=score)
