"""The known datasets: what they are called, where they come from, how they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdim.data import chairv2, folder, qmul, quickdraw
from cdim.data.manifest import Manifest
from cdim.data.triplets import Triplets
from cdim.errors import DataError, nearest


@dataclass(frozen=True)
class Dataset:
    """An opened dataset.

    Args:
        name: what it was opened by.
        manifest: its images.
        triplets: human triplets by split; empty where there are none.
        terms: what may be done with it.
    """

    name: str
    manifest: Manifest
    triplets: Mapping[str, Triplets] = field(default_factory=dict)
    terms: str = "your own"


@dataclass(frozen=True)
class Card:
    """A known dataset.

    Args:
        name: what to type.
        title: what it is, in a line.
        where: where to get it.
        terms: what may be done with it.
        open: opens it, given the data root.
    """

    name: str
    title: str
    where: str
    terms: str
    open: Callable[[Path], Dataset]


_ACADEMIC = "no licence file: academic, non-commercial use; do not pass it on"
_QMUL = "Q. Yu et al., Sketch Me That Shoe, CVPR 2016: the authors' project page"


def _qmul_mat(category: str, title: str) -> Card:
    name = f"qmul-{category}"

    def opened(root: Path) -> Dataset:
        return Dataset(
            name, qmul.mat_manifest(root, category), qmul.mat_triplets(root, category), _ACADEMIC
        )

    return Card(name, title, f"{_QMUL} (folder qmul_v1_mat)", _ACADEMIC, opened)


def _qmul_rgb(category: str, title: str) -> Card:
    name = f"qmul-{category}-rgb"

    def opened(root: Path) -> Dataset:
        return Dataset(
            name, qmul.rgb_manifest(root, category), qmul.rgb_triplets(root, category), _ACADEMIC
        )

    return Card(name, title, f"{_QMUL} (qmul_v1_rgb.zip)", _ACADEMIC, opened)


def _chairv2(root: Path) -> Dataset:
    return Dataset("chairv2", chairv2.manifest(root), terms=_ACADEMIC)


_GOOGLE = "CC BY 4.0, credit Google"


def _quickdraw(root: Path) -> Dataset:
    return Dataset("quickdraw", quickdraw.manifest(root), terms=_GOOGLE)


def _synthetic(name: str, instances: int = 90, seed: int = 0) -> Dataset:
    from cdim.data import synthetic

    return Dataset(name, synthetic.manifest(instances, seed), terms=_MADE)


_MADE = "made by cdim, free of rights"

KNOWN: dict[str, Card] = {
    card.name: card
    for card in (
        _qmul_mat("shoe", "419 shoe sketches and edge maps, human triplets"),
        _qmul_mat("chair", "297 chair sketches and edge maps, human triplets"),
        _qmul_mat("handbag", "568 handbag sketches and edge maps"),
        _qmul_rgb("shoe", "419 shoe sketches and colour photos, attributes, human triplets"),
        _qmul_rgb("chair", "297 chair sketches and colour photos, attributes, human triplets"),
        Card(
            "chairv2",
            "400 chair photos, 1,275 sketches as strokes",
            "QMUL-ChairV2: the authors' project page (ChairV2.zip)",
            _ACADEMIC,
            _chairv2,
        ),
        Card(
            "quickdraw",
            "69,000 drawings as strokes, 345 categories",
            "github.com/googlecreativelab/quickdraw-dataset "
            "(quickdraw/quickdraw_345x200_strokes.npz)",
            _GOOGLE,
            _quickdraw,
        ),
        Card(
            "synthetic",
            "drawn products and sketches of them; synthetic:<instances>[:<seed>] for more",
            "nothing to get: made on the fly",
            _MADE,
            lambda _root: _synthetic("synthetic"),
        ),
    )
}


def open_dataset(name_or_path: str, data: Path | None = None) -> Dataset:
    """Opens a known dataset, a CSV file or a folder of images.

    Args:
        name_or_path: a name of `KNOWN`, "synthetic:<instances>[:<seed>]", a `.csv`
            (see `Manifest.from_csv`), or a folder (see `cdim.data.folder`).
        data: the data root; without it, the environment variable CDIM_DATA.

    Raises:
        DataError: no such name or path, no data root, or files missing or wrong.
    """
    if name_or_path == "synthetic" or name_or_path.startswith("synthetic:"):
        return _synthetic(name_or_path, *_numbers(name_or_path))
    if name_or_path in KNOWN:
        return KNOWN[name_or_path].open(_root(name_or_path, data))
    path = Path(name_or_path)
    if path.is_dir():
        return Dataset(name_or_path, folder.manifest(path))
    if path.is_file() and path.suffix.lower() == ".csv":
        return Dataset(name_or_path, Manifest.from_csv(path))
    raise DataError(
        f"dataset {name_or_path!r}",
        "a dataset is a known name, a .csv file or a folder of images",
        nearest(name_or_path, KNOWN),
    )


def _numbers(name: str) -> list[int]:
    parts = name.split(":")[1:]
    if len(parts) > 2 or not all(part.isdecimal() for part in parts) or parts[:1] == ["0"]:
        raise DataError(
            f"dataset {name!r}", "it is synthetic:<instances>[:<seed>]", "try synthetic:200:1"
        )
    return [int(part) for part in parts]


def _root(name: str, data: Path | None) -> Path:
    given = data or os.environ.get("CDIM_DATA")
    if not given:
        raise DataError(
            f"no data root for {name!r}",
            "known datasets lie in one folder",
            "give it with --data DIR or the environment variable CDIM_DATA",
        )
    root = Path(given)
    if not root.is_dir():
        raise DataError(
            f"the data root {root} is no folder",
            "known datasets lie in one folder",
            "give it with --data DIR or the environment variable CDIM_DATA",
        )
    return root
