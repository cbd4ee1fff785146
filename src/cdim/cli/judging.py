"""`cdim eval`, and the judgement of a model that `cdim results` shares."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from cdim.cli import options
from cdim.cli.failures import training_extra
from cdim.cli.options import PLAIN, How
from cdim.cli.progress import progress_bar
from cdim.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cdim.data.catalogue import Dataset
    from cdim.data.manifest import Manifest
    from cdim.data.triplets import Triplets
    from cdim.learn.embedder import Embedder
    from cdim.metrics.significance import Paired
    from cdim.report import Report


@click.command("eval")
@click.argument("model", type=options.PATH)
@click.argument("dataset")
@options.data_root
@options.split
@options.device
@options.judging
@click.option("--cameras", is_flag=True, help="Print the numbers by pair of cameras, too.")
@options.as_json
@click.option("--html", type=options.PATH, metavar="FILE", help="Write ranked lists to look at.")
@click.option("--compare", type=options.PATH, metavar="MODEL2", help="Paired test against MODEL2.")
def evaluate(
    model: Path,
    dataset: str,
    data: Path | None,
    split: str,
    device: str,
    how: How,
    cameras: bool,
    as_json: bool,
    html: Path | None,
    compare: Path | None,
) -> None:
    """Judge MODEL, a run or a bundle, on DATASET, a name or a path.

    \b
    cdim eval runs/strong-fusion-0 qmul-shoe --html report.html
    cdim eval runs/strong-fusion-0 qmul-shoe --compare runs/strong-vanilla-0
    cdim eval runs/reid-small-fusion-0 market1501 --multi-query average --rerank --cameras
    """  # noqa: D301 - click wants the character
    from cdim.comparison import compare as paired
    from cdim.conditions import by_camera
    from cdim.data.catalogue import open_dataset

    opened = open_dataset(dataset, data)
    test = open_test(opened, split, how)
    if cameras and not by_camera(test.protocol, test.query, test.gallery):
        raise UsageError(
            f"--cameras for {opened.name}, protocol {test.protocol}",
            "numbers by camera need cameras, and the protocol cross-camera or any-camera",
            "leave --cameras out, or fill the column camera and choose one of these protocols",
        )
    report = judge(load(model, device, how), test)
    printed: dict[str, Any] = {**report.to_json(), "split": split}
    lines = [report.table()]
    if cameras:
        lines += ["", report.camera_table()]
    if compare is not None:
        other = judge(load(compare, device), test)
        found = paired(report, other)
        tests = {name: asdict(test) for name, test in found.items()}
        printed["compare"] = {"run": str(compare), "metrics": tests}
        lines += [f"minus {compare}, on the same queries:", *paired_lines(found)]
    click.echo(json.dumps(printed, indent=2) if as_json else "\n".join(lines))
    if html is not None:
        from cdim.report_page import write_page

        write_page(report, test.query, test.gallery, html)
        click.echo(f"ranked lists: {html}", err=as_json)


def paired_lines(tests: dict[str, Paired]) -> list[str]:
    """Paired tests as lines of text: the difference, its 95 % interval, p."""
    return [
        f"{name:<18}{t.difference:>+8.3f}  [{t.low:+.3f}, {t.high:+.3f}]  p = {t.p:.3g}"
        for name, t in tests.items()
    ]


@dataclass(frozen=True)
class TestSet:
    """What a model is judged on, and how.

    Args:
        dataset: its name.
        query: the queries.
        gallery: the gallery, junk among it.
        views: further views of the queries' people, None for single query.
        protocol: who may match whom.
        how: the rest of what the command line asked for.
        triplets: human triplets of the split, None where there are none.
    """

    dataset: str
    query: Manifest
    gallery: Manifest
    views: Manifest | None
    protocol: str
    how: How
    triplets: Triplets | None


def open_test(dataset: Dataset, split: str, how: How = PLAIN) -> TestSet:
    """Queries and gallery of a split, checked before anything is embedded.

    Raises:
        DataError: the split has no queries, or no gallery, or they do not fit together.
        UsageError: the split has not what `how` asks for.
    """
    from cdim.conditions import check_views, choose_protocol

    rows = dataset.manifest.where(split=split)
    query, gallery = rows.where(role="query"), rows.where(role=("gallery", "junk"))
    if not len(query) or not (gallery.role == "gallery").any():
        count = int((gallery.role == "gallery").sum())
        raise DataError(
            f"{dataset.name}, split {split!r}: {len(query)} queries, {count} in the gallery",
            "judging needs both",
            "fill the columns split and role (docs/data.md), or choose another --split",
        )
    views = rows.where(role="multi-query") if how.multi_query else None
    if views is not None and not len(views):
        raise UsageError(
            f"--multi-query {how.multi_query} for {dataset.name}, split {split!r}",
            "further views of the queries' people are needed: rows of the role multi-query, "
            "or the folder gt_bbox of Market-1501's layout",
            "add them, or leave --multi-query out",
        )
    protocol = choose_protocol(how.protocol, query, gallery)
    if views is not None:
        check_views(query, views)
    return TestSet(
        *(dataset.name, query, gallery, views),
        protocol,
        how,
        dataset.triplets.get(split),
    )


class Model(Protocol):
    """A run's network or a bundle: what can be judged."""

    @property
    def seed(self) -> int | None:
        """The seed it was trained with."""

    def embed(
        self, manifest: Manifest, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (n, d)."""


def load(place: Path, device: str, how: How = PLAIN) -> Model:
    """The model in a folder, a bundle or a run.

    Raises:
        ModelError: neither is there.
        UsageError: an option that only runs have, for a bundle.
    """
    from cdim import bundle

    run = (place / "best.safetensors").is_file()
    if run and not (place / bundle.RECORD).is_file():
        return load_run(place, device, how)
    if not bundle.is_bundle(place):
        raise ModelError(
            f"{place} is neither a run nor a bundle",
            "a run is a folder that `cdim train` wrote, a bundle one that `cdim export` wrote, or "
            f"one of {', '.join(bundle.shipped())}",
            "check the path",
        )
    if how.join or device not in ("auto", "cpu"):
        asked = f"--join {how.join[0]}" if how.join else f"--device {device}"
        raise UsageError(
            f"{asked} for the bundle {place}",
            "a bundle is a finished graph on the CPU",
            "judge the run, or leave the option out",
        )
    from cdim.encoder import load as encoder

    return encoder(place)


def load_run(run: Path, device: str, how: How = PLAIN) -> Embedder:
    """A run's best network, with the middle maps joined that `how` names.

    Raises:
        RecipeError: a map its backbone does not have.
    """
    with training_extra():
        from cdim.learn import embedder as embedders
    embedder = embedders.load_run(run, device=device)
    if how.join:
        embedder.join(how.join, how.join_pool, "l2" if how.join_l2 else "none")
    return embedder


def judge(model: Model, test: TestSet) -> Report:
    """Embeds all sides and scores them."""
    from cdim.evaluation import Views
    from cdim.evaluation import evaluate as score

    def embedded(what: str, manifest: Manifest) -> NDArray[np.float32]:
        with progress_bar(what) as progress:
            return model.embed(manifest, progress)

    views, pooled = test.views, test.how.multi_query
    return score(
        embedded("queries", test.query),
        embedded("gallery", test.gallery),
        test.query,
        test.gallery,
        dataset=test.dataset,
        protocol=test.protocol,
        views=Views(embedded("views", views), views, pooled) if views and pooled else None,
        expand=test.how.expand,
        rerank=test.how.rerank,
        triplets=test.triplets,
        seed=model.seed,
    )
