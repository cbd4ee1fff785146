"""MSMT17 as released: lists beside folders of images, from a folder or a zip.

    list_train.txt, list_val.txt        images of train/ (V1) or mask_train_v2/ (V2)
    list_query.txt, list_gallery.txt    images of test/ (V1) or mask_test_v2/ (V2)

A line is `<path> <identity>`; the camera is the third number of the file's name, 1 in
0000/0000_000_01_0303morning_0015_0.jpg. Identities are numbered anew in train and in test, so an
instance is "<name>/train/<identity>" or "<name>/test/<identity>"; 0 is a person like any other.

The images of `list_val.txt` are of training identities, no test of retrieval: they belong to the
split "train". Metadata `list` tells them apart.
"""

from __future__ import annotations

from cdim.data.manifest import Manifest
from cdim.data.tree import Tree
from cdim.errors import DataError

# list -> split, role, whether a release must have it
_LISTS = {
    "train": ("train", "", True),
    "val": ("train", "", False),
    "query": ("test", "query", True),
    "gallery": ("test", "gallery", True),
}
_PLACES = {"train": ("train", "mask_train_v2"), "test": ("test", "mask_test_v2")}


def find(tree: Tree) -> list[str]:
    """Folders of a tree that hold the needed lists, each ending in "/" or ""."""
    names = set(tree.names)
    first, *others = [f"list_{name}.txt" for name, (_, _, needed) in _LISTS.items() if needed]
    bases = [name.removesuffix(first) for name in tree.names if f"/{name}".endswith(f"/{first}")]
    return [base for base in bases if all(base + other in names for other in others)]


def manifest(tree: Tree, name: str, base: str) -> Manifest:
    """Every listed image with its identity, camera, split and role; `base` is one of `find(tree)`.

    Raises:
        DataError: a line of another form, or an image that is not there.
    """
    known = set(tree.names)
    parts = []
    for listed, (split, role, _) in _LISTS.items():
        if f"{base}list_{listed}.txt" not in known:
            continue
        rows = _rows(tree, f"{base}list_{listed}.txt")
        folder = next((p for p in _PLACES[split] if f"{base}{p}/{rows[0][0]}" in known), "")
        files = [f"{base}{folder}/{path}" for path, _, _ in rows]
        missing = [file for file in files if file not in known]
        if missing:
            raise DataError(
                f"{tree.path} lacks {rows[0][0] if not folder else missing[0]} of list_{listed}.txt"
                f" ({len(missing)} files in all)",
                f"listed images lie in {' or '.join(_PLACES[split])}, beside the list",
                "fetch it again",
            )
        parts.append(
            Manifest.build(
                [tree.locator(file) for file in files],
                [f"{name}/{split}/{identity}" for _, identity, _ in rows],
                split=split,
                role=role,
                camera=[camera for _, _, camera in rows],
                category="person",
                metadata={"list": [listed] * len(rows)},
                root=tree.root,
            )
        )
    return Manifest.concat(parts)


def _rows(tree: Tree, file: str) -> list[tuple[str, str, int]]:
    """(path, identity, camera) of each line of a list."""
    rows = []
    for number, line in enumerate(tree.read(file).decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        path, _, identity = line.strip().rpartition(" ")
        fields = path.rpartition("/")[2].split("_")
        if not identity.isdecimal() or len(fields) < 4 or not fields[2].isdecimal():
            raise DataError(
                f"line {number} of {file} in {tree.path}: {line!r}",
                "a line is <path> <identity>, such as 0000/0000_000_01_0303morning_0015_0.jpg 0",
                "fetch it again",
            )
        rows.append((path, identity, int(fields[2])))
    if not rows:
        raise DataError(f"{file} in {tree.path} is empty", "it lists images", "fetch it again")
    return rows
