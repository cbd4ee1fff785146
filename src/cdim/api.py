"""What `import cdim` gives: functions from a name, a file or a folder to a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from cdim import strict
from cdim.bundles.bundle import RECORD, Bundle, Precision, is_bundle, load_bundle, shipped
from cdim.bundles.encoder import Encoder
from cdim.data.sets.catalogue import KNOWN, Card, Dataset, open_dataset
from cdim.errors import ModelError, UsageError, training_extra
from cdim.judge.compare import Comparison
from cdim.judge.options import PLAIN, Device, EvalOptions
from cdim.judge.report import Report
from cdim.judge.split import EvalSplit, judge, open_test
from cdim.strict import checked

C = TypeVar("C", "Card", "ModelCard")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ModelCard:
    """A model that comes with cdim.

    Args:
        name: what `load` takes.
        title: what it finds, and how.
        terms: what may be done with it: those of everything it was trained on.
    """

    name: str
    title: str
    terms: str


class Cards(tuple[C, ...]):
    """Known models or datasets. Printed, they are a table."""

    def __str__(self) -> str:
        return "\n".join(f"{card.name:<20}{card.title}; {card.terms}" for card in self)


@checked
def list_models() -> Cards[ModelCard]:
    """The models that come with cdim.

    >>> [model.name for model in list_models()]
    ['default', 'people']
    """
    found = []
    for bundle in map(load_bundle, shipped()):
        title = f"{bundle.query} to {bundle.gallery}, {bundle.backbone}, {bundle.dim} dimensions"
        terms = dict.fromkeys(seen.terms for seen in bundle.training)
        found.append(ModelCard(bundle.name, title, "; ".join(terms)))
    return Cards(found)


@checked
def list_datasets() -> Cards[Card]:
    """The datasets that `open_dataset` knows by name.

    >>> "qmul-shoe" in [dataset.name for dataset in list_datasets()]
    True
    """
    return Cards(KNOWN.values())


@checked
def load(
    model: str | Path | Bundle | Encoder, device: Device = "auto", how: EvalOptions = PLAIN
) -> Any:
    """A model, ready to encode images.

    >>> load("default")
    <Encoder 'default': edge, sketch, photo to 512 dimensions>

    Args:
        model: a name of `list_models`, a bundle or its folder, or the folder of a training run
            (with `cdim[train]`).
        device: where a run's network computes: "auto", "cpu", "cuda" or "mps". A bundle computes on
            the CPU.
        how: the middle maps to join to a run's embedding, as
            `cdim.judge.options.EvalOptions(join=("conv2",))`.

    Returns:
        An `Encoder`, or a run's network, which encodes as well.

    Raises:
        ModelError: neither a bundle nor a run is there, or it is damaged.
        UsageError: an option that only runs have, for a bundle.
        MissingExtra: a run, and `cdim[train]` is not installed.
    """
    if isinstance(model, Encoder):
        _check_plain(model, device, how)
        return model
    if not isinstance(model, Bundle):
        here = os.fspath(model)
        run = os.path.isfile(os.path.join(here, "best.safetensors"))
        if run and not os.path.isfile(os.path.join(here, RECORD)):
            with training_extra():
                from cdim.learn.networks import embedder
            found = embedder.load_run(Path(model), device=device)
            if how.join:
                found.join(how.join, how.join_pool, "l2" if how.join_l2 else "none")
            return found
        if not is_bundle(model):
            raise ModelError(
                f"{model} is neither a run nor a bundle",
                "a run is the folder of a training, a bundle that of an export, or "
                f"one of {', '.join(shipped())}",
                "check the path",
            )
    _check_plain(f"the bundle {model.name if isinstance(model, Bundle) else model}", device, how)
    return Encoder(model)


@checked
def evaluate(
    model: Any,
    dataset: str | Path | Dataset,
    *,
    data: str | Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    device: Device = "auto",
    progress: Progress | None = None,
    **how: Any,
) -> Report:
    """Judges a model on a dataset: embeds its queries and its gallery, and ranks.

    >>> report = evaluate("default", "synthetic:20:1")
    >>> report.queries, report.protocol
    (6, 'instance')

    Args:
        model: a name, a bundle, a run, or a loaded model.
        dataset: a name of `list_datasets`, a CSV file, a folder or a zip, or a `Dataset`.
        data: the folder of the known datasets; None reads CDIM_DATA.
        split: which part of the dataset.
        device: where a run's network computes.
        progress: called with what is embedded, and how many of how many images are done.
        how: how to judge: `protocol`, `multi_query`, `expand`, `rerank`, `join`, `join_pool` and
            `join_l2`, such as `protocol="cross-camera"`.

    Returns:
        The report. Printed, it is the table of its numbers with their intervals.

    Raises:
        ModelError: no such model.
        DataError: no such dataset, or a split without queries or gallery.
        UsageError: the split lacks what `how` needs.
    """
    test = _opened(dataset, data, split, how)
    return judge(_judged(model, device, test.how), test, progress)


@checked
def compare(
    a: Any,
    b: Any,
    dataset: str | Path | Dataset,
    *,
    data: str | Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    progress: Progress | None = None,
    device: Device = "auto",
    **how: Any,
) -> Comparison:
    """Tests a model against another on the same queries of a dataset.

    >>> compare("default", "default", "synthetic:20:1")["acc@1"].difference
    0.0

    Args:
        a: a name, a bundle, a run, or a loaded model.
        b: likewise.
        dataset, data, split, device, progress, how: as for `evaluate`.

    Returns:
        By metric: the mean of a minus that of b, its 95 % interval and p. Printed, it is a table.

    Raises:
        CdimError: as `evaluate`.
    """
    from cdim.judge.compare import compare

    test = _opened(dataset, data, split, how)
    one, other = (judge(_judged(m, device, test.how), test, progress) for m in (a, b))
    return compare(one, other)


def _opened(
    dataset: str | Path | Dataset, data: str | Path | None, split: str, how: dict[str, Any]
) -> EvalSplit:
    options = strict.build(EvalOptions, how, strict.Document("evaluation", UsageError))
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset, data)
    return open_test(opened, split, options)


def _judged(model: Any, device: Device, how: EvalOptions) -> Any:
    """A loaded model as it is, another one loaded.

    Raises:
        UsageError: an option of loading, for a model that is loaded.
    """
    if isinstance(model, type) or not callable(getattr(model, "embed", None)):
        return load(model, device, how)
    _check_plain(model, device, how)
    return model


def _check_plain(model: Any, device: Device, how: EvalOptions) -> None:
    """Refuses options that only a run has while it is loaded."""
    if how.join or device not in ("auto", "cpu"):
        asked = f"the joined map {how.join[0]}" if how.join else f"the device {device}"
        raise UsageError(
            f"{asked} for {model}",
            "a bundle is a finished graph on the CPU, and a loaded run stays as it was loaded",
            "give the run's folder, or leave this out",
            argument="join" if how.join else "device",
        )


@checked
def adapt(
    model: str | Path | Bundle | Encoder,
    pairs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    dim: int | None = None,
    most: int | None = None,
    seed: int = 0,
    tests: Sequence[str] = (),
    data: str | Path | None = None,
    layout: str | None = None,
) -> Bundle:
    """Fits a bundle to pairs: writes a new bundle with a head solved for in closed form.

        mine = cdim.adapt("default", "my-pairs.csv", "mine")
        cdim.Gallery.open("gallery", model=mine, create=True)

    Args:
        model: the bundle to start from: its name, its folder, or itself.
        pairs: one or more datasets, CSV files or folders with queries and gallery images of the
            same instances.
        out: the new bundle's folder; new or empty.
        dim: dimensions of its embedding; None for 512, or as many as the pairs allow.
        most: use this many instances only, drawn by `seed`; None for all.
        seed: of that draw and of the folds.
        tests: datasets whose test split is measured with the new bundle.
        data: the folder of the known datasets; None reads CDIM_DATA.
        layout: of the folders, as for `open_dataset`.

    Returns:
        The new bundle. Its `metrics` hold the searches of held-out pairs, before and after.

    Raises:
        UsageError: a folder that holds something, too few pairs, or a number out of range.
        DataError: a dataset cannot be opened, or a query has no gallery image.
        ModelError: no bundle there, or a graph that no head can be put on.
    """
    from cdim.bundles.adapt import adapt

    return adapt(
        model.bundle if isinstance(model, Encoder) else model,
        [str(pairs)] if isinstance(pairs, str | Path) else list(map(str, pairs)),
        Path(out),
        dim=dim,
        most=most,
        seed=seed,
        tests=tests,
        data=None if data is None else Path(data),
        layout=layout,
    ).bundle


@checked
def train(
    recipe: str | Path,
    *,
    seed: int | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    data: str | Path | None = None,
    device: Device = "auto",
    resume: bool = False,
) -> Path:
    """Trains a model by a recipe (with `cdim[train]`).

        run = cdim.train("recipes/strong-fusion.toml", seed=1)
        cdim.export(run, "sketch", dim=512)

    Args:
        recipe: a TOML file.
        seed: replaces the recipe's.
        out: the run's folder; None for `runs/<name>-<seed>`.
        overrides: "part.key=value" each, such as "loss.margin=0.2".
        data: the folder of the known datasets; None reads CDIM_DATA.
        device: where the network is trained.
        resume: resume the run in that folder.

    Returns:
        The run's folder.

    Raises:
        RecipeError: a wrong recipe.
        TrainingError: training cannot continue.
        MissingExtra: `cdim[train]` is not installed.
    """
    with training_extra():
        from cdim.learn.training.run import train
    folder, root = (None if path is None else Path(path) for path in (out, data))
    return train(Path(recipe), overrides, root, folder, device, resume, seed)


@checked
def export(
    run: str | Path,
    out: str | Path,
    *,
    folds: Sequence[str | Path] = (),
    dim: int | None = None,
    head: str | None = None,
    precision: Precision = "fp32",
    tests: Sequence[str] = (),
    data: str | Path | None = None,
) -> Bundle:
    """Writes a run's best network as a bundle, which needs no PyTorch (with `cdim[train]`).

    Args:
        run: the run's folder.
        out: the bundle's folder; new or empty.
        folds: runs of the same recipe that held out parts of the training data; without them,
            the run's own held-out part serves.
        dim: makes the embedding this short by a closed-form head; None leaves it as trained.
        head: which one, such as "csls:1" or "pairs:0.3"; None for the best on held-out searches.
        precision: "fp16" keeps weights in 16 bits; "int8" quantises weights and activations, and
            is accepted only if held-out searches stay as good.
        tests: datasets whose test split is measured with the bundle.
        data: the folder of the known datasets; None reads CDIM_DATA.

    Returns:
        The bundle.

    Raises:
        UsageError: the folder holds something, or options that do not go together.
        ModelError: no run there, or a graph that differs from the network.
        DataError: a dataset cannot be opened.
        MissingExtra: `cdim[train]` is not installed.
    """
    from cdim.bundles.heads.kinds import read_head

    with training_extra():
        from cdim.learn.export.export import export
    return export(
        Path(run),
        Path(out),
        folds=list(map(Path, folds)),
        dim=dim,
        head=None if head is None else read_head(head),
        precision=precision,
        tests=tests,
        data=None if data is None else Path(data),
    )
