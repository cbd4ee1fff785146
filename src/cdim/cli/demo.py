"""`cdim demo`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.progress import progress_bar, progress_bars

MODEL = "default"
PRODUCTS = "synthetic:1000:1"
"""Made-up products, none of which the model was trained on."""
SKETCHES = 200
SHOWN = 6


@click.command(cls=Verb)
@click.option(
    "--out",
    type=options.PATH,
    default=Path("runs", "demo"),
    show_default=True,
    metavar="DIR",
    help="Folder of the gallery, the sketch and the page of hits.",
)
def demo(out: Path) -> None:
    """Make a gallery of 1,000 made-up products, and find them by sketch.

    Takes about a minute; the model comes with cdim. A second call uses the gallery again.
    """
    from PIL import Image

    from cdim.bundles.queries import QueryImage
    from cdim.data.images import read
    from cdim.data.sets.catalogue import open_dataset
    from cdim.find import page
    from cdim.find.gallery import Gallery
    from cdim.find.index.indexing import index
    from cdim.find.index.sources import Source
    from cdim.metrics.significance import bootstrap

    products = open_dataset(PRODUCTS).manifest
    photos = products.where(role="gallery")
    photo = dict(zip(photos.instance.tolist(), photos.source, strict=True))
    asked = products.where(role="query").take(range(SKETCHES))
    folder = out / "gallery"
    with Gallery.open(folder, MODEL, create=True) as gallery:
        with progress_bars() as progress:
            index(gallery, Source(PRODUCTS).listed(gallery.bundle), progress=progress)
        searches, right = [], []
        with progress_bar("sketches") as progress:
            for done, row in enumerate(asked, start=1):
                look = QueryImage(read(row.source), row.domain)
                found = gallery.search(look, k=10)
                name = f"sketch of {row.metadata['title']}"
                searches.append(page.PageSearch((name,), (look,), found))
                right.append(found[0].id == photo[row.instance])
                progress(done, len(asked))
        page.write(searches[:SHOWN], gallery, out / "found.html")
        first = bootstrap(right)
        click.echo(
            f"{gallery.count()} photos in {folder}, searched with {len(asked)} sketches: the "
            f"sketched product itself comes first for {first.value:.1%} (95 % interval "
            f"{first.low:.1%} to {first.high:.1%}; chance is {1 / gallery.count():.1%})"
        )
    sketch = out / "sketch.png"
    Image.fromarray(read(asked.source[right.index(True) if any(right) else 0])).save(sketch)
    cdim = _command()
    click.echo(f"the first {SHOWN} searches, to look at: {out / 'found.html'}")
    click.echo(f"search with a sketch: {cdim} search {folder} {sketch}")
    click.echo(f"draw in a browser: {cdim} serve {folder}")


def _command() -> str:
    """How to call this cdim from here: by its name where the shell finds it, else by its file."""
    beside = Path(sys.executable).parent
    found = shutil.which("cdim")
    if found and Path(found).parent == beside:
        return "cdim"
    script = beside / "cdim"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
