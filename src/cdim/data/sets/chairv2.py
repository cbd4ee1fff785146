"""QMUL-ChairV2 as released: 400 photos, and sketches as strokes in drawing order.

Every photo has about three sketches by different people. The released pickle
`ChairV2_Coordinate` is never opened, because unpickling runs its content; the strokes
come from the `.npz` beside it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from cdim.data import strokes
from cdim.data.manifest import Manifest
from cdim.data.tree import Tree
from cdim.errors import DataError

_PLACES = ("ChairV2.zip", "ChairV2", "chairv2.zip", "chairv2")
_STROKES = "chairv2_strokes.npz"


def manifest(root: Path) -> Manifest:
    """Photos (domain "photo", gallery) and sketches (domain "sketch", query) below the data root.

    Instances are "chairv2/<split>/<photo>". Metadata `drawing` tells a photo's
    sketches apart, as released; it is "" for photos.

    Raises:
        DataError: files missing or wrong, a sketch without its photo, or a photo whose
            split no sketch tells.
    """
    tree = Tree.find(root, _PLACES, "chairv2")
    file = tree.ending(_STROKES)
    drawings = strokes.open_file(tree.read(file), f"{tree.path}: {file}")
    sketches = [(key, *_parsed(key)) for key in drawings.rows]
    splits = {photo: split for _, split, photo, _ in sketches}
    photos = {
        PurePosixPath(n).stem: n
        for n in tree.names
        if n.endswith(".png") and PurePosixPath(n).parent.name == "photo"
    }
    strangers = sorted(splits.keys() ^ photos.keys())
    if strangers:
        raise DataError(
            f"{tree.path} has no photo or no sketch for {strangers[0]!r} ({len(strangers)} in all)",
            "every sketch has its photo and every photo a sketch",
            "fetch it again",
        )
    rows = [
        (f"{file}#{key}", split, photo, "sketch", "query", number)
        for key, split, photo, number in sketches
    ]
    rows += [(name, splits[photo], photo, "photo", "gallery", "") for photo, name in photos.items()]
    names, parts, _, domains, roles, numbers = zip(*rows, strict=True)
    return Manifest.build(
        [tree.locator(name) for name in names],
        [f"chairv2/{split}/{photo}" for _, split, photo, *_ in rows],
        domain=domains,
        split=parts,
        role=roles,
        category="chair",
        metadata={"drawing": numbers},
        root=tree.root,
    )


def _parsed(key: str) -> tuple[str, str, str]:
    """Split, photo and drawing of "/train/<photo>_<n>"; n is mostly, not always, a number."""
    _, split, name = key.split("/", 2) if key.count("/") >= 2 else ("", "", key)
    photo, _, number = name.rpartition("_")
    if split not in ("train", "test") or not photo or not number:
        raise DataError(
            f"the drawing {key!r}",
            "a key is /train/<photo>_<n> or /test/<photo>_<n>",
            "fetch the file again",
        )
    return split, photo, number
