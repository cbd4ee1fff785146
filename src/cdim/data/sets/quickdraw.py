"""Quick, Draw!: vector drawings by category, by Google under CC BY 4.0."""

from __future__ import annotations

from pathlib import Path

from cdim.data import files, strokes
from cdim.data.manifest import Manifest
from cdim.data.tree import located

FILE = "quickdraw_345x200_strokes.npz"


def manifest(root: Path) -> Manifest:
    """Every drawing of the released `.npz` below the data root, domain "sketch".

    A drawing is an instance of its own, "<category>/<key_id>". There is no official
    split: split and role stay "".

    Raises:
        DataError: no such file, or not the released layout.
    """
    file = located(root, (f"quickdraw/{FILE}", FILE), "quickdraw")
    drawings = strokes.open_file(files.read_bytes(file), str(file))
    keys = list(drawings.rows)
    return Manifest.build(
        [f"{file.name}#{key}" for key in keys],
        [f"{category}/{key}" for category, key in zip(drawings.category, keys, strict=True)],
        domain="sketch",
        category=[str(c) for c in drawings.category],
        root=file.parent,
    )
