"""What a chosen fusion loses when it is pruned or projected, judged on folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.heads import fit
from cdim.bundles.heads.choice import Pairs
from cdim.bundles.heads.kinds import Head
from cdim.bundles.heads.projection import apply, roots
from cdim.data.manifest import Manifest
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.descriptors import Descriptors
from cdim.learn.atlas.scoring import Accuracy, Fold, accuracy, cosines
from cdim.learn.atlas.treatments import Treatment
from cdim.metrics.distances import unit
from cdim.metrics.significance import Paired, paired_test

DIMS = (512, 256, 128)
SHARES = (0.5, 0.25, 0.125)
"""Shares of the filters that are kept."""
WHITENING = 0.5
_TINY = 1e-12


@dataclass(frozen=True)
class ShortForm:
    """A shorter form of the chosen fusion."""

    how: str  # what was done to it, in words
    dim: int  # dimensions left; the mean over folds, which may keep filters of different maps
    accuracy: Accuracy  # on the folds
    cost: Paired  # acc@1 minus that of `against`
    against: str  # the longest of its kind: a projection's own, or the whole fusion


def vectors(
    descriptors: Descriptors, cells: Sequence[Cell], treatment: Treatment
) -> NDArray[np.float32]:
    """The fusion (n, d) as the recipe gives it, before any head."""
    parts = [descriptors.whole(cell) for cell in cells]
    if treatment.normalise == "root":
        parts = [roots(part) for part in parts]
    if treatment.normalise != "none":
        parts = [unit(part) for part in parts]
    return np.concatenate(parts, axis=1)


def shorten(forms: Sequence[tuple[str, int, NDArray[np.float64]]]) -> tuple[ShortForm, ...]:
    """What `try_forms` gives, each form beside the longest of its kind."""
    longest: dict[str, tuple[str, NDArray[np.float64]]] = {}
    found = []
    for how, dim, ranks in forms:
        kind = how if how.startswith("projected") else "whole"
        against, others = longest.setdefault(kind, (f"{how}, {dim}", ranks))
        cost = paired_test(ranks == 1, others == 1)
        found.append(ShortForm(how, dim, accuracy(ranks), cost, against))
    return tuple(found)


def try_forms(
    fused: NDArray[np.float32],
    manifest: Manifest,
    folds: Sequence[Fold],
    filters: NDArray[np.intp],
    treatment: Treatment,
) -> list[tuple[str, int, NDArray[np.float64]]]:
    """The fusion whole, with fewer filters, with fewer values, and projected.

    Args:
        fused: (n, d) as `vectors` gives them, of the images of the manifest.
        folds: what is held out in turn; what to keep and how to project is learned from the rest.
        filters: (d,) which filter each value is of.
        treatment: gives lambda.

    Returns:
        How each form is made, its dimensions, and reciprocal ranks (q,) of the held-out queries;
        the whole fusion without a head comes first.
    """
    # As many directions as the images of every fold span.
    most = min(fused.shape[1], *(len(fold.train) - len(fold.means) for fold in folds))
    dims = [dim for dim in DIMS if dim < most]
    found: dict[tuple[str, int], list[tuple[int, NDArray[np.float64]]]] = {}
    for fold in folds:
        forms = [("whole", fused[fold.held])]
        forms += _pruned(fused, manifest, fold, filters)
        forms += _projected(fused, manifest, fold, treatment, [most, *dims])
        for number, (how, short) in enumerate(forms):
            plain = treatment.normalise == "none" and not how.startswith("projected")
            ranks = fold.reciprocal_ranks(short @ short.T if plain else cosines(short))
            found.setdefault((how, number), []).append((short.shape[1], ranks))
    made = []
    for (how, _), parts in found.items():
        lengths, each = zip(*parts, strict=True)
        made.append((how, round(np.mean(lengths)), np.concatenate(each)))
    return made


def _pruned(
    fused: NDArray[np.float32], manifest: Manifest, fold: Fold, filters: NDArray[np.intp]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The values that vary much between training instances and little within their pairs.

    The ratio of the two, Fisher's, ranks filters. Each domain's mean is removed first.
    """
    train = fold.train
    x = fused[train] - (fold.means @ fused)[fold.domains[train]]
    names = np.unique(manifest.instance[train], return_inverse=True)[1]
    sums = np.zeros((names.max() + 1, fused.shape[1]))
    np.add.at(sums, names, x)
    mean = sums / np.bincount(names)[:, None]
    between, within = mean.var(axis=0), np.square(x - mean[names]).mean(axis=0)
    held = fused[fold.held]
    apart, noise = (np.bincount(filters, weights=part) for part in (between, within))
    order = np.argsort(-apart / np.maximum(noise, _TINY), kind="stable")
    for share in SHARES:
        kept = np.sort(order[: max(1, round(share * len(order)))])
        yield f"{100 * share:g} % of the filters", held[:, np.isin(filters, kept)]
    order = np.argsort(-between / np.maximum(within, _TINY), kind="stable")
    for dim in DIMS:
        if dim < len(order):
            yield "single values", held[:, np.sort(order[:dim])]


def _projected(
    fused: NDArray[np.float32],
    manifest: Manifest,
    fold: Fold,
    treatment: Treatment,
    dims: Sequence[int],
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    train = np.full(len(manifest), False)
    train[fold.train] = True
    known = Pairs(manifest, manifest.domain, {"features": fused}).take(train)
    for head in (Head("components", WHITENING), Head("pairs", treatment.regularisation)):
        components = known.components("features", head.kind)
        for dim in dims:
            made = fit.fit(components, head, dim)
            yield f"projected, {head}", apply(made, fused[~train], manifest.domain[~train])


def filters_of(cells: Sequence[Cell], channels: Sequence[int]) -> NDArray[np.intp]:
    """Which filter each value (d,) of a fusion is of, given the channels of each cell's tap.

    Filters are numbered through all parts.
    """
    values = [cell.dim // count for cell, count in zip(cells, channels, strict=True)]
    return np.repeat(np.arange(sum(channels)), np.repeat(values, channels))
