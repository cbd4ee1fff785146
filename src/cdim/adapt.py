"""A user's pairs -> a closed-form head on a bundle: `cdim adapt`. Seconds, no PyTorch.

The head (`cdim.projection`) is fitted on the bundle's `features`, or, where pairs are few, on its
`embedding`, whichever finds held-out pairs best, and becomes part of the graph. Folds of the pairs
say what it buys: every query is searched once by a head that has not seen its instance.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdim import bundle as bundles
from cdim import encoder, judge, model_card, projection
from cdim.bundle import Bundle, TrainingSet
from cdim.conditions import choose_protocol
from cdim.data.catalogue import open_dataset
from cdim.data.manifest import Manifest
from cdim.errors import DataError, ModelError, UsageError
from cdim.head_graph import put_head
from cdim.judge import HeldOut, groups_of
from cdim.metrics import calibration_fit
from cdim.metrics.cross_fit import cross_fit
from cdim.metrics.significance import Paired, paired_test
from cdim.projection import REGULARISATION, Components, Projection

FOLDS = 5
DIM = 512
"""Dimensions where none are asked for, at most."""
WHOLE = 2048
"""Dimensions of an embedding, at most, for a head on it: its matrix is square."""
FEWEST = 4
"""Instances that a head is fitted on, at least: fewer leave nothing to judge it on."""
SAME = 0.9999  # cosine between the graph's vectors and the head's own
_COMPARED = 64  # images for that

On = Literal["features", "embedding"]


@dataclass(frozen=True)
class Plan:
    """A head that can be fitted.

    Args:
        on: the output of the bundle that it takes.
        regularisation: lambda of `projection.contrast`.
    """

    on: On
    regularisation: float


@dataclass(frozen=True)
class Adapted:
    """What came of it.

    Args:
        bundle: the new one.
        plan: the head that was chosen.
        metric: by which it is judged, such as "acc@1".
        gain: of that metric on the held-out queries, after less before.
        seen: datasets among the pairs that the bundle had been trained on before, so that
            "before" and "after" are both too good.
    """

    bundle: Bundle
    plan: Plan
    metric: str
    gain: Paired
    seen: tuple[str, ...]


def adapt(
    place: str | Path | Bundle,
    pairs: Sequence[str],
    folder: Path,
    *,
    dim: int | None = None,
    most: int | None = None,
    seed: int = 0,
    tests: Sequence[str] = (),
    data: Path | None = None,
) -> Adapted:
    """Fits a head to pairs and writes the bundle that has it.

    Args:
        place: the bundle to start from: its folder, its name, or itself.
        pairs: datasets, CSV files or folders with queries and gallery images of the same
            instances; of those with splits the train split is taken.
        folder: where the new bundle goes; new or empty.
        dim: dimensions of its embedding; by default 512, or as many as the pairs allow.
        most: this many instances only, drawn by `seed`; None for all.
        seed: of that draw and of the folds.
        tests: datasets whose test split is measured with the finished bundle.
        data: where datasets are; None asks the environment (CDIM_DATA).

    Raises:
        UsageError: a folder that holds something, too few pairs, or more dimensions than they
            span.
        DataError: a dataset cannot be opened, or a query has no gallery image.
        ImageError: an image cannot be read.
        ModelError: no bundle there, or a graph that no head can be put on.
    """
    folder = bundles.free_folder(folder)
    for name in tests:
        judge.sides(name, data)
    base = place if isinstance(place, Bundle) else bundles.load(place)
    sets = [open_dataset(name, data) for name in pairs]
    manifest = _chosen(Manifest.concat([s.manifest.training() for s in sets]), most, seed)
    taken = _taken(base, manifest)
    folds = _folds(manifest, seed)
    vectors = _embed(base, manifest)
    plans = _plans(base, manifest, dim)
    held = [_held(manifest, fold) for fold in folds]
    before = _joined([part.measure(vectors["embedding"]) for part in held])
    metric = held[0].metrics[0]
    tried = [_tried(plans, vectors, manifest, taken, fold) for fold in folds]
    scores = [
        {plan: part.reciprocal_ranks(found[plan]) for plan in plans}
        for part, found in zip(held, tried, strict=True)
    ]
    # What is reported of a fold is what the other folds would have chosen.
    honest = [_best([*scores[:n], *scores[n + 1 :]]) for n in range(len(folds))]
    unseen = [found[choice] for found, choice in zip(tried, honest, strict=True)]
    after = _joined([part.measure(found) for part, found in zip(held, unseen, strict=True)])
    plan = _best(scores)
    seen = tuple(
        known.name for known in base.training if known.name in {Path(p).name for p in pairs}
    )
    note = "the model had been trained on these images" if seen else ""
    where = f"pairs, {len(folds)} folds"
    everything = _pairs(plan.on, vectors, manifest, taken, np.full(len(manifest), True))
    head = _fit(plan, everything, min(DIM, base.features) if dim is None else dim)
    trained = [TrainingSet(Path(p).name, s.terms) for p, s in zip(pairs, sets, strict=True)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as space:
        work = Path(space) / "bundle"
        work.mkdir()
        domains = put_head(base, plan.on, head, work / bundles.MODEL)
        made = replace(
            base,
            name=folder.name,
            dim=head.matrix.shape[1],
            length=1.0,
            domains={**base.domains, **{name: name for name in _strange(base, manifest)}},
            domain_input=domains,
            projection=f"{plan.on}: {head.words}",
            query=_domain(manifest, "query"),
            gallery=_gallery(base, manifest),
            training=tuple(dict.fromkeys((*base.training, *trained))),
            metrics=tuple(
                judge.measured(where, name, values[name], words)
                for values, words in (
                    (after, note),
                    (before, "; ".join(w for w in ("before adapting", note) if w)),
                )
                for name in held[0].metrics
            ),
            calibration=None,
        )
        made = bundles.save(made, work)
        _check(made, head, vectors[plan.on], manifest, taken)
        made = replace(made, metrics=(*made.metrics, *judge.on_tests(made, tests, data)))
        searches = [
            search
            for part, found in zip(held, unseen, strict=True)
            for search in part.searches(found)
        ]
        reliability = None
        # Of images that the model knew, distances are too small to tell anything by.
        if len(searches) > 1 and not seen:
            reliability = cross_fit(searches)
            fitted = calibration_fit.fit([s for part in searches for s in part])
            made = replace(made, calibration=fitted)
        made = bundles.save(made, work)
        model_card.write(made, work, reliability)
        if folder.exists():
            folder.rmdir()
        shutil.move(work, folder)
    made = bundles.load(folder)
    return Adapted(made, plan, metric, paired_test(after[metric], before[metric]), seen)


def _chosen(manifest: Manifest, most: int | None, seed: int) -> Manifest:
    """Queries and gallery images of at most so many instances.

    Raises:
        UsageError: too few instances with both.
    """
    manifest = manifest.where(role=("query", "gallery"))
    query, gallery = (set(manifest.where(role=r).instance.tolist()) for r in ("query", "gallery"))
    both = np.array(sorted(query & gallery))
    if len(both) < FEWEST or (most is not None and most < FEWEST):
        raise UsageError(
            f"{len(both) if most is None else min(most, len(both))} instances with a query and a "
            "gallery image",
            f"a head is fitted on {FEWEST} or more, some of them held out in turn",
            "give more pairs, or check the columns instance and role",
        )
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(both)[:most])
    return manifest.take(np.isin(manifest.instance, kept))


def _folds(manifest: Manifest, seed: int) -> list[NDArray[np.bool_]]:
    """Masks (n,) of what is held out in turn, by instance."""
    names, numbers = np.unique(manifest.instance, return_inverse=True)
    count = max(2, min(FOLDS, len(names) // FOLDS))
    part = np.random.default_rng((seed, 1)).permutation(len(names)) % count
    return [part[numbers] == number for number in range(count)]


def _held(manifest: Manifest, fold: NDArray[np.bool_]) -> HeldOut:
    """The fold's queries, each among the fold's gallery images of its kind.

    Images that a head was fitted on would be no fair distractors: it treats them unlike others.

    Raises:
        DataError: there is nothing to tell apart.
    """
    sides = manifest.where(role="query"), manifest.where(role="gallery")
    protocol = choose_protocol(None, *sides)
    groups = [(q[fold[q]], g[fold[g]]) for q, g in groups_of(manifest, protocol)]
    groups = [(q, g) for q, g in groups if len(q) and len(set(manifest.instance[g].tolist())) > 1]
    if not groups:
        raise DataError(
            f"a held-out part of {len(set(manifest.instance[fold].tolist()))} instances has no "
            "category with two of them",
            "a query is searched among gallery images of its category, and some must be wrong",
            "give more pairs a category, or leave the column category empty",
        )
    return HeldOut(manifest, protocol, tuple(groups))


def _domain(manifest: Manifest, role: str) -> str:
    """The domain of one side.

    Raises:
        UsageError: it has several.
    """
    names = np.unique(manifest.domain[manifest.role == role]).tolist()
    if len(names) > 1 or names == [""]:
        raise UsageError(
            f"{role} images of the domains {', '.join(repr(name) for name in names)}",
            "each side of the pairs is of one domain, and named",
            "fill the column domain, or adapt to one domain at a time",
        )
    return str(names[0])


def _gallery(base: Bundle, manifest: Manifest) -> str:
    """What galleries hold: photos stay photos where the pairs show their edge maps."""
    own = _domain(manifest, "gallery")
    same = base.domains.get(base.gallery) == base.domains.get(own, own)
    return base.gallery if same else own


def _strange(base: Bundle, manifest: Manifest) -> list[str]:
    """Domains of the pairs that the bundle does not know."""
    return sorted(set(manifest.domain.tolist()) - set(base.domains))


def _taken(base: Bundle, manifest: Manifest) -> NDArray[np.str_]:
    """What each image (n,) is turned into.

    Raises:
        UsageError: a side of several domains, or of none.
    """
    for role in ("query", "gallery"):
        _domain(manifest, role)
    return np.array([base.domains.get(str(name), str(name)) for name in manifest.domain])


def _embed(base: Bundle, manifest: Manifest) -> dict[On, NDArray[np.float32]]:
    """Features and embeddings of the pairs."""
    strange = _strange(base, manifest)
    # Features do not depend on the number of a domain: a stranger goes in as any other that
    # becomes no edge map.
    inputs = base.domain_input
    stand_in = next((name for name in inputs if name != "edge"), None)
    if strange and inputs and stand_in is None:
        raise ModelError(
            f"images of domain {strange[0]!r}",
            f"{base.name} takes {', '.join(base.domains)}",
            "name the domain of the images as one of these",
        )
    known = {**base.domains, **{name: stand_in or name for name in strange}}
    running = encoder.load(base)
    running.bundle = replace(base, domains=known)
    outputs: tuple[On, ...] = ("features", "embedding")
    return {output: running.embed(manifest, output=output) for output in outputs}


def _plans(base: Bundle, manifest: Manifest, dim: int | None) -> list[Plan]:
    """The heads that can be fitted.

    Raises:
        UsageError: none of so many dimensions.
    """
    span = len(manifest) - len(np.unique(manifest.domain))
    most: dict[On, int] = {"features": min(span, base.features)}
    if base.dim <= WHOLE and not (base.domain_input and _strange(base, manifest)):
        most["embedding"] = base.dim
    fits = [on for on in most if dim is None or dim <= most[on]]
    if not fits:
        raise UsageError(
            f"--dim {dim} with {len(manifest)} images",
            f"their features span {most['features']} dimensions"
            + (f", the embedding has {base.dim}" if "embedding" in most else ""),
            "ask for fewer dimensions, or give more pairs",
        )
    return [Plan(on, strength) for on in fits for strength in REGULARISATION]


def _pairs(
    on: On,
    vectors: dict[On, NDArray[np.float32]],
    manifest: Manifest,
    taken: NDArray[np.str_],
    rows: NDArray[np.bool_],
) -> Components:
    """What a head is learned from: some rows (n,) of an output."""
    short = on == "embedding"
    found = projection.decompose(vectors[on][rows], taken[rows], roots=not short, whole=short)
    return projection.pair(found, manifest.role[rows] == "query", manifest.instance[rows])


def _fit(plan: Plan, pairs: Components, dim: int) -> Projection:
    """The head of a plan; of fewer dimensions where its images span fewer."""
    return projection.contrast(pairs, min(dim, pairs.axes.shape[1]), plan.regularisation)


def _tried(
    plans: Sequence[Plan],
    vectors: dict[On, NDArray[np.float32]],
    manifest: Manifest,
    taken: NDArray[np.str_],
    fold: NDArray[np.bool_],
) -> dict[Plan, NDArray[np.float32]]:
    """All images, embedded by each head that has not seen a fold."""
    outputs = {plan.on for plan in plans}
    pairs = {on: _pairs(on, vectors, manifest, taken, ~fold) for on in outputs}
    return {
        plan: projection.apply(_fit(plan, pairs[plan.on], WHOLE), vectors[plan.on], taken)
        for plan in plans
    }


def _joined(parts: Sequence[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _best(scores: Sequence[dict[Plan, NDArray[np.float64]]]) -> Plan:
    """The plan with the best mean reciprocal rank over some folds."""
    means = {plan: np.concatenate([fold[plan] for fold in scores]).mean() for plan in scores[0]}
    return max(means, key=lambda plan: means[plan])


def _check(
    made: Bundle,
    head: Projection,
    vectors: NDArray[np.float32],
    manifest: Manifest,
    taken: NDArray[np.str_],
) -> None:
    """The new graph gives what the head gives.

    Raises:
        ModelError: it does not.
    """
    rows = np.linspace(0, len(manifest) - 1, min(_COMPARED, len(manifest))).astype(np.intp)
    wanted = projection.apply(head, vectors[rows], taken[rows])
    given = encoder.load(made).embed(manifest.take(rows))
    least = float((wanted * given).sum(1).min())
    if least < SAME:
        raise ModelError(
            f"the graph with its head gives vectors at a cosine of {least:.5f} to the head's own",
            f"they are the same, {SAME} at least",
            "report this bundle; adapt another meanwhile",
        )
