"""What the filters of a layer fire on, and which fire alike across domains (Figs. 2 and 5).

A filter that helps to match puts its response in the same place for a sketch and for the photo of
the same thing, and in another place for the photo of another thing. Both are measured as the
cosine of two maps, and their difference, the margin, ranks the filters.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from numpy.typing import ArrayLike, NDArray

from cdim.data.manifest import GALLERY, QUERY, Manifest
from cdim.errors import DataError, UsageError, nearest
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.taps import Maps

CELLS = 16
"""Maps are compared at this many rows and columns at most: finer ones would ask for lines that
fall on each other, and memory for what no one needs."""


@dataclass(frozen=True)
class FilterAgreement:
    """How alike each of c filters responds to the two sides of n pairs."""

    # (n, c) cosine of the maps of a query and of its own match, -1 to 1, 0 where the filter does
    # not fire
    alike: NDArray[np.float64]
    # (n, c) its mean over the other matches of the query's category; not a number where there is
    # none
    unlike: NDArray[np.float64]
    # (n, c) whether the filter alone finds the match: it is strictly more alike than all others
    first: NDArray[np.bool_]
    fires: NDArray[np.float64]  # (c,) share of the 2n images in which the filter responds at all

    @property
    def margin(self) -> NDArray[np.float64]:
        """(n, c) alike - unlike; alike where a pair has no others to compare with."""
        return self.alike - np.nan_to_num(self.unlike)

    def ranked(self) -> NDArray[np.intp]:
        """(c,) filters, the largest mean margin first."""
        return np.argsort(-self.margin.mean(0), kind="stable")


def pairs(manifest: Manifest) -> NDArray[np.intp]:
    """One pair an instance: rows (n, 2) of a query and an image of the gallery.

    Of images without a role, two of an instance, from two cameras where there are two.

    Raises:
        DataError: no instance has two sides.
    """
    by_instance = defaultdict(list)
    for row, name in enumerate(manifest.instance):
        by_instance[name].append(row)
    found = []
    for rows in by_instance.values():
        first = next((r for r in rows if manifest.role[r] in ("", *QUERY)), None)
        if first is None:
            continue
        wanted = GALLERY if manifest.role[first] else ("",)
        others = [r for r in rows if r != first and manifest.role[r] in wanted]
        others.sort(key=lambda r: bool(manifest.camera[r] == manifest.camera[first]))
        found += [(first, other) for other in others[:1]]
    if not found:
        raise DataError(
            f"no pair among {len(manifest)} images",
            "an instance needs a query and a gallery image, or two images without a role",
            "fill the columns instance and role (docs/data.md), or name another split",
        )
    return np.array(found, dtype=np.intp)


def maps(embedder: Embedder, layer: str, stack: NDArray[np.uint8], cells: int = CELLS) -> Maps:
    """A layer's positive response to images (n, *resize, channels): later layers see no other.

    Maps with more rows or columns than `cells` are averaged down to so many. They lie on the CPU.

    Raises:
        UsageError: the network has no such layer, or it gives a vector, which has no places.
    """
    taps = embedder.backbone.taps
    spatial = [name for name, tap in taps.items() if tap.size != (1, 1)]
    if layer not in spatial:
        raise UsageError(
            f"layer {layer!r}",
            f"it is a layer that gives a map, such as {', '.join(spatial[-6:])}",
            nearest(layer, spatial),
        )
    embedder.backbone.watch([layer])
    height, width = (min(cells, side) for side in taps[layer].size)
    embedder.eval()
    found = []
    with torch.inference_mode():
        for pixels in embedder.inputs(stack):
            response = F.relu(embedder.backbone(pixels)[layer].float())
            found.append(F.adaptive_avg_pool2d(response, (height, width)).cpu())
    return torch.cat(found)


def agreement(queries: Maps, matches: Maps, categories: ArrayLike) -> FilterAgreement:
    """Compares maps of both sides, pair by pair and filter by filter.

    Matches of another one of the `categories` (pairs,) are no rivals.
    """
    sides = [F.normalize(side.flatten(2).double(), dim=2) for side in (queries, matches)]
    names = np.asarray(categories)
    rival = torch.from_numpy((names[:, None] == names) & ~np.eye(len(names), dtype=np.bool_))
    rivals = rival.sum(1)
    found = []
    for query, match in zip(*(side.unbind(1) for side in sides), strict=True):
        cosine = query @ match.T
        alike, unlike = cosine.diagonal(), (cosine * rival).sum(1) / rivals  # 0 / 0: not a number
        first = (alike > cosine.masked_fill(~rival, -2).amax(1)) & (rivals > 0)
        found.append((alike, unlike, first))
    alike, unlike, first = (torch.stack(part, 1).numpy() for part in zip(*found, strict=True))
    fires = (torch.cat([queries, matches]).amax((2, 3)) > 0).double().mean(0)
    return FilterAgreement(alike, unlike, first, fires.numpy())
