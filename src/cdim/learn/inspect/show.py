"""Heat maps of a layer's filters, and all filters ranked: the function behind `cdim show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdim.data.edges import edge_map
from cdim.data.images import load_stack, read
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import UsageError
from cdim.learn.inspect.activations import FilterAgreement, agreement, maps, pairs
from cdim.learn.inspect.heat_maps import sheet
from cdim.learn.networks.embedder import load_run
from cdim.metrics.significance import Estimate, bootstrap

FINE = 64
"""Rows and columns of the maps in a picture, at most."""


@dataclass(frozen=True)
class ShownFilters:
    """What was shown; prints as a table."""

    found: FilterAgreement  # how alike every filter responds to both sides of the pairs
    margins: Mapping[int, Estimate]  # of the filters in the picture, by their numbers
    picture: Path  # the heat maps, a PNG file
    table: Path  # all filters, a CSV file, best first

    def __str__(self) -> str:
        """The filters of the picture, a line each."""
        lines = [
            f"{'filter':>6}  {'margin':>7}  {'95 % interval':<18}{'acc@1 %':>8}  {'fires in %':>10}"
        ]
        for n, one in self.margins.items():
            interval = f"[{one.low:+.3f}, {one.high:+.3f}]"
            first, fires = 100 * self.found.first[:, n].mean(), 100 * self.found.fires[n]
            lines.append(f"{n:>6}  {one.value:>+7.3f}  {interval:<18}{first:>8.1f}  {fires:>10.1f}")
        return "\n".join(lines)


def show_activations(
    run: Path,
    images: Sequence[str | Path],
    out: Path,
    *,
    layer: str,
    filters: Sequence[int] = (),
    top: int = 6,
    shown: int = 4,
    edges: bool = False,
    data: Path | None = None,
    split: str = "test",
    device: str = "auto",
) -> ShownFilters:
    """Shows where the filters of a layer fire, and ranks those that fire alike on both sides.

    Args:
        run: a run's folder.
        images: files in pairs (a sketch, its photo, the next sketch, ...), or one dataset.
        out: the folder that gets activations.png and filters.csv.
        layer: one of the network's taps that gives a map.
        filters: those in the picture, from 0; () for the `top` best.
        shown: pairs in the picture, at most.
        edges: turn the second image of each pair into an edge map first.
        data, split: of a dataset.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        ModelError: no run there.
        UsageError: no such layer or filter, files that are no pairs, or edges of a dataset.
        DataError: an image or a dataset cannot be read, or no instance has two sides.
    """
    network = load_run(run, device=device)
    manifest = _manifest(images, data, split, edges)
    rows = pairs(manifest)
    stacks = [load_stack(manifest.take(side), network.preprocess) for side in rows.T]
    queries, matches = (maps(network, layer, stack) for stack in stacks)
    found = agreement(queries, matches, manifest.category[rows[:, 0]])
    ranked = found.ranked()
    beyond = [n for n in filters if not 0 <= n < len(ranked)]
    if beyond:
        raise UsageError(
            f"the filters {', '.join(map(str, beyond))}",
            f"layer {layer} has {len(ranked)} filters, 0 to {len(ranked) - 1}",
            "name some of these",
            argument="filters",
        )
    margins = {n: bootstrap(found.margin[:, n]) for n in filters or map(int, ranked[:top])}
    few = [stack[:shown] for stack in stacks]
    fine = [maps(network, layer, stack, cells=FINE).numpy() for stack in few]
    lines = []
    for n, one in margins.items():
        label = f"filter {n}\nmargin {one.value:+.2f}\n[{one.low:+.2f}, {one.high:+.2f}]"
        lines.append((label, list(zip(fine[0][:, n], fine[1][:, n], strict=True))))
    views = [network.preprocess.center(stack) for stack in few]
    title = f"{run.name}, {layer}: {len(margins)} of {len(ranked)} filters, over {len(rows)} pairs"
    out.mkdir(parents=True, exist_ok=True)
    picture, table = out / "activations.png", out / "filters.csv"
    sheet(list(zip(*views, strict=True)), lines, title).save(picture)
    _write(table, found)
    return ShownFilters(found, margins, picture, table)


def _manifest(images: Sequence[str | Path], data: Path | None, split: str, edges: bool) -> Manifest:
    """The images as queries and gallery: files in pairs, or a split of a dataset."""
    if len(images) == 1:
        if edges:
            raise UsageError(
                "edge maps of a dataset",
                "image files are turned into edge maps; a dataset is shown as it is",
                "name the files, or leave this out",
                argument="edges",
            )
        return open_dataset(str(images[0]), data).manifest.where(split=split)
    if len(images) % 2:
        raise UsageError(
            f"{len(images)} images",
            "files come in pairs: a query and its match, the next query and its match",
            "add the one that is missing, or name one dataset",
        )
    pixels = [read(str(image)) for image in images]
    if edges:
        pixels[1::2] = [edge_map(photo) for photo in pixels[1::2]]
    count = len(images) // 2
    return Manifest.build(
        pixels,
        [str(number) for number in range(count) for _ in range(2)],
        domain=["query", "match"] * count,
        role=["query", "gallery"] * count,
    )


def _write(table: Path, found: FilterAgreement) -> None:
    """Every filter as a line of CSV, best first."""
    columns = (found.margin, found.alike, found.unlike, found.first, found.fires[None])
    means = [values.mean(axis=0) for values in columns]
    text = "filter,margin,alike,unlike,acc@1,fires\n"
    for n in found.ranked():
        text += ",".join([str(n), *(f"{mean[n]:.4f}" for mean in means)]) + "\n"
    table.write_text(text, encoding="utf-8")
