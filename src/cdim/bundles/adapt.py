"""A user's pairs -> a closed-form head on a bundle: `cdim adapt`. Seconds, no PyTorch.

The head (`cdim.bundles.heads`) is fitted on the bundle's `features`, or, where pairs are few, on
its `embedding`, whichever finds held-out pairs best, and becomes part of the graph. Folds of the
pairs measure the gain: every query is searched once by a head that has not seen its instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import finish
from cdim.bundles.bundle import Bundle, TrainingSet, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads import projection
from cdim.bundles.heads.choice import Candidate, On, Pairs, best, try_heads
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset
from cdim.disk import free_folder
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import HeldOut, folds_of, paired, searched_fold
from cdim.judge.split import open_tests
from cdim.metrics.significance import Paired, paired_test

DIM = 512
"""Dimensions where none are asked for, at most."""
WHOLE = 2048
"""Dimensions of an embedding, at most, for a head on it: its matrix is square."""
COMPARED = 64
"""Images that the new graph is checked on."""


@dataclass(frozen=True)
class Adapted:
    """What came of it: the new bundle, and the head that was chosen."""

    bundle: Bundle
    head: Candidate
    metric: str  # by which it is judged, such as "acc@1"
    gain: Paired  # of that metric on the held-out queries, after less before
    # datasets among the pairs that the bundle had been trained on before, so that "before" and
    # "after" are both too good
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
    layout: str | None = None,
) -> Adapted:
    """Fits a head to pairs and writes the bundle that has it.

    Of pairs with splits, the train split counts. All else is as `cdim.adapt` says.
    """
    folder = free_folder(folder)
    opened = open_tests(tests, pairs, data)
    base = place if isinstance(place, Bundle) else load_bundle(place)
    sets = [open_dataset(name, data, layout=layout) for name in pairs]
    manifest = paired(Manifest.concat([s.training() for s in sets]), most, seed)
    query, gallery = _sides(base, manifest)
    strange = sorted(set(manifest.domain.tolist()) - set(base.domains))
    domains = {**base.domains, **{name: name for name in strange}}
    taken = np.array([domains[str(name)] for name in manifest.domain])
    known = Pairs(manifest, taken, _embed(base, manifest, strange))
    outputs = _outputs(base, manifest, strange, dim)
    dim = min(DIM, base.features) if dim is None else dim
    chosen, judged = _try_folds(known, outputs, dim, seed)
    before = finish.pooled([held.measure(known.vectors["embedding"]) for held, _ in judged])
    after = finish.pooled([held.measure(found) for held, found in judged])
    metrics = judged[0][0].metrics
    trained = [TrainingSet(Path(p).name, s.terms) for p, s in zip(pairs, sets, strict=True)]
    named = {each.name for each in trained}
    seen = tuple(earlier.name for earlier in base.training if earlier.name in named)
    notes = ["the model had been trained on these images"] if seen else []
    found = {"; ".join(notes): after, "; ".join(["before adapting", *notes]): before}
    head = known.fit(chosen, dim)
    with finish.beside(folder) as work:
        made = finish.headed(base, chosen.on, head, work / "bundle", half=True)
        made = replace(
            made,
            name=folder.name,
            domains=domains,
            projection=f"{chosen.on}: {made.projection}",
            query=query,
            gallery=gallery,
            training=tuple(dict.fromkeys((*base.training, *trained))),
            metrics=finish.rows(f"pairs, {len(judged)} folds", metrics, found),
        )
        made = save_bundle(made, made.folder)
        rows = np.linspace(0, len(manifest) - 1, min(COMPARED, len(manifest))).astype(np.intp)
        wanted = projection.apply(head, known.vectors[chosen.on][rows], known.taken[rows])
        finish.check(made, manifest.take(rows), {"embedding": wanted}, half=True)
        # Of images that the model knew, distances are too small to tell anything by.
        searches = [] if seen else [part for held, x in judged for part in held.searches(x)]
        made = finish.finish(made, searches, folder, opened)
    gain = paired_test(after[metrics[0]], before[metrics[0]])
    return Adapted(made, chosen, metrics[0], gain, seen)


def _try_folds(
    pairs: Pairs, outputs: Sequence[On], dim: int, seed: int
) -> tuple[Candidate, list[tuple[HeldOut, NDArray[np.float32]]]]:
    """The head that suits all folds of the pairs best; and of each fold its searches.

    With these come embeddings (n, dim) of all images, by the head that the other folds choose.
    """
    kinds = [head for head in pairs.heads(dim) if head.kind != "components"]
    candidates = [Candidate(on, head) for on in outputs for head in kinds]
    trials = [
        try_heads(candidates, pairs.take(~fold), searched_fold(pairs.manifest, fold), pairs, dim)
        for fold in folds_of(pairs.manifest, seed)
    ]
    others = [best([*trials[:n], *trials[n + 1 :]]) for n in range(len(trials))]
    judged = [(trial.held, trial.found[head]) for trial, head in zip(trials, others, strict=True)]
    return best(trials), judged


def _sides(base: Bundle, manifest: Manifest) -> tuple[str, str]:
    """The domains of queries and galleries; of several that the bundle takes alike, the first."""
    found = []
    for role in ("query", "gallery"):
        names = np.unique(manifest.domain[manifest.role == role]).tolist()
        if len({base.domains.get(name, name) for name in names}) > 1 or names == [""]:
            raise UsageError(
                f"{role} images of the domains {', '.join(repr(name) for name in names)}",
                "each side of the pairs is of one domain, and named; photos may stand beside edge "
                "maps where the bundle takes them as such",
                "fill the column domain, or adapt to one domain at a time",
            )
        found.append(str(names[0]))
    query, gallery = found
    # Photos stay photos where the pairs show their edge maps.
    same = base.domains.get(base.gallery) == base.domains.get(gallery, gallery)
    return query, base.gallery if same else gallery


def _embed(
    base: Bundle, manifest: Manifest, strange: Sequence[str]
) -> dict[On, NDArray[np.float32]]:
    """Features and embeddings of the pairs, some of domains that the bundle does not know."""
    # Features do not depend on the number of a domain: a stranger enters as any other that
    # becomes no edge map.
    stand_in = next((name for name in base.domain_input if name != "edge"), None)
    if strange and base.domain_input and stand_in is None:
        raise ModelError(
            f"images of domain {strange[0]!r}",
            f"{base.name} takes {', '.join(base.domains)}",
            "name the domain of the images as one of these",
        )
    known = {**base.domains, **{name: stand_in or name for name in strange}}
    running = Encoder(base)
    running.bundle = replace(base, domains=known)
    return {output: running.embed(manifest, output=output) for output in get_args(On)}


def _outputs(base: Bundle, manifest: Manifest, strange: Sequence[str], dim: int | None) -> list[On]:
    """The outputs that a head can take.

    Features only where the images span as many dimensions as the embedding has: a head keeps what
    it has seen, and of few images that is little.
    """
    span = len(manifest) - len(np.unique(manifest.domain))
    most: dict[On, int] = {"features": min(span, base.features)}
    if base.dim <= WHOLE and not (base.domain_input and strange):
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
