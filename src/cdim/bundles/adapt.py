"""A user's pairs -> a closed-form head on a bundle: `cdim adapt`. Seconds, no PyTorch.

The head (`cdim.bundles.heads`) is fitted on the bundle's `features`, or, where pairs are few, on
its `embedding`, whichever finds held-out pairs best, and becomes part of the graph. Folds of the
pairs say what it buys: every query is searched once by a head that has not seen its instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import finish
from cdim.bundles.bundle import Bundle, Measured, TrainingSet, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads import projection
from cdim.bundles.heads.choice import Candidate, On, Pairs, best, try_heads
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset
from cdim.disk import free_folder
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import folds_of, paired, searched_fold
from cdim.judge.split import sides
from cdim.metrics.calibration.fit import Search
from cdim.metrics.significance import Paired, paired_test

DIM = 512
"""Dimensions where none are asked for, at most."""
WHOLE = 2048
"""Dimensions of an embedding, at most, for a head on it: its matrix is square."""
COMPARED = 64
"""Images that the new graph is checked on."""


@dataclass(frozen=True)
class Adapted:
    """What came of it.

    Args:
        bundle: the new one.
        head: the one that was chosen.
        metric: by which it is judged, such as "acc@1".
        gain: of that metric on the held-out queries, after less before.
        seen: datasets among the pairs that the bundle had been trained on before, so that
            "before" and "after" are both too good.
    """

    bundle: Bundle
    head: Candidate
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
    folder = free_folder(folder)
    for name in tests:
        sides(name, data)
    base = place if isinstance(place, Bundle) else load_bundle(place)
    sets = [open_dataset(name, data) for name in pairs]
    manifest = paired(Manifest.concat([s.training() for s in sets]), most, seed)
    known = Pairs(manifest, _taken(base, manifest), _embed(base, manifest))
    asked = min(DIM, base.features) if dim is None else dim
    folds = _search_folds(known, _outputs(base, manifest, dim), asked, seed)
    on, kind = folds.head.on, folds.head.head
    components = known.components(on, kind.kind)
    head = projection.fit(components, kind, min(asked, components.axes.shape[1]))
    named = {Path(p).name for p in pairs}
    seen = tuple(earlier.name for earlier in base.training if earlier.name in named)
    trained = [TrainingSet(Path(p).name, s.terms) for p, s in zip(pairs, sets, strict=True)]
    with finish.beside(folder) as work:
        made = finish.headed(base, on, head, work / "bundle", half=True)
        made = replace(
            made,
            name=folder.name,
            domains={**base.domains, **{name: name for name in _strange(base, manifest)}},
            projection=f"{on}: {made.projection}",
            query=_domain(base, manifest, "query"),
            gallery=_gallery(base, manifest),
            training=tuple(dict.fromkeys((*base.training, *trained))),
            metrics=_rows(folds, bool(seen)),
        )
        made = save_bundle(made, made.folder)
        rows = np.linspace(0, len(manifest) - 1, min(COMPARED, len(manifest))).astype(np.intp)
        wanted = projection.apply(head, known.vectors[on][rows], known.taken[rows])
        finish.check(made, manifest.take(rows), {"embedding": wanted}, half=True)
        # Of images that the model knew, distances are too small to tell anything by.
        made = finish.finish(made, [] if seen else folds.searches, folder, tests, data)
    gain = paired_test(folds.after[folds.metrics[0]], folds.before[folds.metrics[0]])
    return Adapted(made, folds.head, folds.metrics[0], gain, seen)


@dataclass(frozen=True, eq=False)
class _Folds:
    """What held-out parts of the pairs say.

    Args:
        head: that suits all of them best.
        count: how many there are.
        metrics: what is measured, the first of them to compare by.
        before: by metric, (q,) values of the held-out queries with the bundle's own embedding.
        after: the same with heads that had not seen what they were asked for.
        searches: those, by fold, to calibrate by.
    """

    head: Candidate
    count: int
    metrics: tuple[str, ...]
    before: dict[str, NDArray[np.float64]]
    after: dict[str, NDArray[np.float64]]
    searches: list[list[Search]]


def _search_folds(pairs: Pairs, outputs: Sequence[On], dim: int, seed: int) -> _Folds:
    """Holds out each fold in turn.

    Raises:
        DataError: too few pairs of a kind to search among, or a query without gallery image.
    """
    kinds = [head for head in pairs.heads(dim) if head.kind != "components"]
    candidates = [Candidate(on, head) for on in outputs for head in kinds]
    trials = [
        try_heads(candidates, pairs.take(~fold), searched_fold(pairs.manifest, fold), pairs, dim)
        for fold in folds_of(pairs.manifest, seed)
    ]
    # What is reported of a fold is what the other folds would have chosen.
    honest = [best([*trials[:n], *trials[n + 1 :]]) for n in range(len(trials))]
    judged = [(t.held, t.found[head]) for t, head in zip(trials, honest, strict=True)]
    return _Folds(
        best(trials),
        len(trials),
        trials[0].held.metrics,
        _joined([held.measure(pairs.vectors["embedding"]) for held, _ in judged]),
        _joined([held.measure(found) for held, found in judged]),
        [search for held, found in judged for search in held.searches(found)],
    )


def _joined(parts: Sequence[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rows(folds: _Folds, seen: bool) -> tuple[Measured, ...]:
    """What folds say, after and before, as rows of the bundle's record."""
    said = ["the model had been trained on these images"] if seen else []
    where = f"pairs, {folds.count} folds"
    return tuple(
        finish.measured(where, name, values[name], "; ".join(words))
        for values, words in ((folds.after, said), (folds.before, ["before adapting", *said]))
        for name in folds.metrics
    )


def _domain(base: Bundle, manifest: Manifest, role: str) -> str:
    """The domain of one side; the first of several that the bundle takes alike.

    Raises:
        UsageError: it has several that are not.
    """
    names = np.unique(manifest.domain[manifest.role == role]).tolist()
    if len({base.domains.get(name, name) for name in names}) > 1 or names == [""]:
        raise UsageError(
            f"{role} images of the domains {', '.join(repr(name) for name in names)}",
            "each side of the pairs is of one domain, and named; photos may stand beside edge maps "
            "where the bundle takes them as such",
            "fill the column domain, or adapt to one domain at a time",
        )
    return str(names[0])


def _gallery(base: Bundle, manifest: Manifest) -> str:
    """What galleries hold: photos stay photos where the pairs show their edge maps."""
    own = _domain(base, manifest, "gallery")
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
        _domain(base, manifest, role)
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
    running = Encoder(base)
    running.bundle = replace(base, domains=known)
    outputs: tuple[On, ...] = ("features", "embedding")
    return {output: running.embed(manifest, output=output) for output in outputs}


def _outputs(base: Bundle, manifest: Manifest, dim: int | None) -> list[On]:
    """The outputs that a head can take.

    Features only where the images span as many dimensions as the embedding has: a head keeps what
    it has seen, and of few images that is little.

    Raises:
        UsageError: none of so many dimensions.
    """
    span = len(manifest) - len(np.unique(manifest.domain))
    most: dict[On, int] = {"features": min(span, base.features)}
    if base.dim <= WHOLE and not (base.domain_input and _strange(base, manifest)):
        most["embedding"] = base.dim
    fits = [on for on in most if dim is None or dim <= most[on]]
    if "embedding" in fits and span < base.dim:
        fits = ["embedding"]
    if not fits:
        raise UsageError(
            f"{dim} dimensions from {len(manifest)} images",
            f"their features span {most['features']} dimensions"
            + (f", the embedding has {base.dim}" if "embedding" in most else ""),
            "give more pairs, or ask for fewer dimensions",
            argument="dim",
        )
    return fits
