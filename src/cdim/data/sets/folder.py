"""A folder of images, or a zip of one.

The layouts of Market-1501 and MSMT17 have modules beside this one. Else the folders on the way to
an image say what it is (`cdim.data.sets.layout`); images have any of `formats.SUFFIXES`, hidden
files and system folders are left out. Where no folder is the instance, names of files are:

    train/0001_c002_1.jpg                     people and vehicles: identity 0001, camera 2
    sketch/17_1.png, photo/17.jpg             domains or roles: <name>, <name>_<k> or <name>-<k>
    a.jpg                                     else: every image is an instance of its own
"""

from __future__ import annotations

from collections.abc import Sequence

from cdim.data.manifest import NO_CAMERA, Manifest
from cdim.data.sets import market1501, msmt17
from cdim.data.sets.layout import Word, labels, parsed
from cdim.data.sets.matching import match
from cdim.data.sets.recognition import recognised, word_levels
from cdim.data.tree import Tree, no_images
from cdim.errors import DataError


def manifest(tree: Tree, layout: str | None = None) -> Manifest:
    """Reads the images of a folder or a zip.

    Args:
        tree: its files.
        layout: what its folders are, see `cdim.data.sets.layout`; None to recognise it.

    Raises:
        DataError: no images, folders that do not fit the layout or can be read in two ways,
            sketches whose photo is missing, or what `market1501.manifest` and `msmt17.manifest`
            refuse.
    """
    released = None if layout is not None else _released(tree)
    if released is not None:
        return released
    if not tree.images:
        raise no_images(tree)
    if layout is None:
        return _built(tree, recognised(tree.images, tree.path))
    levels = parsed(layout)
    _check_depth(tree, levels, layout)
    return _built(tree, levels)


def searchable(tree: Tree, layout: str | None = None) -> dict[str, str]:
    """The images that a gallery holds, and the domain of each; "" where no folder tells.

    Those are the gallery where folders tell queries and gallery apart, else all.

    Raises:
        DataError: a layout that does not fit, or what `market1501.manifest` and `msmt17.manifest`
            refuse. Folders of any other kind can be read.
    """
    released = None if layout is not None else _released(tree)
    if released is not None:
        part = released.where(role="gallery") if any(released.role != "") else released
        first = len(tree.locator(""))
        return dict.fromkeys((str(source)[first:] for source in part.source), "")
    if not tree.images:
        return {}
    levels = word_levels(tree.images) if layout is None else parsed(layout)
    if layout is not None:
        _check_depth(tree, levels, layout)
    words = labels(tree.images, levels)
    if not {"query", "gallery"} <= {word.role for word in words}:
        return dict.fromkeys(tree.images, "")
    both = zip(tree.images, words, strict=True)
    told = "{domain}" in levels
    return {name: word.domain if told else "" for name, word in both if word.role == "gallery"}


def _released(tree: Tree) -> Manifest | None:
    """The images of a set in the layout of Market-1501 or MSMT17; None for another."""
    name = tree.path.resolve().name if tree.is_folder else tree.path.stem
    if bases := market1501.find(tree):
        return market1501.manifest(tree, name, tree.only(bases))
    if bases := msmt17.find(tree):
        return msmt17.manifest(tree, name, tree.only(bases))
    return None


def _check_depth(tree: Tree, levels: Sequence[str], layout: str) -> None:
    fixed = len(levels) - (levels[-1] == "**")
    for name in tree.images:
        depth = name.count("/")
        if depth < fixed or (depth > fixed and levels[-1] != "**"):
            raise DataError(
                f"{name} of {tree.path} lies in {depth} folders, the layout {layout!r} has {fixed}",
                "a layout names every folder on the way to an image; ** stands for any further",
                "correct the layout, or move the image",
                argument="layout",
            )


def _built(tree: Tree, levels: Sequence[str]) -> Manifest:
    names = tree.images
    words = labels(names, levels)
    kinds = _folders(names, levels, "{category}")
    people = [market1501.NAME.match(name.rpartition("/")[2]) for name in names]
    told = any(word.split or word.role for word in words) and "{domain}" not in levels
    cameras: list[int] | int = NO_CAMERA
    if "{instance}" in levels:
        instances = _folders(names, levels, "{instance}")
    elif told and all(people):
        found = [person.groups("") for person in people if person]
        instances = [identity for identity, _, _ in found]
        cameras = [int(camera) for _, camera, _ in found]
        words = [
            word._replace(role="junk") if (who, word.role) == (market1501.JUNK, "gallery") else word
            for who, word in zip(instances, words, strict=True)
        ]
    elif any(word.role for word in words) or len({word.domain for word in words}) > 1:
        instances = _by_file(tree, words, kinds)
    else:
        instances = list(names)
    return Manifest.build(
        [tree.locator(name) for name in names],
        instances,
        domain=[word.domain for word in words],
        split=[word.split for word in words],
        role=[word.role for word in words],
        camera=cameras,
        category=kinds,
        root=tree.root,
    )


def _folders(names: Sequence[str], levels: Sequence[str], field: str) -> list[str]:
    """The folders of one level; "" where the layout does not have it."""
    if field not in levels:
        return [""] * len(names)
    return [name.split("/")[levels.index(field)] for name in names]


def _by_file(tree: Tree, words: Sequence[Word], kinds: Sequence[str]) -> list[str]:
    """Instances by the names of files, which are of one thing within a split and a category."""
    groups = [f"{w.split}/{kind}".strip("/") for w, kind in zip(words, kinds, strict=True)]
    found = match(tree.images, words, groups)
    by_domain = len({word.domain for word in words}) > 1
    if found.lost and (by_domain or len(found.lost) == found.others):
        name = tree.images[found.lost[0]]
        what = words[found.lost[0]].domain if by_domain else "query"
        raise DataError(
            f"{tree.path} has no match for the {what} {name} ({len(found.lost)} such in all)",
            "a file <name>, <name>_<k> or <name>-<k> belongs to the photo, edge map or gallery "
            "image <name>, unless folders are instances",
            "add or rename files, or name the layout",
            argument="layout",
        )
    return [f"{group}/{stem}".strip("/") for group, stem in zip(groups, found.stems, strict=True)]
