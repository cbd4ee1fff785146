"""The part of `cdim.data.check.table` about files that are not what their names say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from cdim.data import images
from cdim.data.check.findings import Problem
from cdim.data.check.pixels import Look, named, names
from cdim.data.manifest import Manifest
from cdim.errors import plural

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
    "HEIF": (".heic", ".heif", ".hif"),
}


def suffix_problems(manifest: Manifest, looks: Sequence[Look]) -> Iterator[Problem]:
    """Files of another format than their suffix, and those of several pages or frames."""
    files = {
        images.place(str(manifest.source[row]), manifest.root)[:2]: row
        for row, look in enumerate(looks)
        if look.format
    }
    wrong = []
    for (path, member), row in files.items():
        kind, suffix = looks[row].format, os.path.splitext(member or path.name)[1].lower()
        if suffix not in _SUFFIXES.get(kind, (f".{kind.lower()}",)):
            wrong.append(row)
    if wrong:
        yield Problem(
            "info",
            "misnamed-image",
            f"{plural(len(wrong), 'file has', 'files have')} the suffix of another format.",
            "Other programs may refuse them. The content counts for cdim.",
            "Nothing for cdim; rename them for other programs.",
            names(manifest, wrong, [looks[row].format for row in wrong]),
        )
    more = [row for row in files.values() if looks[row].frames > 1]
    if more:
        further = sum(looks[row].frames - 1 for row in more)
        yield Problem(
            "info",
            "further-frames",
            f"{plural(len(more), 'file has', 'files have')} further pages or frames, "
            f"{further:,} in all.",
            "Only the first page of a TIFF and the first frame of an animation are used.",
            "Save pages that matter as files of their own.",
            [f"{named(manifest, row)}: {looks[row].frames} in all" for row in more],
        )
