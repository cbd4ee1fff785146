"""Made-up products: the same every time, different from each other, and solvable."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from cdim.data.strokes import Strokes, draw
from cdim.data.synthetic import dataset
from cdim.data.synthetic.product import UNDRAWN, Product
from cdim.data.synthetic.shapes import Points
from cdim.data.synthetic.sketch import LEVELS, owner_map, visible
from cdim.errors import DataError, ImageError

CATEGORIES = ("shoe", "chair", "bag")


@pytest.fixture(autouse=True)
def _drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken from the cache of tests/conftest.py."""
    monkeypatch.setattr(dataset, "render", dataset.render.__wrapped__)  # type: ignore[attr-defined]


def test_same_locator_same_pixels_whatever_numpy_was_doing() -> None:
    for locator in ("synthetic:shoe/3/14/photo", "synthetic:bag/3/14/sketch/2/1"):
        first = dataset.render(locator)
        np.random.seed(7)  # noqa: NPY002 - the global state is the point
        dataset.render("synthetic:chair/0/0/photo")
        assert np.array_equal(first, dataset.render(locator))


DRAWN = {
    "armchair": "b6bc971de9398743",
    "backpack": "d43b53537e93b90b",
    "boot": "6406872e89af00a9",
    "dining chair": "730bf893d0f2f2fb",
    "heel": "6566a9589e490c16",
    "office chair": "77b06f308ce04ecb",
    "satchel": "24dacc8f20f5f46b",
    "sneaker": "0fe84c7ed726a4b3",
    "stool": "6e0c4bac5615e0dc",
    "tote": "1ecb280c027cf8e5",
}
"""Digests of the products 0 to 59 of seed 1, by kind, as the shipped models know them."""


def test_every_kind_is_drawn_as_it_always_was() -> None:
    """Models are trained on these products and the demo's number counts them.

    To a hundredth of a pixel, for the last bits of a sine are the processor's.
    """
    digests = defaultdict(hashlib.sha256)
    for category in CATEGORIES:
        for index in range(60):
            made = _product(category, 1, index)
            for item in made.items:
                names = ("puff", "gloss", "lift", "grain", "width", "dash", "detail")
                look = [float(getattr(item, name, 0)) for name in names]
                digests[made.kind].update((np.round(item.points, 2) + 0.0).tobytes())
                digests[made.kind].update(repr((item.colour, look)).encode())
    assert {kind: digest.hexdigest()[:16] for kind, digest in digests.items()} == DRAWN


def _product(category: str, seed: int, index: int) -> Product:
    return dataset.product(dataset.parse(f"synthetic:{category}/{seed}/{index}/photo"))


def test_every_product_has_a_readable_title_of_its_own() -> None:
    made = dataset.manifest(600, seed=1)
    titles = Counter(made.column("title").tolist())
    assert set(titles.values()) == {2}  # its photo and its sketch
    kinds = set()
    for row in made.where(domain="photo"):
        category, seed, index = row.instance.split("/")
        colour, *kind, number = row.metadata["title"].split(" ")
        assert colour.isalpha()
        assert number == f"{int(index):03d}"
        kinds.add(" ".join(kind))
        if int(index) < 20:
            assert " ".join(kind) == _product(category, int(seed), int(index)).kind
    assert kinds == set(DRAWN)


def test_manifest_does_not_depend_on_its_length() -> None:
    short, long = dataset.manifest(12, seed=4), dataset.manifest(90, seed=4)
    assert list(long.source[: len(short)]) == list(short.source)
    assert long.split[: len(short)].tolist() == short.split.tolist()


@pytest.mark.parametrize(("instances", "sketches"), [(1, 1), (5, 2), (91, 3)])
def test_manifest_of_any_size(instances: int, sketches: int) -> None:
    made = dataset.manifest(instances, sketches=sketches)
    assert len(made) == instances * (1 + sketches)
    assert len(np.unique(made.instance)) == instances
    assert set(made.where(domain="photo").role) == {"gallery"}
    assert set(made.where(domain="sketch").role) == {"query"}


def test_manifest_splits_by_instance_with_all_levels_everywhere() -> None:
    made = dataset.manifest(90)
    train, test = made.where(split="train"), made.where(split="test")
    assert not set(train.instance) & set(test.instance)
    assert (len(train), len(test)) == (120, 60)
    for category in CATEGORIES:
        for split in ("train", "test"):
            part = made.where(split=split, category=category, domain="sketch")
            assert set(part.column("level")) == {"0", "1", "2"}


def test_manifest_of_one_category() -> None:
    made = dataset.manifest(6, categories=("bag",))
    assert set(made.category) == {"bag"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"instances": 0}, "instances = 0"),
        ({"sketches": 0}, "sketches = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"categories": ("shoes",)}, "did you mean 'shoe'"),
        ({"categories": ()}, "synthetic category ''"),
    ],
)
def test_manifest_refuses(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        dataset.manifest(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("category", CATEGORIES)
def test_photos_are_coloured_products_on_white(category: str) -> None:
    for index in range(5):
        image = dataset.render(f"synthetic:{category}/1/{index}/photo")
        assert image.shape == (256, 256, 3)
        assert image.dtype == np.uint8
        edge = np.concatenate([image[:4], image[-4:]])
        assert edge.mean() > 240
        ink = (image < 230).any(axis=2).mean()
        assert 0.05 < ink < 0.8
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500  # shaded, not flat


@pytest.mark.parametrize("category", CATEGORIES)
def test_sketches_are_thin_dark_lines_that_fit_the_paper(category: str) -> None:
    for index in range(5):
        for level in range(LEVELS):
            locator = f"synthetic:{category}/1/{index}/sketch/{level}/0"
            image = dataset.render(locator)
            assert image.shape == (256, 256)
            assert image.min() == 0
            assert 0.005 < (image < 128).mean() < 0.2
            lines = dataset.strokes(locator)
            assert isinstance(lines, Strokes)
            points = np.concatenate(list(lines.lines))
            assert points.min() >= 0
            assert points.max() <= 256


def test_rougher_sketches_have_fewer_strokes() -> None:
    def strokes(level: int) -> float:
        each = [
            len(dataset.strokes(f"synthetic:{category}/0/{index}/sketch/{level}/0").lines)
            for category in CATEGORIES
            for index in range(12)
        ]
        return float(np.mean(each))

    assert strokes(0) > strokes(1) > strokes(2)


@pytest.mark.parametrize("category", CATEGORIES)
def test_instances_seeds_and_drawers_differ(category: str) -> None:
    photos = [dataset.render(f"synthetic:{category}/{s}/{i}/photo") for s in (0, 1) for i in (0, 1)]
    for i, one in enumerate(photos):
        for other in photos[:i]:
            assert np.abs(one.astype(int) - other).mean() > 2
    a, b = (dataset.render(f"synthetic:{category}/0/0/sketch/1/{k}") for k in (0, 1))
    assert not np.array_equal(a, b)


def _ink(lines: list[NDArray[np.float32]]) -> Image.Image:
    """Lines fitted to the canvas by their box, blurred so that near misses count."""
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    placed = [(line - low) / np.maximum(high - low, 1).max() * 230 + 13 for line in lines]
    return _blurred(Strokes([line.astype(np.float32) for line in placed]))


def _contours(product: Product) -> list[Points]:
    """All visible contours and lines of a product, drawn perfectly."""
    owner = owner_map(product)
    return [
        piece
        for number, item in enumerate(product.items, start=1)
        if item.detail != UNDRAWN
        for piece in visible(item.points, owner, number)
    ]


def _blurred(lines: Strokes) -> Image.Image:
    image = ImageChops.invert(Image.fromarray(draw(lines, 256, 2.0)))
    return image.filter(ImageFilter.GaussianBlur(4))


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_sketch_fits_the_contours_of_its_own_product_best(category: str) -> None:
    """Crude matching of blurred lines finds most products: the set can be solved."""
    count = 12
    gallery = []
    for index in range(count):
        own = [line.astype(np.float32) for line in _contours(_product(category, 5, index))]
        gallery.append(np.asarray(_ink(own), dtype=np.float64).ravel())
    stack = np.stack([image / np.linalg.norm(image) for image in gallery])
    found = []
    for level in range(LEVELS):
        ranks = []
        for index in range(count):
            drawn = dataset.strokes(f"synthetic:{category}/5/{index}/sketch/{level}/0")
            likeness = stack @ np.asarray(_ink(list(drawn.lines)), dtype=np.float64).ravel()
            ranks.append(int((likeness > likeness[index]).sum()))
        found.append(np.mean(np.array(ranks) == 0))
    assert found[0] >= 0.7, found
    assert np.mean(found) >= 0.5, found
    assert min(found) >= 0.25, found  # chance is 1 in 12


@pytest.mark.parametrize(
    "locator",
    [
        "synthetic:",
        "synthetic:shoe",
        "synthetic:shoe/0/0",
        "synthetic:shoe/0/0/photo/1",
        "synthetic:shoe/0/0/sketch/0",
        "synthetic:shoe/-1/0/photo",
        "synthetic:shoe/00/0/photo",
        "synthetic:shoe/0/9999999999/photo",
        "synthetic:shoe/0/0/sketch/3/0",
        "synthetic:hat/0/0/photo",
        "shoe/0/0/photo",
        "synthetic:shoe/0/0/photo\n",
    ],
)
def test_bad_locators(locator: str) -> None:
    with pytest.raises(ImageError):
        dataset.render(locator)


def test_photos_have_no_strokes() -> None:
    with pytest.raises(ImageError, match="only sketches have strokes"):
        dataset.strokes("synthetic:shoe/0/0/photo")
