"""`cdim show activations`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cdim.cli import options
from cdim.cli.failures import VerbGroup
from cdim.data.images import load_stack
from cdim.errors import UsageError, training_extra
from cdim.metrics.significance import bootstrap

if TYPE_CHECKING:
    from cdim.data.manifest import Manifest
    from cdim.learn.inspect.activations import FilterAgreement
    from cdim.metrics.significance import Estimate


FINE = 64
"""Rows and columns of the maps in a picture, at most."""


@click.group(cls=VerbGroup)
def show() -> None:
    """Look inside a trained model."""


@show.command()
@click.argument("run", type=options.PATH)
@click.argument("images", nargs=-1, required=True)
@click.option("--layer", required=True, help="A layer by name: pool5, blocks.4, layer4.1, ...")
@click.option(
    "--filters",
    metavar="N,N,...",
    help="Show these filters, counted from 0 [default: the --top best].",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=6, show_default=True, help="Number of filters."
)
@click.option(
    "--pairs",
    "shown",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Number of pairs to show.",
)
@click.option(
    "--edges", is_flag=True, help="Turn the second image of each pair into an edge map first."
)
@click.option(
    "-o", "--out", type=options.PATH, required=True, metavar="DIR", help="Folder of the results."
)
@options.data_root
@options.split
@options.device
def activations(
    run: Path,
    images: tuple[str, ...],
    layer: str,
    filters: str | None,
    top: int,
    shown: int,
    edges: bool,
    out: Path,
    data: Path | None,
    split: str,
    device: str,
) -> None:
    """Show where the filters of a layer of RUN fire, and rank those that fire alike on both sides.

    IMAGES are files, in pairs (a sketch, its photo, the next sketch, ...), or one dataset, a name
    or a path, whose pairs of --split are ranked over and the first of which are shown. DIR gets
    activations.png, heat maps side by side, and filters.csv, all filters, best first.

    \b
    cdim show activations runs/small-fusion-0 shoe.png shoe.jpg --edges --layer blocks.4 -o look
    cdim show activations runs/strong-fusion-0 qmul-shoe --split train --layer pool5 -o look
    """  # noqa: D301 - click wants the character
    with training_extra():
        from cdim.learn.inspect import activations as look
        from cdim.learn.inspect.heat_maps import sheet
        from cdim.learn.networks.embedder import load_run
    chosen = _numbers(filters)
    network = load_run(run, device=device)
    manifest = _manifest(images, data, split, edges)
    rows = look.pairs(manifest)
    stacks = [load_stack(manifest.take(side), network.preprocess) for side in rows.T]
    queries, matches = (look.maps(network, layer, stack) for stack in stacks)
    found = look.agreement(queries, matches, manifest.category[rows[:, 0]])
    ranked = found.ranked()
    beyond = [n for n in chosen if n >= len(ranked)]
    if beyond:
        raise UsageError(
            f"--filters {filters}",
            f"layer {layer} has {len(ranked)} filters, 0 to {len(ranked) - 1}",
            "name some of these",
        )
    picked = chosen or [int(n) for n in ranked[:top]]
    estimates = {n: bootstrap(found.margin[:, n]) for n in picked}
    few = [stack[:shown] for stack in stacks]
    fine = [look.maps(network, layer, stack, cells=FINE).numpy() for stack in few]
    lines = [
        (_label(n, one), list(zip(fine[0][:, n], fine[1][:, n], strict=True)))
        for n, one in estimates.items()
    ]
    views = [network.preprocess.center(stack) for stack in few]
    title = f"{run.name}, {layer}: {len(picked)} of {len(ranked)} filters, over {len(rows)} pairs"
    out.mkdir(parents=True, exist_ok=True)
    sheet(list(zip(*views, strict=True)), lines, title).save(out / "activations.png")
    (out / "filters.csv").write_text(_table(found), encoding="utf-8")
    click.echo(_summary(found, estimates))
    click.echo(f"pictures: {out / 'activations.png'}; all filters: {out / 'filters.csv'}")


def _numbers(text: str | None) -> list[int]:
    """The filters that --filters names."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"--filters {text}", "it is numbers from 0, divided by commas", "e.g. --filters 3,17"
        )
    return list(dict.fromkeys(int(part) for part in parts))


def _manifest(images: tuple[str, ...], data: Path | None, split: str, edges: bool) -> Manifest:
    """The images as queries and gallery: files in pairs, or a split of a dataset."""
    from cdim.data.edges import edge_map
    from cdim.data.images import read
    from cdim.data.manifest import Manifest
    from cdim.data.sets.catalogue import open_dataset

    if len(images) == 1:
        manifest = open_dataset(images[0], data).manifest.where(split=split)
        if edges:
            raise UsageError(
                "--edges for a dataset",
                "it is for image files; a dataset is shown as it is",
                "leave it out, or name the files",
            )
        return manifest
    if len(images) % 2:
        raise UsageError(
            f"{len(images)} images",
            "files come in pairs: a query and its match, the next query and its match",
            "add the one that is missing, or name one dataset",
        )
    pixels = [read(image) for image in images]
    if edges:
        pixels[1::2] = [edge_map(photo) for photo in pixels[1::2]]
    count = len(images) // 2
    return Manifest.build(
        pixels,
        [str(number) for number in range(count) for _ in range(2)],
        domain=["query", "match"] * count,
        role=["query", "gallery"] * count,
    )


def _label(number: int, margin: Estimate) -> str:
    """The text beside a filter's heat maps."""
    interval = f"[{margin.low:+.2f}, {margin.high:+.2f}]"
    return f"filter {number}\nmargin {margin.value:+.2f}\n{interval}"


def _table(found: FilterAgreement) -> str:
    """Every filter as a line of CSV, best first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["filter", "margin", "alike", "unlike", "acc@1", "fires"])
    for n in found.ranked():
        values = (found.margin[:, n], found.alike[:, n], found.unlike[:, n], found.first[:, n])
        writer.writerow([n, *(f"{v.mean():.4f}" for v in values), f"{found.fires[n]:.4f}"])
    return text.getvalue()


def _summary(found: FilterAgreement, estimates: dict[int, Estimate]) -> str:
    lines = [
        f"{'filter':>6}  {'margin':>7}  {'95 % interval':<18}{'acc@1 %':>8}  {'fires in %':>10}"
    ]
    for n, one in estimates.items():
        interval = f"[{one.low:+.3f}, {one.high:+.3f}]"
        lines.append(
            f"{n:>6}  {one.value:>+7.3f}  {interval:<18}{100 * found.first[:, n].mean():>8.1f}"
            f"  {100 * found.fires[n]:>10.1f}"
        )
    return "\n".join(lines)
