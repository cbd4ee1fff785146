"""Human triplets, given by instance names, against distances between images.

Axes: q queries, g gallery items, t triplets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import DataError


def triplets_by_query(
    distances: NDArray[np.float32],
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    anchor: ArrayLike,
    nearer: ArrayLike,
    farther: ArrayLike,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts, per query, the triplets its distances agree with; equal distances do not agree.

    A triplet applies to every query of its anchor's instance; an instance with several gallery
    images is as far as the nearest of them.

    Args:
        distances: (q, g).
        query_ids, gallery_ids: (q,) and (g,) instance names.
        anchor: (t,) instance names of queries.
        nearer, farther: (t,) those of the images that people judged nearer to it and farther.

    Returns:
        hits (q,) and counts (q,); a query without triplets has 0 of 0.

    Raises:
        DataError: a name that is not among the queries or the gallery.

    >>> d = np.float32([[0.1, 0.5, 0.7]])
    >>> triplets_by_query(d, ["a"], ["a", "b", "c"], ["a", "a"], ["a", "c"], ["b", "b"])
    (array([1]), array([2]))
    """
    offered, group = np.unique(np.asarray(gallery_ids), return_inverse=True)
    size = np.bincount(group)
    together = np.argsort(group, kind="stable")
    closest = np.minimum.reduceat(distances[:, together], np.cumsum(size) - size, axis=1)
    near, far = (_positions(names, offered, "gallery") for names in (nearer, farther))
    anchors, asked = np.unique(np.asarray(query_ids), return_inverse=True)
    place = _positions(anchor, anchors, "queries")
    size = np.bincount(place, minlength=len(anchors))
    parts = np.split(np.argsort(place, kind="stable"), np.cumsum(size)[:-1])
    which = np.concatenate([parts[code] for code in asked])
    counts = size[asked]
    rows = np.repeat(np.arange(len(asked)), counts)
    hits = closest[rows, near[which]] < closest[rows, far[which]]
    return np.bincount(rows[hits], minlength=len(asked)), counts


def _positions(given: ArrayLike, known: NDArray[np.str_], where: str) -> NDArray[np.int64]:
    names = np.asarray(given)
    at = np.minimum(np.searchsorted(known, names), len(known) - 1)
    missing = np.flatnonzero(known[at] != names)
    if len(missing):
        raise DataError(
            f"{len(missing)} triplets name instances that are not among the {where}, "
            f"the first is {str(names[missing[0]])!r}",
            "triplets speak of the evaluated instances only",
            "use the triplets of this split",
        )
    return at
