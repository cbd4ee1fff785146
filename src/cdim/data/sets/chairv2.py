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


def manifest(root: Path, share: float = 1.0) -> Manifest:
    """Photos (domain "photo", gallery) and sketches (domain "sketch", query).

    Instances are "chairv2/<split>/<photo>". Metadata `drawing` tells a photo's
    sketches apart, as released; it is "" for photos.

    Args:
        root: data root with `ChairV2.zip`, or the folder it unpacks to.
        share: draw each sketch up to this share of its points, above 0, at most 1.

    Raises:
        DataError: files missing or wrong, a sketch without its photo, a photo whose
            split no sketch tells, or a share out of range.
    """
    if not 0 < share <= 1:
        raise DataError(
            f"the share {share} of a drawing",
            "a share is above 0 and at most 1",
            "use for example 0.5",
        )
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
    tail = "" if share == 1 else f"@{share:g}"
    return Manifest.build(
        [tree.locator(f"{file}#{key}{tail}") for key, *_ in sketches]
        + [tree.locator(name) for name in photos.values()],
        [f"chairv2/{split}/{photo}" for _, split, photo, _ in sketches]
        + [f"chairv2/{splits[photo]}/{photo}" for photo in photos],
        domain=["sketch"] * len(sketches) + ["photo"] * len(photos),
        split=[split for _, split, _, _ in sketches] + [splits[photo] for photo in photos],
        role=["query"] * len(sketches) + ["gallery"] * len(photos),
        category="chair",
        metadata={"drawing": [n for *_, n in sketches] + [""] * len(photos)},
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
