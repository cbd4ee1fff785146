"""From a run to a bundle: the function behind `cdim export`.

Nothing is believed that was not measured: the graph must give what the trained network gives, a
shorter or quantised embedding is judged on images held out of training, and so are the
probabilities. A network trained on everything has held out nothing; runs of the same recipe that
did (`data.fold`) then speak for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cdim.bundles import finish
from cdim.bundles.bundle import MODEL, Bundle, Measured, Precision, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.bundles.heads import fit
from cdim.bundles.heads.choice import Candidate, best, try_heads
from cdim.bundles.heads.kinds import HEADS, Head
from cdim.disk import free_folder
from cdim.errors import ModelError, UsageError
from cdim.judge.held_out import HeldOut
from cdim.judge.split import open_tests
from cdim.learn.export import graph
from cdim.learn.export.quantise import halve, quantise, sample
from cdim.learn.export.runs import TrainedRun, check_folds, open_run
from cdim.metrics.calibration.fit import LabelledSearch

PARTS = 5
"""Parts that the searches of a single held-out part are divided into, to judge probabilities."""
LOST_QUERIES, LOST_SHARE = 1, 0.005
"""How much of the first validation metric 8 bits may cost: whichever is more."""
_MEANT = Head("components", 0.5)  # where nothing is held out to choose on


@dataclass(frozen=True)
class Variant:
    """A form of the network: as trained, or of `dim` dimensions by a head."""

    dim: int | None = None
    head: Head = _MEANT
    precision: Precision = "fp32"

    @property
    def words(self) -> str:
        """For a table of numbers."""
        return f"{self.dim} dimensions, fp32" if self.dim else "as trained, fp32"


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
    """Writes a run's best network as a bundle, as `cdim.export` says.

    The cost of a short embedding stands in the bundle's metrics. 8 bits are accepted only if the
    held-out searches, all folds together, lose at most one query or half a point.
    """
    folder = free_folder(folder)
    if head is not None and dim is None:
        raise UsageError(
            f"the head {head} without dimensions",
            "a head makes the embedding shorter",
            "say how short",
            argument="dim",
        )
    if dim is not None and dim < 1:
        raise UsageError(
            f"{dim} dimensions", "an embedding has at least one", "give more", argument="dim"
        )
    own = open_run(run, data)
    opened = open_tests(tests, own.embedder.recipe.data.train, data)
    others = [open_run(fold, data) for fold in folds]
    check_folds(own, others)
    judges = [(each, each.held) for each in others or [own] if each.held is not None]
    if precision == "int8" and not judges:
        raise UsageError(
            "int8 with nothing held out",
            "8 bits are accepted on searches that the network has not been trained on",
            "name runs of the same recipe with data.validation and data.fold",
            argument="folds",
        )
    with finish.beside(folder) as work:
        if head is None:
            head = _choose_head(judges, dim) if dim else _MEANT
        variant = Variant(dim, head, precision)
        plain = _plain(own, work / "plain", learned=dim is not None)
        rows, searches = _judge(judges, variant, {own: plain}, work)
        made = _make(own, plain, variant, work / "bundle", check=True)
        return finish.finish(replace(made, metrics=rows), searches, folder, opened)


def _choose_head(judges: Sequence[tuple[TrainedRun, HeldOut]], dim: int) -> Head:
    """The head that finds the held-out instances best, all folds together."""
    if not judges:
        return _MEANT
    fits = [run.training.heads(dim) for run, _ in judges]
    candidates = [Candidate("features", head) for head in HEADS if all(head in f for f in fits)]
    trials = [
        try_heads(candidates, run.training, held, run.pairs(held.manifest), dim)
        for run, held in judges
    ]
    return best(trials).head


def _judge(
    judges: Sequence[tuple[TrainedRun, HeldOut]],
    wanted: Variant,
    plains: dict[TrainedRun, Bundle],
    work: Path,
) -> tuple[tuple[Measured, ...], list[list[LabelledSearch]]]:
    """What is wanted, measured on all folds together, beside the form it was made from."""
    variants = list(dict.fromkeys((Variant(), replace(wanted, precision="fp32"), wanted)))
    parts: list[list[finish.Values]] = [[] for _ in variants]
    searches = []
    for number, (run, held) in enumerate(judges):
        plain = plains.get(run) or _plain(run, work / f"plain-{number}")
        for variant, found in zip(variants, parts, strict=True):
            made = _make(run, plain, variant, work / "fold")
            embeddings = Encoder(made, "onnxruntime").embed(held.manifest)
            shutil.rmtree(made.folder)
            found.append(held.measure(embeddings))
        searches += held.searches(embeddings, PARTS if len(judges) == 1 else 1)
    if not judges:
        return (), []
    pooled = [finish.pooled(found) for found in parts]
    metrics = judges[0][1].metrics
    if wanted.precision == "int8":
        _check_loss(pooled[-2], pooled[-1], metrics[0])
    where = "validation" if len(judges) == 1 else f"validation, {len(judges)} folds"
    notes = ["" if variant == wanted else variant.words for variant in variants]
    by_note = dict(zip(reversed(notes), reversed(pooled), strict=True))
    return finish.rows(where, metrics, by_note), searches


def _check_loss(before: finish.Values, after: finish.Values, name: str) -> None:
    lost, n = float((before[name] - after[name]).sum()), len(before[name])
    if lost > max(LOST_QUERIES, LOST_SHARE * n):
        raise ModelError(
            f"8 bits lose {lost:.1f} of {n} held-out queries ({name} "
            f"{before[name].mean():.3f} to {after[name].mean():.3f})",
            f"at most {LOST_QUERIES} query or {100 * LOST_SHARE:g} points",
            "export in another precision",
            argument="precision",
        )


def _make(
    run: TrainedRun, plain: Bundle, variant: Variant, place: Path, check: bool = False
) -> Bundle:
    """A variant of a run's plain bundle, without numbers."""
    head = None
    if variant.dim:
        components = run.training.components("features", variant.head.kind)
        head = fit.fit(components, variant.head, variant.dim)
        made = finish.headed(plain, "embedding", head, place)
    else:
        made = replace(plain, folder=shutil.copytree(plain.folder, place))
    if variant.precision == "fp16":
        halve(made.model)
        made = save_bundle(replace(made, precision="fp16"), place)
    if check:
        graph.check(made, graph.Graph(run.embedder), head, run.train)
    if variant.precision == "int8":
        some = run.train.take(sample(len(run.train)))
        inputs = Encoder(made, "onnxruntime").inputs(some)
        quantise(made.model, place / "quantised.onnx", inputs)
        (place / "quantised.onnx").replace(made.model)
        made = save_bundle(replace(made, precision="int8"), place)
    return made


def _plain(run: TrainedRun, place: Path, learned: bool = False) -> Bundle:
    """The network as trained, as a bundle without numbers.

    `learned` says that a head will learn from its data, where the network itself may not have.
    """
    embedder, train = run.embedder, run.train
    recipe = embedder.recipe
    module = graph.Graph(embedder)
    place.mkdir()
    graph.write(module, place / MODEL)
    names = np.unique(train.domain).tolist()
    domains = {name: name for name in names}
    query, gallery = (
        str(next(iter(train.domain[train.role == role]), names[0])) for role in ("query", "gallery")
    )
    if "edge" in domains and "photo" not in domains:
        domains["photo"] = "edge"
        gallery = "photo" if gallery == "edge" else gallery
    own = run.own if recipe.loop.steps > 0 or learned else ()
    normalised = recipe.fusion.normalise != "none"
    made = Bundle(
        name=run.name,
        preprocess=embedder.preprocess,
        features=module.features_dim,
        dim=embedder.fusion.dim,
        backbone=recipe.model.backbone,
        taps=recipe.fusion.taps,
        final=recipe.fusion.final,
        query=query,
        gallery=gallery,
        domains=domains,
        training=tuple(dict.fromkeys((*own, *run.before))),
        length=float(np.sqrt(len(embedder.fusion.parts))) if normalised else None,
        seed=recipe.seed,
    )
    return save_bundle(made, place)
