"""A made-up dataset: products as shaded photos, and sketches of them by an unsteady hand.

Every image has a locator and is made when it is asked for, always the same:

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
from numpy.typing import NDArray

from cdim.data.manifest import Manifest
from cdim.data.strokes import Strokes, draw
from cdim.data.synthetic.products import CATEGORIES
from cdim.data.synthetic.products.photo import photo
from cdim.data.synthetic.products.shapes import Points, Product, fitted
from cdim.data.synthetic.products.sketch import LEVELS, sketch
from cdim.errors import DataError, ImageError, nearest

PREFIX = "synthetic:"
_COLUMNS = ("source", "instance", "domain", "split", "role", "category", "level")
_NUMBER = r"(0|[1-9]\d{0,8})"
_LOCATOR = re.compile(
    rf"synthetic:([a-z]+)/{_NUMBER}/{_NUMBER}/(?:photo|sketch/{_NUMBER}/{_NUMBER})"
)
_PRODUCT, _SKETCH = 1, 2  # keep the random numbers of product and sketches apart


class Wanted(NamedTuple):
    """A locator taken apart; a photo has neither `level` nor `drawer`."""

    category: str
    seed: int
    number: int
    level: int | None
    drawer: int | None


def manifest(
    instances: int = 90,
    seed: int = 0,
    categories: Sequence[str] = ("shoe", "chair", "bag"),
    sketches: int = 1,
) -> Manifest:
    """A dataset of made-up products: one photo (gallery) and some sketches (queries) each.

    Two thirds of the instances are for training, one third for testing. The categories
    take turns, the levels of the sketches too; the level is in the column `level`.

    Args:
        instances: how many products altogether, at least 1.
        seed: 0 to 999999999; other seeds give other products.
        categories: some of shoe, chair, bag.
        sketches: how many of each product, at least 1.

    Raises:
        DataError: a number out of range, or an unknown category.
    """
    limit = 10**9
    for what, given, low in (
        ("instances", instances, 1),
        ("seed", seed, 0),
        ("sketches", sketches, 1),
    ):
        if not low <= given < limit:
            raise DataError(
                f"{what} = {given}", f"{what} is a whole number of {low} or more", "choose another"
            )
    for category in categories or [""]:
        if category not in CATEGORIES:
            raise DataError(
                f"synthetic category {category!r}",
                f"there are {', '.join(CATEGORIES)}",
                nearest(category, CATEGORIES),
            )
    columns: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    for number in range(instances):
        category, index = categories[number % len(categories)], number // len(categories)
        for row in _rows(category, seed, index, sketches):
            for name, value in zip(_COLUMNS, row, strict=True):
                columns[name].append(value)
    level = columns.pop("level")
    return Manifest.build(**columns, metadata={"level": level})  # type: ignore[arg-type]


def _rows(category: str, seed: int, index: int, sketches: int) -> Iterator[tuple[str, ...]]:
    """The photo of an instance and its sketches, each with the values of `_COLUMNS`."""
    name = f"{category}/{seed}/{index}"
    split = "test" if index % 3 == 2 else "train"
    yield f"{PREFIX}{name}/photo", name, "photo", split, "gallery", category, ""
    for k in range(sketches):
        level = str((index // 3 + k) % LEVELS)
        source = f"{PREFIX}{name}/sketch/{level}/{k}"
        yield source, name, "sketch", split, "query", category, level


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
        lines = [
            line.astype(np.float32) for line, w in zip(drawn, widths, strict=True) if w == width
        ]
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
    return Strokes([line.astype(np.float32) for line in _drawn(wanted)[0]])


def parse(locator: str) -> Wanted:
    """Takes a locator apart.

    Raises:
        ImageError: not a locator of this dataset.
    """
    match = _LOCATOR.fullmatch(locator)
    if match is None:
        raise ImageError(
            f"no synthetic image {locator!r}",
            "they are called synthetic:<category>/<seed>/<index>/photo or .../sketch/<level>/<k>",
            "for example synthetic:shoe/0/0/sketch/1/0",
        )
    category, level, drawer = match[1], match[4], match[5]
    if category not in CATEGORIES:
        raise ImageError(
            f"category {category!r} of {locator!r}",
            f"there are {', '.join(CATEGORIES)}",
            nearest(category, CATEGORIES),
        )
    if level is None:
        return Wanted(category, int(match[2]), int(match[3]), None, None)
    if int(level) >= LEVELS:
        raise ImageError(
            f"level {level} of {locator!r}",
            f"levels are 0 (careful) to {LEVELS - 1} (very rough)",
            f"use a level below {LEVELS}",
        )
    return Wanted(category, int(match[2]), int(match[3]), int(level), int(drawer))


def product(wanted: Wanted) -> Product:
    """The geometry of an instance in canvas pixels, the same for its photo and sketches."""
    kind = list(CATEGORIES).index(wanted.category)
    rng = np.random.default_rng([wanted.seed, kind, wanted.number, _PRODUCT])
    return fitted(CATEGORIES[wanted.category](rng), margin=rng.uniform(10, 18))


def _drawn(wanted: Wanted) -> tuple[list[Points], NDArray[np.float64]]:
    kind = list(CATEGORIES).index(wanted.category)
    level, drawer = wanted.level or 0, wanted.drawer or 0
    rng = np.random.default_rng([wanted.seed, kind, wanted.number, _SKETCH, level, drawer])
    return sketch(product(wanted), rng, level)
