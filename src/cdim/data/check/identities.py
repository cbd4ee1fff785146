"""The part of `cdim.data.check.table` about identities and the cameras that see them.

Person re-identification judges across cameras: of a query, gallery images of its own identity
and its own camera are ignored. What that does to a set is seldom seen before the first numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from cdim.data.check.findings import Problem
from cdim.data.check.pixels import names
from cdim.data.foreign import UNKNOWN
from cdim.data.manifest import GALLERY, NO_CAMERA, QUERY, Manifest
from cdim.data.sets.catalogue import Dataset
from cdim.errors import plural

PUBLISHED = {
    "market1501": (751, 12_936, 3_368, 19_732),
    "dukemtmc-reid": (702, 16_522, 2_228, 17_661),
    "cuhk03-np-labelled": (767, 7_368, 1_400, 5_328),
    "cuhk03-np-detected": (767, 7_365, 1_400, 5_332),
    "msmt17": (1_041, 32_621, 11_659, 82_161),
}
"""Training identities, and images of train, query and gallery (junk included), as published."""


def identity_problems(dataset: Dataset) -> Iterator[Problem]:
    """Cameras that leave nothing to be found, identities that teach little, missing images."""
    manifest = dataset.manifest
    yield from _published(dataset)
    if (manifest.camera != NO_CAMERA).any():
        yield from _without_camera(manifest)
        for split in dict.fromkeys(manifest.split.tolist()):
            part = manifest.where(split=split)
            yield from _cameras(part, f"the {split} split" if split else "the set")
    train = manifest.take((manifest.split == "train") & (manifest.role != "junk"))
    if len(set(train.domain.tolist())) == 1:
        yield from _lonely(train)
    unknown = np.flatnonzero((manifest.instance == UNKNOWN) & (manifest.role == "junk")).tolist()
    if unknown:
        yield Problem(
            "info",
            "unknown-identity",
            f"{plural(len(unknown), 'image is', 'images are')} of an identity that is unknown.",
            "It may be any: these images count neither as right nor as wrong, and nothing learns "
            "from them.",
            "Nothing, or fill in whom they show.",
            names(manifest, unknown),
        )


def judged_by_camera(part: Manifest) -> bool:
    """Whether all queries and gallery images have cameras, so that matches are across them."""
    asked = part.camera[np.isin(part.role, (*QUERY, *GALLERY))]
    return bool(len(asked)) and bool((asked != NO_CAMERA).all())


def _published(dataset: Dataset) -> Iterator[Problem]:
    published = PUBLISHED.get(dataset.name)
    manifest = dataset.manifest
    train = manifest.where(split="train")
    held = (
        len(set(train.instance.tolist())),
        len(train),
        int((manifest.role == "query").sum()),
        int(np.isin(manifest.role, ("gallery", "junk")).sum()),
    )
    if published is None or held == published:
        return
    words = ("training identities", "training images", "queries", "gallery images")
    then, now = (
        ", ".join(f"{n:,} {word}" for n, word in zip(numbers, words, strict=True))
        for numbers in (published, held)
    )
    yield Problem(
        "warning",
        "unlike-published",
        f"{dataset.name} was published with {then}; this copy has {now}.",
        "Numbers measured on it cannot be compared with published ones.",
        "Fetch it again, or say beside the numbers what was measured.",
    )


def _without_camera(manifest: Manifest) -> Iterator[Problem]:
    rows = np.flatnonzero(manifest.camera == NO_CAMERA).tolist()
    if rows:
        yield Problem(
            "warning",
            "image-without-camera",
            f"{plural(len(rows), 'image names', 'images name')} no camera while others do.",
            "Across cameras, a match from an unnamed one cannot be judged.",
            "Fill in their cameras, or those of none.",
            names(manifest, rows),
        )


def _cameras(part: Manifest, place: str) -> Iterator[Problem]:
    """One camera only, or queries that only their own camera sees again."""
    sides = [np.isin(part.role, roles) for roles in (QUERY, GALLERY)]
    judged = judged_by_camera(part) and all(side.any() for side in sides)
    counted = part.take(sides[0] | sides[1]) if judged else part
    cameras = set(counted.camera.tolist()) - {NO_CAMERA}
    if len(cameras) == 1:
        yield Problem(
            "error" if judged else "warning",
            "one-camera",
            f"All images of {place} that name a camera name the same, {cameras.pop()}.",
            "The cross-camera protocol ignores matches from the query's own camera: nothing is "
            "left to be found, and judging stops."
            if judged
            else "Nothing teaches how a person looks in another camera.",
            "If there are more, number them (in names of the Market-1501 layout, after the c). "
            "If there is one, judge with the protocol any-camera.",
            count=len(counted),
        )
    elif judged:
        yield from _own_camera_only(part, place)


def _own_camera_only(part: Manifest, place: str) -> Iterator[Problem]:
    query, gallery = part.where(role=QUERY), part.where(role=GALLERY)
    seen = _cameras_of(gallery)
    asked = zip(query.instance.tolist(), query.camera.tolist(), strict=True)
    lost = [row for row, (name, camera) in enumerate(asked) if seen.get(name) == {camera}]
    if lost:
        every = len(lost) == len(query)
        yield Problem(
            "error" if every else "warning",
            "query-only-in-own-camera",
            f"{plural(len(lost), 'query has', 'queries have')} images of the same instance in "
            f"the gallery of {place}, but from the query's own camera only.",
            "The cross-camera protocol ignores those, so these queries have no match and are left "
            "out of the numbers"
            + (": none is left, and judging stops. " if every else ". ")
            + "Other programs say: all query identities do not appear in gallery.",
            "Check the cameras' numbers, and that they are not those of tracks or days. Add images "
            "from other cameras, or judge with the protocol any-camera.",
            names(query, lost, [f"camera {query.camera[row]}" for row in lost]),
        )


def _cameras_of(part: Manifest) -> dict[str, set[int]]:
    """The cameras that see each instance."""
    seen: dict[str, set[int]] = defaultdict(set)
    for name, camera in zip(part.instance.tolist(), part.camera.tolist(), strict=True):
        seen[name].add(camera)
    return seen


def _lonely(train: Manifest) -> Iterator[Problem]:
    """Training identities with one image, and those that one camera sees."""
    images = Counter(train.instance.tolist())
    single = [name for name, number in images.items() if number == 1]
    if single and len(single) < len(images):
        yield Problem(
            "warning",
            "instance-with-one-image",
            f"{plural(len(single), 'training instance has', 'training instances have')} one image.",
            "No positive pair can be made of two images: P x K batches leave it out, other losses "
            "pair the image with itself.",
            "Add images, or leave these instances out; classification alone can use them.",
            single,
        )
    if len(set(train.camera.tolist()) - {NO_CAMERA}) < 2:
        return
    seen = _cameras_of(train)
    one = [name for name, cameras in seen.items() if len(cameras) == 1 and images[name] > 1]
    if one:
        yield Problem(
            "warning" if 2 * len(one) > len(seen) else "info",
            "instance-in-one-camera",
            f"{len(one):,} of {len(seen):,} training instances are seen by one camera only.",
            "They do not teach how a person looks in another camera; if most are so, a network "
            "learns to tell cameras from each other.",
            "Nothing, if they are few. Else add images of them from other cameras, and check that "
            "one person has one number in all cameras.",
            [f"{name}: camera {min(seen[name])}" for name in one],
        )
