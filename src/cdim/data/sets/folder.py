"""A folder of images.

The layouts of Market-1501 and MSMT17 (modules beside this one) are read from a zip, too.
Else understood, with any of `formats.SUFFIXES`, hidden files and folders left out:

    <image>                          every image is an instance of its own
    <instance>/<image>               domain "photo"
    <instance>/<domain>/<image>      for example shoe17/sketch/a.png, shoe17/photo/b.jpg

each also below `train/`, `val/` and `test/`, and the layout that ShoeV2 and ChairV2
are published in:

    trainA/<photo>_<k>.png           sketches     trainB/<photo>.png     their photos
    testA/, testB/                   the same for the test split

Where there are sketches (domain "sketch") and other images, sketches are queries and
the others the gallery; else roles stay "".
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from cdim.data.manifest import Manifest
from cdim.data.sets import market1501, msmt17
from cdim.data.tree import Tree, no_images
from cdim.errors import DataError

_PUBLISHED = {
    "trainA": ("sketch", "train"),
    "trainB": ("photo", "train"),
    "testA": ("sketch", "test"),
    "testB": ("photo", "test"),
}
_SPLITS = ("train", "val", "test")


def manifest(path: Path) -> Manifest:
    """Reads a folder; its sub-folders decide the layout.

    Args:
        path: the folder, or a zip in the layout of Market-1501 or MSMT17.

    Raises:
        DataError: no folder, no images, images at different depths, sketches of the
            published layout whose photo is missing, a zip in another layout, or what
            `market1501.manifest` and `msmt17.manifest` refuse.
    """
    if not path.exists():
        raise DataError(f"there is no folder {path}", "a folder is needed", "check the path")
    tree = Tree.open(path)
    name = path.resolve().name if tree.is_folder else path.stem
    if bases := market1501.find(tree):
        return market1501.manifest(tree, name, tree.only(bases))
    if bases := msmt17.find(tree):
        return msmt17.manifest(tree, name, tree.only(bases))
    if not tree.is_folder:
        raise DataError(
            f"{path} is not in the layout of Market-1501 or MSMT17",
            "other images are read from a folder, or as a.zip!b.jpg of a CSV",
            "unpack it and give the folder",
        )
    names = list(tree.images)
    if not names:
        raise no_images(tree)
    if all("/" in n and n.split("/")[0] in _PUBLISHED for n in names):
        return _published(path, names)
    return _by_instance(path, names)


def _published(path: Path, names: list[str]) -> Manifest:
    rows = []
    for name in names:
        domain, split = _PUBLISHED[name.split("/")[0]]
        photo = PurePosixPath(name).stem
        if domain == "sketch":
            photo, _, number = photo.rpartition("_")
            if not photo or not number.isdecimal():
                raise DataError(
                    f"the sketch {name} in {path}",
                    "sketches are called <photo>_<k>.png",
                    "rename it or move it",
                )
        rows.append((f"{split}/{photo}", domain, split))
    photos = {instance for instance, domain, _ in rows if domain == "photo"}
    lost = [n for n, (i, domain, _) in zip(names, rows, strict=True) if i not in photos]
    if lost:
        raise DataError(
            f"{path} has no photo for {lost[0]} ({len(lost)} sketches in all)",
            "a sketch <photo>_<k> in trainA or testA has <photo> in trainB or testB",
            "add the photos or remove the sketches",
        )
    return _built(path, names, *map(list, zip(*rows, strict=True)))


def _by_instance(path: Path, names: list[str]) -> Manifest:
    has_split = all(n.split("/")[0] in _SPLITS and "/" in n for n in names)
    parts = [n.split("/") for n in names]
    splits = [p.pop(0) if has_split else "" for p in parts]
    depths = sorted({len(p) for p in parts})
    if len(depths) > 1 or depths[0] > 3:
        example = next(n for n, p in zip(names, parts, strict=True) if len(p) == depths[-1])
        raise DataError(
            f"images of {path} lie at the depths {depths}, such as {example}",
            "all are <image>, <instance>/<image> or <instance>/<domain>/<image>, "
            "below train, val and test if there are splits",
            "move the images, or list them in a CSV",
        )
    domains = [p[1] if len(p) == 3 else "photo" for p in parts]
    instances = [p[0] for p in parts]
    return _built(path, names, instances, domains, splits)


def _built(
    path: Path, names: list[str], instances: list[str], domains: list[str], splits: list[str]
) -> Manifest:
    roles = [""] * len(names)
    if "sketch" in domains and set(domains) != {"sketch"}:
        roles = ["query" if domain == "sketch" else "gallery" for domain in domains]
    return Manifest.build(names, instances, domain=domains, split=splits, role=roles, root=path)
