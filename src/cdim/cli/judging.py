"""`cdim eval`, and the judgement of a run that `cdim demo` shares."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cdim.cli import options
from cdim.cli.failures import training_extra
from cdim.errors import DataError

if TYPE_CHECKING:
    from cdim.data.catalogue import Dataset
    from cdim.data.manifest import Manifest
    from cdim.evaluation import Report
    from cdim.learn.embedder import Embedder
    from cdim.metrics.significance import Paired


@click.command("eval")
@click.argument("run", type=options.PATH)
@click.argument("dataset")
@options.data_root
@options.split
@options.device
@options.as_json
@click.option("--html", type=options.PATH, metavar="FILE", help="Write ranked lists to look at.")
@click.option("--compare", type=options.PATH, metavar="RUN2", help="Paired test against RUN2.")
def evaluate(
    run: Path,
    dataset: str,
    data: Path | None,
    split: str,
    device: str,
    as_json: bool,
    html: Path | None,
    compare: Path | None,
) -> None:
    r"""Judge the model in the folder RUN on DATASET, a name or a path.

    \b
    cdim eval runs/strong-fusion-0 qmul-shoe --html report.html
    cdim eval runs/strong-fusion-0 qmul-shoe --compare runs/strong-vanilla-0
    """
    from cdim.data.catalogue import open_dataset
    from cdim.evaluation import compare as paired

    opened = open_dataset(dataset, data)
    query, gallery = halves(opened, split)
    report = judge(load(run, device), opened, query, gallery, split)
    printed: dict[str, Any] = {**report.to_json(), "split": split}
    lines = [report.table()]
    if compare is not None:
        other = judge(load(compare, device), opened, query, gallery, split)
        found = paired(report, other)
        tests = {name: asdict(test) for name, test in found.items()}
        printed["compare"] = {"run": str(compare), "metrics": tests}
        lines += [f"minus {compare}, on the same queries:", *paired_lines(found)]
    click.echo(json.dumps(printed, indent=2) if as_json else "\n".join(lines))
    if html is not None:
        from cdim.report_page import write_page

        write_page(report, query, gallery, html)
        click.echo(f"ranked lists: {html}", err=as_json)


def paired_lines(tests: dict[str, Paired]) -> list[str]:
    """Paired tests as lines of text: the difference, its 95 % interval, p."""
    return [
        f"{name:<18}{t.difference:>+8.3f}  [{t.low:+.3f}, {t.high:+.3f}]  p = {t.p:.3g}"
        for name, t in tests.items()
    ]


def halves(dataset: Dataset, split: str) -> tuple[Manifest, Manifest]:
    """Queries and gallery of a split.

    Raises:
        DataError: the split has no queries, or no gallery.
    """
    rows = dataset.manifest.where(split=split)
    query, gallery = rows.where(role="query"), rows.where(role="gallery")
    if not len(query) or not len(gallery):
        raise DataError(
            f"{dataset.name}, split {split!r}: {len(query)} queries, {len(gallery)} in the gallery",
            "judging needs both",
            "fill the columns split and role (docs/data.md), or choose another --split",
        )
    return query, gallery


def load(run: Path, device: str) -> Embedder:
    """A run's best network."""
    with training_extra():
        from cdim.learn.embedder import load_run
    return load_run(run, device=device)


def judge(
    embedder: Embedder, dataset: Dataset, query: Manifest, gallery: Manifest, split: str
) -> Report:
    """Embeds both sides and scores them."""
    from cdim.evaluation import evaluate as score

    return score(
        embedder.embed(query),
        embedder.embed(gallery),
        query,
        gallery,
        dataset=dataset.name,
        triplets=dataset.triplets.get(split),
        seed=embedder.recipe.seed,
    )
