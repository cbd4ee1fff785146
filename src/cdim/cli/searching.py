"""`cdim search`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cdim.cli import options
from cdim.cli.judging import load
from cdim.cli.progress import progress_bar


@click.command()
@click.argument("folder", metavar="DIR", type=options.PATH)
@click.argument("queries", metavar="QUERY...", type=options.PATH, nargs=-1, required=True)
@click.option("--model", type=options.PATH, required=True, metavar="RUN", help="A run's folder.")
@click.option("-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Hits.")
@click.option(
    "--expand",
    type=click.IntRange(min=1),
    metavar="N",
    help="Search again with each query averaged with its N nearest images.",
)
@click.option(
    "--rerank",
    is_flag=True,
    help="Re-rank by k-reciprocal neighbours; for folders of several images a thing.",
)
@options.device
@options.as_json
@click.option("--html", type=options.PATH, metavar="FILE", help="Write a page with the pictures.")
def search(
    folder: Path,
    queries: tuple[Path, ...],
    model: Path,
    k: int,
    expand: int | None,
    rerank: bool,
    device: str,
    as_json: bool,
    html: Path | None,
) -> None:
    """Find in the folder DIR what the QUERY images show, nearest first.

    Files that cannot be read are named at the end. Distances are Euclidean, between embeddings;
    with --expand from the averaged query, with --rerank from 0 to 1 and changing with the other
    queries and images.

    \b
    cdim search photos/ sketch.png --model runs/strong-fusion-0 --html found.html
    """  # noqa: D301 - click wants the character
    from cdim.find import page
    from cdim.find import search as finding

    with progress_bar("images") as progress:
        embed = load(model, device).embed
        found = finding.search(embed, folder, queries, k, progress, expand=expand, rerank=rerank)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        for query, hits in found.hits.items():
            click.echo(f"{query} in {found.gallery} images; distances: {found.distances}")
            for rank, hit in enumerate(hits, start=1):
                click.echo(f"{rank:>4}  {hit.distance:8.4f}  {click.format_filename(hit.path)}")
        for why in found.unreadable.values():
            click.echo(f"left out: {why}", err=True)
    if html is not None:
        page.write(found, html)
        click.echo(f"the pictures: {html}", err=as_json)
