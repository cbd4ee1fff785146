"""The known datasets: what they are called, where they come from, how they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from cdim.data.files import nearest_path
from cdim.data.listing import NO_PLACE, Omission
from cdim.data.manifest import Manifest
from cdim.data.sets import chairv2, folder, market1501, msmt17, qmul, quickdraw
from cdim.data.tree import Tree
from cdim.data.triplets import Triplets
from cdim.errors import DataError, UsageError, nearest
from cdim.strict import checked


@dataclass(frozen=True, repr=False)
class Dataset:
    """An opened dataset.

    Args:
        name: what it was opened by.
        manifest: its images.
        triplets: human triplets by split; empty where there are none.
        terms: what may be done with it.
        copies: instances of its train split that a test image is a copy of.
        left_out: files of its folder or zip that are none of its images.
    """

    name: str
    manifest: Manifest
    triplets: Mapping[str, Triplets] = field(default_factory=dict)
    terms: str = "your own"
    copies: frozenset[str] = frozenset()
    left_out: tuple[Omission, ...] = ()

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r}: {self.manifest}>"

    def part(self, split: str) -> Manifest:
        """The images of a split, or all where no image names a split."""
        given = self.manifest
        return given.where(split=split) if np.any(given.split != "") else given

    def training(self) -> Manifest:
        """What may be learned from: the train split, or all where no image names a split.

        Copies of test images are left out, and so is junk, which shows nobody.
        """
        mine = self.part("train")
        return mine.take(~np.isin(mine.instance, sorted(self.copies)) & (mine.role != "junk"))


@dataclass(frozen=True)
class Card:
    """A known dataset.

    Args:
        name: what to type.
        title: what it is, in a line.
        where: where to get it.
        terms: what may be done with it.
        read: its images, given the data root.
        triplets: its human triplets by split, given the data root.
        copies: as in `Dataset`.
    """

    name: str
    title: str
    where: str
    terms: str
    read: Callable[[Path], Manifest]
    triplets: Callable[[Path], Mapping[str, Triplets]] = lambda _root: {}
    copies: frozenset[str] = frozenset()

    def open(self, root: Path) -> Dataset:
        """Opens it from the data root."""
        return Dataset(self.name, self.read(root), self.triplets(root), self.terms, self.copies)


_ACADEMIC = "no licence file: academic, non-commercial use; do not pass it on"
_QMUL = "Q. Yu et al., Sketch Me That Shoe, CVPR 2016: the authors' project page"


def _qmul(category: str, title: str, rgb: bool = False) -> Card:
    name = f"qmul-{category}-rgb" if rgb else f"qmul-{category}"
    where = f"{_QMUL} ({'qmul_v1_rgb.zip' if rgb else 'folder qmul_v1_mat'})"
    images = partial(qmul.rgb_manifest if rgb else qmul.mat_manifest, category=category)
    answers = partial(qmul.rgb_triplets if rgb else qmul.mat_triplets, category=category)
    return Card(name, title, where, _ACADEMIC, images, answers, qmul.COPIES[category])


def _synthetic(instances: int = 90, seed: int = 0) -> Manifest:
    from cdim.data.synthetic import dataset

    return dataset.manifest(instances, seed)


def _market(name: str, title: str, where: str, terms: str, *places: str, part: str = "") -> Card:
    """A set in the layout of Market-1501; `part` is in the path of the one to take of several."""

    def read(root: Path) -> Manifest:
        tree = Tree.find(root, _spelt(places), name)
        bases = [base for base in market1501.find(tree) if part in f"/{base}".lower()]
        return market1501.manifest(tree, name, tree.only(bases), (market1501.TRAIN,))

    return Card(name, title, where, terms, read)


def _msmt17(root: Path) -> Manifest:
    tree = Tree.find(root, _spelt(("MSMT17_V1", "MSMT17_V2", "MSMT17")), "msmt17")
    return msmt17.manifest(tree, "msmt17", tree.only(msmt17.find(tree)))


def _spelt(names: Sequence[str]) -> list[str]:
    """Each name as a zip and as a folder, as given and in small letters."""
    words = dict.fromkeys(word for name in names for word in (name, name.lower()))
    return [word + end for word in words for end in (".zip", "")]


_MAKERS = "its makers' terms: academic use; do not pass it on"
_CUHK03 = (
    "Z. Zhong et al., Re-ranking Person Re-identification, CVPR 2017: the authors' page "
    "(cuhk03-np.zip)"
)
_CUHK03_PLACES = ("CUHK03-NP", "CUHK03_NP")

_MADE = "made by cdim, free of rights"

KNOWN: dict[str, Card] = {
    card.name: card
    for card in (
        _qmul("shoe", "419 shoe sketches and edge maps, human triplets"),
        _qmul("chair", "297 chair sketches and edge maps, human triplets"),
        _qmul("handbag", "568 handbag sketches and edge maps"),
        _qmul("shoe", "419 shoe sketches and colour photos, attributes, human triplets", rgb=True),
        _qmul(
            "chair", "297 chair sketches and colour photos, attributes, human triplets", rgb=True
        ),
        Card(
            "chairv2",
            "400 chair photos, 1,275 sketches as strokes",
            "QMUL-ChairV2: the authors' project page (ChairV2.zip)",
            _ACADEMIC,
            chairv2.manifest,
        ),
        Card(
            "quickdraw",
            "69,000 drawings as strokes, 345 categories",
            "github.com/googlecreativelab/quickdraw-dataset "
            "(quickdraw/quickdraw_345x200_strokes.npz)",
            "CC BY 4.0, credit Google",
            quickdraw.manifest,
        ),
        _market(
            "market1501",
            "36,036 images of 1,501 people, distractors and junk by 6 cameras",
            "L. Zheng et al., Scalable Person Re-identification, ICCV 2015: the authors' project "
            "page (Market-1501-v15.09.15.zip)",
            _ACADEMIC,
            "Market-1501-v15.09.15",
            "Market-1501",
            "Market1501",
        ),
        _market(
            "dukemtmc-reid",
            "36,411 images of 1,404 people and 408 distractors by 8 cameras",
            "withdrawn by its makers: a copy of your own (DukeMTMC-reID.zip)",
            "withdrawn by its makers: whether you may use your copy is for you to settle",
            "DukeMTMC-reID",
            "DukeMTMCreID",
            "DukeMTMC",
        ),
        _market(
            "cuhk03-np-labelled",
            "14,096 images of 1,467 people, cut out by hand",
            _CUHK03,
            _MAKERS,
            *_CUHK03_PLACES,
            part="/label",
        ),
        _market(
            "cuhk03-np-detected",
            "14,097 images of 1,467 people, cut out by a detector",
            _CUHK03,
            _MAKERS,
            *_CUHK03_PLACES,
            part="/detect",
        ),
        Card(
            "msmt17",
            "126,441 images of 4,101 people by 15 cameras",
            "L. Wei et al., Person Transfer GAN, CVPR 2018: the authors' project page "
            "(MSMT17_V1 or MSMT17_V2)",
            _MAKERS,
            _msmt17,
        ),
        Card(
            "synthetic",
            "drawn products and sketches of them; synthetic:<instances>[:<seed>] for more",
            "nothing to get: made on the fly",
            _MADE,
            lambda _root: _synthetic(),
        ),
    )
}


@checked
def open_dataset(
    name_or_path: str | Path,
    data: str | Path | None = None,
    *,
    layout: str | None = None,
    exclude: Sequence[str] = (),
) -> Dataset:
    """Opens a known dataset, a CSV file or a folder of images.

    Args:
        name_or_path: a name of `list_datasets`, "synthetic:<instances>[:<seed>]", a `.csv`
            (see `Manifest.from_csv`), or a folder or zip (see `cdim.data.sets.folder`).
        data: the data root; without it, the environment variable CDIM_DATA.
        layout: what the folders of a folder or zip are, such as "{split}/{instance}/{domain}"
            (see `cdim.data.sets.layout`); None to recognise it.
        exclude: globs of files and folders of a folder or zip to leave out, such as "*.bak.jpg".

    Raises:
        DataError: no such name or path, no data root, or files missing or wrong.
        UsageError: a layout, or files to leave out, for what is no folder or zip.
    """
    name_or_path = str(name_or_path)
    path = Path(name_or_path)
    ending = path.suffix.lower() if path.is_file() else ""
    if name_or_path not in KNOWN and (path.is_dir() or ending == ".zip"):
        tree = Tree.open(path, exclude)
        manifest = folder.manifest(tree, layout)
        return Dataset(name_or_path, manifest, left_out=_left_out(tree, manifest))
    known = ending == ".csv" or name_or_path in KNOWN or name_or_path.startswith("synthetic")
    if known and (layout is not None or exclude):
        raise UsageError(
            f"{'files to leave out' if layout is None else 'a layout'} for {name_or_path!r}",
            "that is for a folder or a zip",
            "leave it out",
            argument="exclude" if layout is None else "layout",
        )
    if name_or_path == "synthetic" or name_or_path.startswith("synthetic:"):
        return Dataset(name_or_path, _synthetic(*_numbers(name_or_path)), terms=_MADE)
    if name_or_path in KNOWN:
        return KNOWN[name_or_path].open(_root(name_or_path, data))
    if ending == ".csv":
        return Dataset(name_or_path, Manifest.from_csv(path))
    raise _unknown(path)


def _unknown(path: Path) -> DataError:
    """The error of what is neither a path nor a known name."""
    there = path.exists()
    beside = "list its images in a .csv" if there else nearest_path(path, "check the path")
    # What has no folder and no suffix may be meant as a name.
    name = str(path)
    meant = path.name == name and not path.suffix and not there
    return DataError(
        f"{name} is neither a folder nor a .csv or zip" if there else f"there is no {name}",
        "a dataset is a folder of images, a .csv, a zip, or a known name",
        nearest(name, KNOWN, beside) if meant else beside,
    )


def _left_out(tree: Tree, manifest: Manifest) -> tuple[Omission, ...]:
    """What is no image, was passed over, or has no place in the layout of Market-1501 or MSMT17."""
    used = set(manifest.source)
    others = [Omission(n, NO_PLACE) for n in tree.images if tree.locator(n) not in used]
    return tuple(sorted((*tree.left_out, *others)))


def _numbers(name: str) -> list[int]:
    parts = name.split(":")[1:]
    if len(parts) > 2 or not all(part.isdecimal() for part in parts) or parts[:1] == ["0"]:
        raise DataError(
            f"dataset {name!r}", "it is synthetic:<instances>[:<seed>]", "try synthetic:200:1"
        )
    return [int(part) for part in parts]


def _root(name: str, data: str | Path | None) -> Path:
    given = data or os.environ.get("CDIM_DATA")
    if given and Path(given).is_dir():
        return Path(given)
    raise DataError(
        f"the data root {given} is no folder" if given else f"no data root for {name!r}",
        "known datasets lie in one folder",
        "name it by the environment variable CDIM_DATA, or give it",
        argument="data",
    )
