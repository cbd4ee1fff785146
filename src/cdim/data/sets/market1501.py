"""Person re-identification sets in the layout of Market-1501, from a folder or the zip itself.

    bounding_box_train/     split "train"
    query/                  split "test", role "query"
    bounding_box_test/      split "test", role "gallery"; of identity -1, "junk"
    gt_bbox/                split "test", role "multi-query"; many sets lack it

An image is called `<identity>_c<camera>...`, such as 0002_c1s1_000451_03.jpg (Market-1501) or
0001_c2_f0046182.jpg (DukeMTMC-reID). Identity -1 is junk: parts of people and of nothing, which
count neither as right nor as wrong. Identity 0000 of Market-1501 are distractors: no query asks
for them, so they count as wrong like any other person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from cdim.data.manifest import Manifest
from cdim.data.tree import Tree
from cdim.errors import DataError

JUNK = "-1"
TRAIN, QUERY, GALLERY, VIEWS = "bounding_box_train", "query", "bounding_box_test", "gt_bbox"
_FOLDERS = {
    TRAIN: ("train", ""),
    QUERY: ("test", "query"),
    GALLERY: ("test", "gallery"),
    VIEWS: ("test", "multi-query"),
}
NAME = re.compile(r"(-1|[0-9]+)_c([0-9]+)(?:s([0-9]+))?")
"""How a file's name begins: identity, camera, and maybe the sequence."""


class _Image(NamedTuple):
    split: str
    role: str
    identity: str
    camera: int
    sequence: str
    file: str


def find(tree: Tree) -> list[str]:
    """Folders that hold `bounding_box_train/` or `bounding_box_test/`, each ending in "/" or ""."""
    folders = {name.rpartition("/")[0] for name in tree.images}
    parts = [folder.rpartition("/") for folder in folders]
    return sorted({above + slash for above, slash, last in parts if last in (TRAIN, GALLERY)})


def manifest(tree: Tree, name: str, base: str, needed: Sequence[str] = ()) -> Manifest:
    """Every image below `base`, with its identity, camera, split and role.

    Instances are "<name>/<identity as in the file's name>", metadata `sequence` is the number
    after the s, "" where there is none. Files that are no images are passed over, for releases
    hold some (Thumbs.db). Of `gt_bbox`, only images that share identity and camera with a
    query count: the others are further views of no query.

    Args:
        tree: the files.
        name: what the set is called.
        base: one of `find(tree)`.
        needed: folders that must have images, besides `query/` and `bounding_box_test/`, of
            which none can do without the other.

    Raises:
        DataError: a folder without images, an image with another name, or junk outside of
            `bounding_box_test/`.
    """
    images = _images(tree, base)
    asked = {(i.identity, i.camera) for i in images if i.role == "query"}
    images = [i for i in images if i.role != "multi-query" or (i.identity, i.camera) in asked]
    if not images:
        raise DataError(
            f"{tree.path} has no images in {base}{TRAIN}, {base}{QUERY} or {base}{GALLERY}",
            "the layout of Market-1501 has them there",
            "fetch it again, or add them",
        )
    held = {i.file[len(base) :].partition("/")[0] for i in images}
    for folder in (*needed, *((QUERY, GALLERY) if held & {QUERY, GALLERY} else ())):
        if folder not in held:
            raise DataError(
                f"{tree.path} has no images in {base}{folder}",
                f"the layout of Market-1501 has them in {TRAIN}, {QUERY} and {GALLERY}",
                "fetch it again, or add them",
            )
    columns = _Image(*map(list, zip(*images, strict=True)))  # type: ignore[arg-type]
    return Manifest.build(
        [tree.locator(file) for file in columns.file],
        [f"{name}/{identity}" for identity in columns.identity],
        split=columns.split,
        role=columns.role,
        camera=columns.camera,
        category="person",
        metadata={"sequence": columns.sequence},
        root=tree.root,
    )


def _images(tree: Tree, base: str) -> list[_Image]:
    images, wrong = [], []
    for folder, (split, usual) in _FOLDERS.items():
        below = f"{base}{folder}/"
        for file in tree.images:
            if not file.startswith(below):
                continue
            inside = file[len(below) :]
            parsed = NAME.match(inside)
            if parsed is None or "/" in inside or (parsed[1] == JUNK and folder != GALLERY):
                wrong.append(file)
                continue
            identity, camera, sequence = parsed.groups(default="")
            role = "junk" if identity == JUNK else usual
            images.append(_Image(split, role, identity, int(camera), sequence, file))
    if wrong:
        raise DataError(
            f"{tree.path} has the image {wrong[0]} ({len(wrong)} such in all)",
            "images of this layout lie directly in their folder and are called "
            "<identity>_c<camera>..., such as 0002_c1s1_000451_03.jpg; "
            f"identity {JUNK}, junk, is for {GALLERY} only",
            "rename or remove them, or list the images in a CSV",
        )
    return images
