"""A gallery of made-up products, found by sketch: the function behind `cdim demo`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cdim.bundles.queries import QueryImage
from cdim.data.images import read
from cdim.data.sets.catalogue import open_dataset
from cdim.find import page
from cdim.find.gallery import Gallery
from cdim.metrics.significance import Estimate, bootstrap

MODEL = "default"
PRODUCTS = "synthetic:1000:1"  # made-up products, none of which the model was trained on
SKETCHES = 200
SHOWN = 6


@dataclass(frozen=True)
class Demo:
    """What the demo made and found; prints as a sentence."""

    gallery: Path
    items: int
    sketches: int
    first: Estimate  # share of searches whose first hit is the sketched product, 0 to 1
    page: Path  # the first searches with their hits, an HTML file
    sketch: Path  # one that is found, a PNG file

    def __str__(self) -> str:
        return (
            f"{self.items} photos in {self.gallery}, searched with {self.sketches} sketches: the "
            f"sketched product itself comes first for {self.first.value:.1%} (95 % interval "
            f"{self.first.low:.1%} to {self.first.high:.1%}; chance is {1 / self.items:.1%})"
        )


def demo(out: Path, progress: Callable[[str, int, int], None] | None = None) -> Demo:
    """Makes a gallery of made-up products below `out`, or takes the one there, and searches it.

    Raises:
        GalleryError: the folder holds something else, or its gallery is in use.
        DataError: the page cannot be written.
    """
    products = open_dataset(PRODUCTS).manifest
    photos = products.where(role="gallery")
    photo = dict(zip(photos.instance.tolist(), photos.source, strict=True))
    queries = products.where(role="query").take(range(SKETCHES))
    searches, right = [], []
    with Gallery.open(out / "gallery", MODEL, create=True) as gallery:
        gallery.index(PRODUCTS, progress=progress)
        for done, row in enumerate(queries, start=1):
            look = QueryImage(read(row.source), row.domain)
            found = gallery.search(look, k=10)
            name = f"sketch of {row.metadata['title']}"
            searches.append(page.PageSearch((name,), (look,), found))
            right.append(found[0].id == photo[row.instance])
            if progress is not None:
                progress("sketches", done, len(queries))
        page.write(searches[:SHOWN], gallery, out / "found.html")
        items = gallery.count()
    sketch = out / "sketch.png"
    Image.fromarray(read(queries.source[right.index(True) if any(right) else 0])).save(sketch)
    return Demo(out / "gallery", items, len(queries), bootstrap(right), out / "found.html", sketch)
