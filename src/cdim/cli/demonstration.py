"""`cdim demo`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cdim.cli import options
from cdim.cli.failures import training_extra
from cdim.cli.judging import judge, load, open_test

if TYPE_CHECKING:
    from cdim.data.manifest import Manifest

RECIPE = "demo.toml"
AGAIN = "stopped; the same command goes on where it was"


@click.command()
@click.option(
    "--out",
    type=options.PATH,
    default=Path("runs", "demo"),
    show_default=True,
    metavar="DIR",
    help="Where the model, the pictures and the page go.",
)
@options.device
def demo(out: Path, device: str) -> None:
    """Train a small model on made-up products, then find held-out ones by sketch.

    Takes a few minutes on two cores. A second call uses the model of the first.
    """
    from cdim.data.catalogue import open_dataset
    from cdim.report_page import write_page

    with training_extra():
        from cdim.learn import run
        from cdim.learn.recipe import read
    model = out / "model"
    with resources.as_file(resources.files("cdim.cli") / RECIPE) as recipe:
        dataset = open_dataset(read(recipe).data.train[0])
        test = open_test(dataset, "test")
        photos = _save(test.gallery, out / "gallery")
        sketches = _save(test.query, out / "queries")
        click.echo(f"made {len(photos)} photos and {len(sketches)} sketches of them to search with")
        try:
            run.train(
                recipe, out=model, device=device, resume=(model / "last.safetensors").exists()
            )
        except KeyboardInterrupt:
            raise click.Abort(AGAIN) from None
    report = judge(load(model, device), test)
    page = out / "ranked-lists.html"
    write_page(report, test.query, test.gallery, page)
    first = report.metrics["acc@1"]
    click.echo(report.table())
    click.echo(
        f"acc@1 {first.value:.1%} (95 % interval {first.low:.1%} to {first.high:.1%}): so often "
        f"is the sketched product itself the first of {len(photos)} photos; chance is "
        f"{1 / len(photos):.1%}"
    )
    click.echo(f"look at the ranked lists: {page}")
    click.echo(f"search yourself: cdim search {photos[0].parent} {sketches[0]} --model {model}")


def _save(manifest: Manifest, folder: Path) -> list[Path]:
    """Writes a manifest's images as PNG files, so that they can be searched and looked at."""
    from PIL import Image

    from cdim.data.images import read

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, row in enumerate(manifest):
        name = row.instance.replace("/", "-")
        path = folder / f"{name}-{number:04d}.png"
        Image.fromarray(read(row.source, manifest.root)).save(path)
        paths.append(path)
    return paths
