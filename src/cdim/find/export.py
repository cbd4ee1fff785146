"""A gallery as plain files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cdim.data import tables
from cdim.errors import GalleryError
from cdim.find.filters import RESERVED
from cdim.find.stores.store import Store


def write(store: Store, dim: int, folder: Path) -> None:
    """Writes items.csv (id, source, digest, metadata) and vectors.npy, float32 (n, dim).

    Nothing may be written to the store meanwhile; the folder is made if missing.

    Raises:
        GalleryError: it cannot be written.
    """
    fields = store.fields()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        vectors = np.lib.format.open_memmap(
            str(folder / "vectors.npy"), "w+", np.float32, (store.count(()), dim)
        )
        with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(tables.line([*RESERVED, *fields]))
            for row, found in enumerate(store.all(vectors=True)):
                item = found.item
                told = [item.metadata.get(field, "") for field in fields]
                file.write(tables.line([item.id, item.source, item.digest, *told]))
                vectors[row] = found.vector
        vectors.flush()
    except OSError as error:
        raise GalleryError(
            f"cannot write {folder} ({error})", "it can be written and has room", "choose another"
        ) from None
