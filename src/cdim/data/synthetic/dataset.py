"""A made-up dataset: products as shaded photos, and sketches of them by an unsteady hand.

Every image has a locator and is drawn when it is read, always the same:

    synthetic:<category>/<seed>/<index>/photo
    synthetic:<category>/<seed>/<index>/sketch/<level>/<k>

Categories are shoe, chair and bag. Levels run from 0 (careful) to 2 (very rough);
k tells the people apart who draw at one level. Numbers have at most 9 digits.
Photo and sketches come from one geometry, so that a person can tell which photo a
sketch belongs to. Nothing depends on how many instances a dataset has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from cdim.data.manifest import Manifest
from cdim.data.strokes import Strokes, draw
from cdim.data.synthetic.bags import bag
from cdim.data.synthetic.chairs import chair
from cdim.data.synthetic.photo import photo
from cdim.data.synthetic.product import Product
from cdim.data.synthetic.shoes import shoe
from cdim.data.synthetic.sketch import LEVELS, sketch
from cdim.errors import DataError, ImageError, nearest

CATEGORIES = {"shoe": shoe, "chair": chair, "bag": bag}
"""Each makes a product that knows its kind and its main colour, and can draw itself."""
_NUMBER = r"(0|[1-9]\d{0,8})"
_LOCATOR = re.compile(
    rf"synthetic:({'|'.join(CATEGORIES)})/{_NUMBER}/{_NUMBER}/"
    rf"(?:photo|sketch/([0-{LEVELS - 1}])/{_NUMBER})"
)
_PRODUCT, _SKETCH = 1, 2  # keep the random numbers of product and sketches apart


class Wanted(NamedTuple):
    """A locator taken apart; a photo has neither `level` nor `drawer`."""

    category: str
    seed: int
    number: int
    level: int | None = None
    drawer: int | None = None

    def random(self, *what: int) -> Generator:
        """Random numbers for something about this product."""
        return default_rng([self.seed, list(CATEGORIES).index(self.category), self.number, *what])


def manifest(
    instances: int = 90,
    seed: int = 0,
    categories: Sequence[str] = ("shoe", "chair", "bag"),
    sketches: int = 1,
) -> Manifest:
    """A dataset of made-up products: one photo (gallery) and some sketches (queries) each.

    Two thirds of the instances are for training, one third for testing. The categories take
    turns, the levels of the sketches too. Metadata: `level`, and a `title` as "red boot 017".

    Args:
        instances: how many products altogether, at least 1.
        seed: 0 to 999999999; other seeds give other products.
        categories: some of shoe, chair, bag.
        sketches: how many of each product, at least 1.

    Raises:
        DataError: a number out of range, or an unknown category.
    """
    numbers = (("instances", instances, 1), ("seed", seed, 0), ("sketches", sketches, 1))
    for what, given, low in numbers:
        if not low <= given < 10**9:
            raise DataError(
                f"{what} = {given}", f"{what} is a whole number of {low} or more", "choose another"
            )
    for name in categories or [""]:
        if name not in CATEGORIES:
            raise DataError(
                f"synthetic category {name!r}",
                f"there are {', '.join(CATEGORIES)}",
                nearest(name, CATEGORIES),
            )
    rows: list[tuple[str, ...]] = []
    for number in range(instances):
        index, which = divmod(number, len(categories))
        rows.extend(_rows(Wanted(categories[which], seed, index), sketches))
    source, instance, domain, split, role, category, *more = zip(*rows, strict=True)
    told = dict(zip(("level", "title"), more, strict=True))
    return Manifest.build(
        source, instance, domain=domain, split=split, role=role, category=category, metadata=told
    )


def _rows(wanted: Wanted, sketches: int) -> Iterator[tuple[str, ...]]:
    """The photo of a product and its sketches, each with what the manifest says of it."""
    category, seed, index = wanted[:3]
    name, split = f"{category}/{seed}/{index}", "test" if index % 3 == 2 else "train"
    title = f"{CATEGORIES[category](wanted.random(_PRODUCT)).name} {index:03d}"
    yield f"synthetic:{name}/photo", name, "photo", split, "gallery", category, "", title
    for k in range(sketches):
        level = str((index // 3 + k) % LEVELS)
        source = f"synthetic:{name}/sketch/{level}/{k}"
        yield source, name, "sketch", split, "query", category, level, title


def render(locator: str) -> NDArray[np.uint8]:
    """The image behind a locator.

    Returns:
        uint8: photos (256, 256, 3) in RGB, sketches (256, 256), both on white.

    Raises:
        ImageError: not a locator of this dataset.
    """
    wanted = parse(locator)
    if wanted.level is None:
        return photo(product(wanted))
    drawn, widths = _drawn(wanted)
    image = np.full((256, 256), 255, dtype=np.uint8)
    for width in np.unique(widths):
        lines = [line for line, own in zip(drawn.lines, widths, strict=True) if own == width]
        image = np.minimum(image, draw(Strokes(lines), 256, float(width)))
    return image


def strokes(locator: str) -> Strokes:
    """The strokes of a sketch in drawing order, on the 256 x 256 canvas.

    Raises:
        ImageError: not a locator of a sketch of this dataset.
    """
    wanted = parse(locator)
    if wanted.level is None:
        raise ImageError(
            f"strokes of the photo {locator!r}",
            "only sketches have strokes",
            "use a locator such as synthetic:shoe/0/0/sketch/0/0",
        )
    return _drawn(wanted)[0]


def parse(locator: str) -> Wanted:
    """Takes a locator apart.

    Raises:
        ImageError: not a locator of this dataset.
    """
    match = _LOCATOR.fullmatch(locator)
    if match is None:
        raise ImageError(
            f"no synthetic image {locator!r}",
            "they are called synthetic:<category>/<seed>/<index>/photo or .../sketch/<level>/<k>; "
            f"the categories are {', '.join(CATEGORIES)}, the levels 0 to {LEVELS - 1}",
            "for example synthetic:shoe/0/0/sketch/1/0",
        )
    category, *numbers = match.groups()
    return Wanted(category, *(int(number) for number in numbers if number))


def product(wanted: Wanted) -> Product:
    """The geometry of an instance in canvas pixels, the same for its photo and sketches."""
    made = CATEGORIES[wanted.category](wanted.random(_PRODUCT))
    made.draw()
    return made


def _drawn(wanted: Wanted) -> tuple[Strokes, NDArray[np.float64]]:
    """The strokes of a sketch, and the width of each in pixels."""
    level, drawer = wanted.level or 0, wanted.drawer or 0
    lines, widths = sketch(product(wanted), wanted.random(_SKETCH, level, drawer), level)
    return Strokes([line.astype(np.float32) for line in lines]), widths
