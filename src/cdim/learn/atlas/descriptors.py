"""One forward pass over a dataset: pooled descriptors of every tap, on disk.

Whole maps exist for a few images at a time only. A descriptor file is read again in blocks of
rows, so that memory grows neither with the number of images nor with that of taps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cdim.data.manifest import Manifest
from cdim.errors import ModelError
from cdim.learn.atlas.cells import Cell
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.fusion import as_map, build_pool

BATCH = 16
"""Images whose maps are in memory at a time: all blocks of ResNet-50 take 22 MB an image."""
LOADED = 256
"""Images that are decoded at a time."""
BLOCK = 64 << 20
"""Bytes of descriptors that are in memory at a time, on each side of a product."""
_TYPE = np.dtype("<f4")


@dataclass(frozen=True)
class Descriptors:
    """What one pass over some images left on disk: a file for each cell."""

    folder: Path
    cells: tuple[Cell, ...]
    images: int

    def rows(self, cell: Cell, images: slice) -> NDArray[np.float32]:
        """Descriptors (images, dim) of some images in a row."""
        count = (images.stop - images.start) * cell.dim
        offset = images.start * cell.dim * _TYPE.itemsize
        found = np.fromfile(_file(self.folder, self.cells, cell), _TYPE, count, offset=offset)
        return found.reshape(-1, cell.dim)

    def whole(self, cell: Cell) -> NDArray[np.float32]:
        """Descriptors (images, dim) of all images."""
        return self.rows(cell, slice(0, self.images))

    def blocks(self, cell: Cell) -> list[slice]:
        """The images in slices whose descriptors take about `BLOCK` bytes."""
        step = max(1, BLOCK // (cell.dim * _TYPE.itemsize))
        starts = range(0, self.images, step)
        return [slice(start, min(start + step, self.images)) for start in starts]


def record(
    embedder: Embedder,
    manifest: Manifest,
    cells: Sequence[Cell],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Descriptors:
    """Runs a network once over some images and puts the descriptors of every cell into a folder.

    With fusion.mirror each is the mean of the image's and its mirror image's, as in `Fusion`; no
    other part of the network's fusion is used. `progress` is called with (images done, all).

    Raises:
        ImageError: an image cannot be read.
        ModelError: a descriptor is not finite.
    """
    kept = tuple(cells)
    final = embedder.backbone.final
    embedder.backbone.watch([cell.tap for cell in kept if cell.tap != final])
    embedder.eval()
    taps = embedder.backbone.taps
    pools = [build_pool(cell.pool, taps[cell.tap])[0].to(embedder.device) for cell in kept]
    with ExitStack() as opened, torch.inference_mode():
        files = [opened.enter_context(_file(folder, kept, cell).open("wb")) for cell in kept]
        for stack in embedder.load(manifest, LOADED, progress):
            for pixels in embedder.inputs(stack, BATCH):
                looks = embedder.looks(pixels)
                for cell, pool, file in zip(kept, pools, files, strict=True):
                    each = torch.stack([pool(as_map(look[cell.tap])).float() for look in looks])
                    found = each.mean(0).cpu().numpy()
                    if not np.isfinite(found).all():
                        raise ModelError(
                            f"{cell} holds NaN or infinity",
                            "descriptors are finite",
                            "check the model's weights, or name other taps",
                            argument="taps",
                        )
                    file.write(found.astype(_TYPE, copy=False).tobytes())
    return Descriptors(folder, kept, len(manifest))


def _file(folder: Path, cells: tuple[Cell, ...], cell: Cell) -> Path:
    return folder / f"{cells.index(cell):04}.descriptors"
