"""Who may match whom: which gallery items are correct for a query and which are left out.

    "instance"      every gallery item counts.
    "cross-camera"  junk is ignored, and so are the items of the query's identity that its own
                    camera took: the rule of Market-1501, DukeMTMC-reID, CUHK03-NP and MSMT17.
    "any-camera"    junk is ignored, nothing else: for people without cameras.
    "leave-one-out" junk is ignored, and so is the query's own image: each searches the others.

Under each of them an item that counts is correct if its identity is the query's; a distractor is
an item of an identity nobody asks for, so it counts and is wrong.

Axes: q queries, g gallery items, v further views of the queries' people, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import DataError, UsageError, unknown

PROTOCOLS = ("instance", "cross-camera", "any-camera", "leave-one-out")
POOLS = ("average", "maximum")


@dataclass(frozen=True, eq=False)
class Labels:
    """What a protocol looks at.

    Raises:
        UsageError: columns of one side that differ in length.
    """

    # (q,) and (g,) numbers or names; equal ones mean the same thing
    query_ids: NDArray[Any]
    gallery_ids: NDArray[Any]
    # (q,) and (g,) whole numbers
    query_cameras: NDArray[np.int64]
    gallery_cameras: NDArray[np.int64]
    junk: NDArray[np.bool_]  # (g,) booleans: detections so bad that nobody says whom they show
    # (q,) the gallery item that is the query's own image, -1 for none; None if no query has one
    own: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        q, g = self.query_ids.shape, self.gallery_ids.shape
        good = len(q) == len(g) == 1 and self.query_cameras.shape == q
        if not good or self.gallery_cameras.shape != g or self.junk.shape != g:
            raise UsageError(
                f"labels of {q} queries and {g} gallery items, cameras of "
                f"{self.query_cameras.shape} and {self.gallery_cameras.shape}, "
                f"junk of {self.junk.shape}",
                "every item has one identity and one camera",
                "pass columns of one table",
            )


def relevance(
    protocol: str, labels: Labels, rows: slice = slice(None)
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which gallery items are correct, and which are ignored, for some of the queries.

    Returns:
        correct (r, g) and ignored (r, g) booleans of the r queries in `rows`, never both true.

    Raises:
        UsageError: the protocol is none of `PROTOCOLS`.

    >>> one = np.array([1])
    >>> people = Labels(one, np.array([1, 1, 2, 1]), one, np.array([1, 2, 1, 2]),
    ...                 np.array([False, False, False, True]))
    >>> correct, ignored = relevance("cross-camera", people)
    >>> correct.tolist(), ignored.tolist()
    ([[False, True, False, False]], [[True, False, False, True]])
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    same = labels.query_ids[rows, None] == labels.gallery_ids
    ignored = np.zeros_like(same)
    if protocol != "instance":
        ignored |= labels.junk
    if protocol == "cross-camera":
        ignored |= same & (labels.query_cameras[rows, None] == labels.gallery_cameras)
    if protocol == "leave-one-out" and labels.own is not None:
        ignored |= labels.own[rows, None] == np.arange(len(labels.gallery_ids))
    return same & ~ignored, ignored


def pool_views(
    views: ArrayLike,
    view_ids: ArrayLike,
    view_cameras: ArrayLike,
    query_ids: ArrayLike,
    query_cameras: ArrayLike,
    how: str,
) -> NDArray[np.float32]:
    """Multi query: one embedding a query from all views of its identity in its camera.

    Views that belong to no query are not used. Market-1501's `gt_bbox` holds the queries
    themselves too, so nothing but the views is pooled.

    Args:
        views: (v, d) embeddings.
        view_ids, view_cameras: (v,) identities and cameras.
        query_ids, query_cameras: (q,) likewise.
        how: "average" or "maximum", dimension by dimension.

    Raises:
        UsageError: an unknown pooling, or not one identity and camera a view and a query.
        DataError: a query without any view.

    >>> pool_views([[1, 4], [3, 0], [9, 9]], [7, 7, 7], [1, 1, 2], [7], [1], "average")
    array([[2., 2.]], dtype=float32)
    """
    if how not in POOLS:
        raise unknown("pooling", how, POOLS)
    points, ids, cameras = np.asarray(views), np.asarray(view_ids), np.asarray(view_cameras)
    wanted = list(zip(*(np.asarray(x).tolist() for x in (query_ids, query_cameras)), strict=True))
    if points.ndim != 2 or not len(points) == len(ids) == len(cameras):
        raise UsageError(
            f"views {points.shape} with {len(ids)} identities and {len(cameras)} cameras",
            "views have the shape (views, dimensions), an identity and a camera each",
            "embed the manifest of the views",
        )
    places: dict[tuple[object, object], list[int]] = {}
    for place, key in enumerate(zip(ids.tolist(), cameras.tolist(), strict=True)):
        places.setdefault(key, []).append(place)
    pooled = np.empty((len(wanted), points.shape[1]), dtype=np.float32)
    for row, key in enumerate(wanted):
        if key not in places:
            raise DataError(
                f"query {row} (identity {key[0]}, camera {key[1]}) has no view",
                "multi query needs at least one view of each query's identity in its camera",
                "add the views, or judge with single queries",
            )
        mine = points[places[key]]
        pooled[row] = mine.max(axis=0) if how == "maximum" else mine.mean(axis=0, dtype=np.float64)
    return pooled
