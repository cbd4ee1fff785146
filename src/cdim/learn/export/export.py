"""From a run to a bundle: the function behind `cdim export`.

Nothing is believed that was not measured: the graph must give what the trained network gives, a
shorter or quantised embedding is judged on images held out of training, and so are the
probabilities. A network trained on everything has held out nothing; runs of the same recipe that
did (`data.fold`) then speak for it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import finish
from cdim.bundles.bundle import MODEL, Bundle, Measured, Precision, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads import projection
from cdim.bundles.heads.kinds import Head
from cdim.bundles.heads.projection import Projection
from cdim.disk import free_folder
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import HeldOut
from cdim.judge.split import sides
from cdim.learn.export import graph, parity
from cdim.learn.export.quantise import halve, quantise, sample
from cdim.learn.export.sources import Source, check_folds, open_source
from cdim.metrics.calibration import fit

PARTS = 5
"""Parts that the searches of a single held-out part are divided into, to judge probabilities."""
LOST_QUERIES, LOST_SHARE = 1, 0.005
"""How much of the first validation metric 8 bits may cost: whichever is more."""
_MEANT = Head("components", 0.5)  # where nothing is held out to choose on


@dataclass(frozen=True)
class Asked:
    """What the bundle is to be.

    Args:
        dim: dimensions of the embedding, None to leave it as trained.
        head: how it is made that short.
        precision: of the graph, as `cdim.bundles.bundle.Bundle` has it.
    """

    dim: int | None = None
    head: Head = _MEANT
    precision: Precision = "fp32"


def export(
    run: Path,
    folder: Path,
    *,
    folds: Sequence[Path] = (),
    dim: int | None = None,
    head: Head | None = None,
    precision: Precision = "fp32",
    tests: Sequence[str] = (),
    data: Path | None = None,
) -> Bundle:
    """Writes a run's best network as a bundle.

    Args:
        run: the run's folder.
        folder: the new bundle's folder; new or empty.
        folds: runs of the same recipe that held out parts of the training data; without them,
            the run's own held-out part is used, if it has one.
        dim: makes the embedding this short by a head of `cdim.bundles.heads`. Its cost stands in
            the bundle's metrics.
        head: which one; None takes the one that is best on the held-out parts.
        precision: "int8" quantises weights and activations; accepted only if the held-out
            searches, all folds together, lose at most one query or half a point. "fp16" keeps
            weights in 16 bits.
        tests: datasets whose test split is measured with the finished bundle.
        data: where datasets are; None reads CDIM_DATA.

    Raises:
        UsageError: the folder holds something, folds that held out nothing or are of another
            recipe, int8 with nothing held out, a head without dim, or more dimensions than can be
            had.
        ModelError: no run there, a graph that differs from the network, or 8 bits that cost too
            much.
        DataError: a dataset cannot be opened.
    """
    folder = free_folder(folder)
    if head is not None and dim is None:
        raise UsageError(
            f"the head {head} without dimensions",
            "a head makes the embedding shorter",
            "say how short",
            argument="dim",
        )
    for name in tests:
        sides(name, data)
    own = open_source(run, data)
    others = [open_source(fold, data) for fold in folds] or [own]
    judges = [(source, source.held) for source in others if source.held is not None]
    check_folds(own, others, bool(folds))
    if precision == "int8" and not judges:
        raise UsageError(
            "int8 with nothing held out",
            "8 bits are accepted on searches that the network has not been trained on",
            "name runs of the same recipe with data.validation and data.fold",
            argument="folds",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        work = Path(place)
        if head is None:
            head = _choose_head(judges, dim) if dim else _MEANT
        asked = Asked(dim, head, precision)
        metrics, searches = _judge(judges, asked, work)
        made = _make(own, asked, work / "bundle", check=True)
        made = replace(made, metrics=(*metrics, *finish.on_tests(made, tests, data)))
        return finish.finish(made, searches, folder)


def _choose_head(judges: Sequence[tuple[Source, HeldOut]], dim: int) -> Head:
    """The head that finds the held-out instances best, all folds together."""
    scores: dict[Head, list[NDArray[np.float64]]] = {}
    for source, held in judges:
        unseen = source.embedder.embed(held.manifest)
        for head in source.heads:
            short = projection.apply(source.project(head, dim), unseen, held.manifest.domain)
            scores.setdefault(head, []).append(held.reciprocal_ranks(short))
    means = {head: np.concatenate(parts).mean() for head, parts in scores.items()}
    return max(means, key=lambda head: means[head]) if means else _MEANT


def _judge(
    judges: Sequence[tuple[Source, HeldOut]], asked: Asked, work: Path
) -> tuple[list[Measured], list[list[fit.Search]]]:
    """The new form, measured on all folds together, beside the form it was made from.

    Raises:
        ModelError: 8 bits cost too much.
    """
    forms = [Asked()]
    forms += [replace(asked, precision="fp32")] if asked.dim else []
    forms += [asked] if asked.precision != "fp32" else []
    values: list[dict[str, list[NDArray[np.float64]]]] = [{} for _ in forms]
    searches = []
    for number, (source, held) in enumerate(judges):
        embeddings: NDArray[np.float32] | None = None
        for form, found in zip(forms, values, strict=True):
            place = work / f"fold-{number}-{forms.index(form)}"
            made = _make(source, form, place)
            embeddings = Encoder(made, "onnxruntime").embed(held.manifest)
            shutil.rmtree(place)
            for name, part in held.measure(embeddings).items():
                found.setdefault(name, []).append(part)
        if embeddings is not None:
            searches += held.searches(embeddings, PARTS if len(judges) == 1 else 1)
    pooled = [{name: np.concatenate(p) for name, p in found.items()} for found in values]
    if not judges:
        return [], []
    if asked.precision == "int8":
        _check_loss(pooled[-2], pooled[-1], judges[0][1].metrics)
    where = "validation" if len(judges) == 1 else f"validation, {len(judges)} folds"
    notes = [_note(form, last=form == asked) for form in forms]
    rows = [
        finish.measured(where, name, found[name], note)
        for note, found in reversed(list(zip(notes, pooled, strict=True)))
        for name in judges[0][1].metrics
    ]
    return rows, searches


def _note(form: Asked, last: bool) -> str:
    if last:
        return ""
    return f"{form.dim} dimensions, fp32" if form.dim else "as trained, fp32"


def _check_loss(
    before: dict[str, NDArray[np.float64]],
    after: dict[str, NDArray[np.float64]],
    metrics: Sequence[str],
) -> None:
    name = metrics[0]
    lost, n = float((before[name] - after[name]).sum()), len(before[name])
    if lost > max(LOST_QUERIES, LOST_SHARE * n):
        raise ModelError(
            f"8 bits lose {lost:.1f} of {n} held-out queries ({name} "
            f"{before[name].mean():.3f} to {after[name].mean():.3f})",
            f"at most {LOST_QUERIES} query or {100 * LOST_SHARE:g} points",
            "export in another precision",
            argument="precision",
        )


def _make(source: Source, asked: Asked, place: Path, check: bool = False) -> Bundle:
    """The graph of one run, and the bundle that says what it is, without numbers."""
    place.mkdir()
    embedder, train = source.embedder, source.train
    fitted: Projection | None = None
    if asked.dim:
        fitted = source.project(asked.head, asked.dim)
    module = graph.Graph(embedder, fitted)
    graph.write(module, place / MODEL)
    made = save_bundle(_describe(source, module, fitted, place), place)
    if asked.precision == "fp16":
        halve(made.model)
        made = save_bundle(replace(made, precision="fp16"), place)
    if check:
        parity.check(made, module, train)
    if asked.precision == "int8":
        some = train.take(sample(len(train)))
        inputs = Encoder(made, "onnxruntime").inputs(some)
        quantise(made.model, place / "quantised.onnx", inputs)
        (place / "quantised.onnx").replace(made.model)
        made = replace(made, precision="int8")
    return save_bundle(made, place)


def _describe(
    source: Source, module: graph.Graph, fitted: Projection | None, place: Path
) -> Bundle:
    embedder, train = source.embedder, source.train
    recipe = embedder.recipe
    seen = {
        role: str(train.domain[train.role == role][0])
        for role in ("query", "gallery")
        if (train.role == role).any()
    }
    names = [str(name) for name in np.unique(train.domain)]
    domains = {name: name for name in names}
    gallery = seen.get("gallery", names[0])
    if "edge" in domains and "photo" not in domains:
        domains["photo"] = "edge"
        gallery = "photo" if gallery == "edge" else gallery
    learned = recipe.loop.steps > 0 or fitted is not None
    length = None
    if fitted is not None:
        length = 1.0
    elif recipe.fusion.normalise != "none":
        length = float(np.sqrt(len(embedder.fusion.parts)))
    return Bundle(
        name=source.name,
        preprocess=embedder.preprocess,
        features=module.features_dim,
        dim=module.dim,
        backbone=recipe.model.backbone,
        taps=recipe.fusion.taps,
        final=recipe.fusion.final,
        query=seen.get("query", names[0]),
        gallery=gallery,
        domains=domains,
        training=tuple(dict.fromkeys((*(source.own if learned else ()), *source.before))),
        length=length,
        domain_input=module.domains if module.takes_domain else (),
        projection="" if fitted is None else fitted.words,
        seed=recipe.seed,
        folder=place,
    )
