"""QMUL FG-SBIR v1: shoes, chairs and handbags, as MATLAB files or as image folders.

Sketch i and photo (or edge map) i of a split show the same thing, the instance
"<category>/<split>/<i>", i from 0: the same name in both releases. Sketches are
queries, edge maps and photos the gallery.

What the readers do about the release's faults:

* The edge maps of shoes and chairs carry a grey frame of one pixel, the sketches
  and the handbags none: `mat_manifest` removes it (`@frame` in the locator).
* `handbags_annotation.json` is a copy of the shoes' file and
  `handbags_triplets_train.mat` is made by machine: handbags have no human triplets.
* The photo of chair 12 of train is that of chair 62 of test: the splits stay as released, and
  nothing is trained on that one (`COPIES`).
* `shoes_train_triplets.mat` covers train and test shoes: it is not read, the
  triplets of each split come from `*_annotation.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.data import arrays, files, triplets
from cdim.data.manifest import Manifest
from cdim.data.tree import Tree, located
from cdim.data.triplets import Triplets
from cdim.errors import DataError

COPIES = {
    "shoe": frozenset[str](),
    "chair": frozenset({"chair/train/12"}),
    "handbag": frozenset[str](),
}
"""Train instances whose photo is in the test split as well, pixel by pixel."""
FOLDERS = {"shoe": "shoes", "chair": "chairs", "handbag": "handbags"}
SPLITS = ("train", "test")
_FRAMED = ("shoe", "chair")
_ANNOTATED = ("shoe", "chair")
_MAT_PLACES = ("qmul_v1_mat/{0}", "{0}")
_RGB_PLACES = ("qmul_v1_rgb.zip", "qmul_v1_rgb", "qmul_v1.zip", "qmul_v1")


def mat_manifest(root: Path, category: str) -> Manifest:
    """The release as MATLAB files: domains "sketch" and "edge", grey 256 x 256.

    Args:
        root: data root; the files lie in `qmul_v1_mat/<category>s` or `<category>s`.
        category: "shoe", "chair" or "handbag".

    Raises:
        DataError: a file missing or wrong, or sketches and edge maps of unequal number.
    """
    folder = _mat_folder(root, category)
    parts = []
    for split in SPLITS:
        released = [f"{folder.name}_{domain}_db_{split}.mat" for domain in ("sketch", "edge")]
        sketches, edges = (_rows(folder / file) for file in released)
        if sketches != edges:
            raise DataError(
                f"{sketches} sketches and {edges} edge maps in {split} of {folder}",
                "row i of one belongs to row i of the other",
                "fetch the files again",
            )
        tail = "@frame" if category in _FRAMED else ""
        for domain, file, end in zip(("sketch", "edge"), released, ("", tail), strict=True):
            sources = [f"{file}#{i}{end}" for i in range(sketches)]
            parts.append(_part(folder, sources, category, split, domain))
    return Manifest.concat(parts)


def mat_triplets(root: Path, category: str) -> dict[str, Triplets]:
    """The human triplets by split; empty for handbags, which have none.

    Raises:
        DataError: the annotation is missing or does not fit.
    """
    if category not in _ANNOTATED:
        return {}
    folder = _mat_folder(root, category)
    file = folder / f"{folder.name}_annotation.json"
    names = {
        split: _names(category, split, _rows(folder / f"{folder.name}_sketch_db_{split}.mat"))
        for split in SPLITS
    }
    return triplets.from_json(files.read_bytes(file), names, str(file))


def rgb_manifest(root: Path, category: str) -> Manifest:
    """The release as files: domains "sketch" (RGBA on white) and "photo" (RGB).

    Metadata `file` is the number in the file's name, `attributes` the released
    binary attributes as a text of 0 and 1 (21 for shoes, 15 for chairs), those of the
    sketch for sketches and those of the photo for photos.

    Args:
        root: data root with `qmul_v1_rgb.zip`, or the folder it unpacks to.
        category: "shoe" or "chair".

    Raises:
        DataError: a file missing or wrong.
    """
    tree, folder, listed = _rgb(root, category)
    known = set(tree.names)
    parts = []
    for domain, kind, key in (("sketch", "sketches", "sketch"), ("photo", "images", "image")):
        attributes = _attributes(tree, f"{folder}/annotation/{key}_label.mat")
        for split in SPLITS:
            paths = [f"{folder}/{split}/{kind}/{name}" for name in listed[split][kind]]
            missing = [path for path in paths if path not in known]
            if missing:
                raise DataError(
                    f"{tree.path} lacks {missing[0]} ({len(missing)} files in all)",
                    "every file of the annotation is needed",
                    "fetch it again",
                )
            numbers = [int(Path(name).stem) for name in listed[split][kind]]
            sources = [tree.locator(path) for path in paths]
            told = {"file": numbers, "attributes": [attributes[n - 1] for n in numbers]}
            parts.append(_part(tree.root, sources, category, split, domain, told))
    return Manifest.concat(parts)


def rgb_triplets(root: Path, category: str) -> dict[str, Triplets]:
    """The human triplets by split, from the annotation beside the images.

    Raises:
        DataError: the annotation is missing or does not fit.
    """
    tree, folder, listed = _rgb(root, category)
    file = f"{folder}/annotation/{FOLDERS[category]}_annotation.json"
    names = {split: _names(category, split, len(listed[split]["sketches"])) for split in SPLITS}
    return triplets.from_json(tree.read(file), names, f"{tree.path}: {file}")


def _part(
    root: Path, sources: list[str], category: str, split: str, domain: str, told: Any = None
) -> Manifest:
    """All images of one domain in one split."""
    return Manifest.build(
        sources,
        _names(category, split, len(sources)),
        domain=domain,
        split=split,
        role="query" if domain == "sketch" else "gallery",
        category=category,
        metadata=told,
        root=root,
    )


def _names(category: str, split: str, count: int) -> list[str]:
    return [f"{category}/{split}/{i}" for i in range(count)]


def _mat_folder(root: Path, category: str) -> Path:
    places = [place.format(FOLDERS[category]) for place in _MAT_PLACES]
    return located(root, places, f"qmul-{category}")


def _rows(file: Path) -> int:
    data = arrays.mat_array(files.read_bytes(file), "data", str(file))
    if data.ndim != 3:
        raise DataError(
            f"`data` of {file} has the shape {data.shape}", "(n, h, w) is needed", "check the file"
        )
    return len(data)


def _rgb(root: Path, category: str) -> tuple[Tree, str, Mapping[str, Mapping[str, list[str]]]]:
    """The files, the category's folder in them, and the annotation's file names in order."""
    tree = Tree.find(root, _RGB_PLACES, f"qmul-{category}-rgb")
    name = tree.ending(f"{FOLDERS[category]}/annotation/{FOLDERS[category]}_annotation.json")
    try:
        given = json.loads(tree.read(name))
        listed = {
            split: {kind: [str(f) for f in given[split][kind]] for kind in ("sketches", "images")}
            for split in SPLITS
        }
        for lists in listed.values():
            stems = [[int(Path(f).stem) for f in lists[kind]] for kind in ("sketches", "images")]
            if stems[0] != stems[1]:
                raise ValueError("sketches and images are listed in different orders")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"cannot read {name} of {tree.path} ({error!r})",
            'JSON with [split]["images"] and [split]["sketches"], N.jpg and N.png, is needed',
            "fetch it again",
        ) from None
    return tree, name.rsplit("/", 2)[0], listed


def _attributes(tree: Tree, name: str) -> list[str]:
    """Binary attributes, one text of 0 and 1 a file number (from 1)."""
    content = tree.read(name)
    # The shoes' variable is called "label", the chairs' "labels".
    key = "label" if "label" in arrays.read_mat(content, name) else "labels"
    table: NDArray[np.uint8] = arrays.mat_array(content, key, name)
    return ["".join(str(int(v)) for v in row) for row in table]
