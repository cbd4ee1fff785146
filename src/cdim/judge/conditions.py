"""Which protocol, views and breakdown fit two manifests."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
from numpy.typing import NDArray

from cdim.data.manifest import NO_CAMERA, Manifest, Source
from cdim.errors import DataError, UsageError, unknown
from cdim.metrics.protocol import PROTOCOLS, Labels, relevance

_ROWS = 256  # queries that are looked at together
_WITHOUT = {
    "cross-camera": ", once those of the query's own camera are ignored",
    "leave-one-out": ", once its own image is ignored",
}


def choose_protocol(protocol: str | None, query: Manifest, gallery: Manifest) -> str:
    """The protocol to judge by, checked against what the manifests hold.

    Args:
        protocol: a name, or None for "cross-camera" where the images have cameras; where none
            has, for "leave-one-out" if images are query and gallery at once, else "instance".
        query, gallery: the images, junk among the gallery.

    Raises:
        UsageError: an unknown protocol, none named where only some images have cameras, cameras
            missing under "cross-camera", junk under "instance", or images that are query and
            gallery at once where the protocol lets them find themselves.
        DataError: a query whose instance the gallery lacks, under "instance"; under the others
            no query at all that has a match.
    """
    lacking = [_without_camera(side) for side in (query, gallery)]
    if protocol is None:
        images = sum(int((side.role != "junk").sum()) for side in (query, gallery))
        if 0 < sum(lacking) < images:
            raise UsageError(
                f"no protocol named, and {sum(lacking)} of {images} images without a camera",
                "who may match whom is clear where all images have cameras, or none",
                "fill the column camera, or name a protocol",
                argument="protocol",
            )
        alone = "leave-one-out" if "both" in query.role else "instance"
        protocol = alone if any(lacking) else "cross-camera"
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if protocol == "cross-camera" and any(lacking):
        raise UsageError(
            f"protocol cross-camera, but {lacking[0]} queries and {lacking[1]} gallery items "
            "have no camera",
            "it ignores what the query's own camera took, so each has one",
            "fill the column camera, or use the protocol any-camera",
        )
    both = int((query.role == "both").sum())
    if both and protocol in ("instance", "any-camera"):
        raise UsageError(
            f"protocol {protocol}, and {both} images are query and gallery at once",
            "each would find itself; leave-one-out ignores the query's own image",
            "use another protocol",
            argument="protocol",
        )
    if protocol == "instance":
        _check_instances(query, gallery)
    elif not _answerable(protocol, query, gallery):
        raise DataError(
            f"none of the {len(query)} queries has a correct gallery item under the protocol "
            f"{protocol}{_WITHOUT.get(protocol, '')}",
            "at least one query can be judged",
            "check instance names and cameras, or use another protocol",
            argument="protocol",
        )
    return protocol


def check_views(query: Manifest, views: Manifest) -> None:
    """For multi query: every query has a view of its instance by its camera.

    Raises:
        DataError: one has none.
    """
    lost = sorted(set(_people(query)) - set(_people(views)))
    if lost:
        raise DataError(
            f"no further view of {lost[0][0]} in camera {lost[0][1]} "
            f"({len(lost)} people and cameras of queries in all)",
            "multi query needs a view of each query's person in its camera",
            "add the views, or search with single queries",
            argument="multi_query",
        )


def by_camera(protocol: str, query: Manifest, gallery: Manifest) -> bool:
    """Whether a report breaks its numbers down by camera: all have one, and it may matter."""
    return protocol != "instance" and not _without_camera(query) + _without_camera(gallery)


def labels_of(query: Manifest, gallery: Manifest) -> Labels:
    """Identities as numbers, cameras and junk."""
    _, codes = np.unique(np.concatenate([query.instance, gallery.instance]), return_inverse=True)
    return Labels(
        query_ids=codes[: len(query)],
        gallery_ids=codes[len(query) :],
        query_cameras=query.camera,
        gallery_cameras=gallery.camera,
        junk=gallery.role == "junk",
        own=_own(query, gallery) if "both" in query.role else None,
    )


def image_name(side: Manifest, row: int) -> str:
    """How reports and messages call an image."""
    source = side.source[row]
    return source if isinstance(source, str) else f"row {row} ({side.instance[row]})"


def _without_camera(side: Manifest) -> int:
    """Images that count and have no camera."""
    return int((side.camera[side.role != "junk"] == NO_CAMERA).sum())


def _answerable(protocol: str, query: Manifest, gallery: Manifest) -> bool:
    """Whether any query has a correct item that counts."""
    labels = labels_of(query, gallery)
    rows = (slice(start, start + _ROWS) for start in range(0, len(query), _ROWS))
    return any(relevance(protocol, labels, some)[0].any() for some in rows)


def _own(query: Manifest, gallery: Manifest) -> NDArray[np.int64]:
    """The gallery rows (q,) of the queries' own images, -1 for none; sides of one manifest."""
    both = gallery.role == "both"
    places = {_key(gallery.source[row]): row for row in np.flatnonzero(both).tolist()}
    roles = zip(query.source, query.role == "both", strict=True)
    return np.array([places.get(_key(s), -1) if also else -1 for s, also in roles], dtype=np.int64)


def _key(source: Source) -> Hashable:
    return source if isinstance(source, str) else id(source)


def _people(side: Manifest) -> Iterator[tuple[str, int]]:
    """Instance and camera of every image."""
    return zip(side.instance.tolist(), side.camera.tolist(), strict=True)


def _check_instances(query: Manifest, gallery: Manifest) -> None:
    """Under "instance" every gallery item counts and every query has a correct one."""
    junk = int((gallery.role == "junk").sum())
    if junk:
        raise UsageError(
            f"protocol instance for a gallery with {junk} junk items",
            "every gallery item counts under it; the other protocols ignore junk",
            "use the protocol cross-camera, or any-camera for people without cameras",
        )
    missing = np.flatnonzero(~np.isin(query.instance, gallery.instance))
    if len(missing):
        raise DataError(
            f"{len(missing)} of {len(query)} queries have no correct item in the gallery, "
            f"the first is {image_name(query, int(missing[0]))} of instance "
            f"{str(query.instance[missing[0]])!r}",
            "every query's instance is in the gallery",
            "add the gallery image or remove the query",
        )
