"""Columns as other libraries write them, read as ours: OML, wildlife-datasets, COCO."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdim.data.tables import At, file_named, once, two_columns
from cdim.errors import DataError

ALIASES = {
    "path": "source",
    "image": "source",
    "label": "instance",
    "identity": "instance",
    "pid": "instance",
    "camid": "camera",
}
CORNERS = ("x_1", "y_1", "x_2", "y_2")
"""OML's box: left, top, right and bottom, in pixels."""
BOX = "bbox"
"""The box of wildlife-datasets and COCO: left, top, width and height, in pixels."""
BOXES = {
    (BOX,): True,
    CORNERS: False,
    ("x1", "y1", "x2", "y2"): False,
    ("xmin", "ymin", "xmax", "ymax"): False,
    ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"): False,
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"): True,
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"): True,
}
"""The columns of boxes, and whether their last two are width and height."""
_UNSURE = ("x", "y", "w", "h")  # a box, of which x and y may be the middle
_OF_BOXES = tuple(dict.fromkeys(name for form in BOXES for name in form))
NAMES = (*ALIASES, *_OF_BOXES, "is_query", "is_gallery", "id")
"""Columns that files may write in capitals."""
UNKNOWN = "unknown"
"""What wildlife-datasets writes as the identity of an animal that nobody has recognised."""

_MOST = 1e9  # pixels
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_FOUR = re.compile(rf"[\[(]?\s*({_NUMBER})" + rf"[\s,;]+({_NUMBER})" * 3 + r"\s*[\])]?")


def understood(
    given: dict[str, list[Any]], root: Path, origin: str, at: At
) -> tuple[dict[str, list[Any]], At]:
    """Other libraries' columns under our names; OML's is_query / is_gallery become roles.

    What OML calls the split "validation" is what it judges on: our "test". In other files
    it is our "val". An unknown animal is junk: it may be any. Sources are as the disk spells
    them, and end in the row's box. Equal rows count once.

    Args:
        given: the columns, of one length.
        root: the folder that sources start at.
        origin: how messages call the table.
        at: how they call a row.

    Returns:
        the columns, "source" and "instance" among them, and how messages call their rows.

    Raises:
        DataError: no source or instance, two columns of one meaning, flags that are neither true
            nor false, a box that is none, a path that may name several files, or rows of one
            image that differ.
    """
    columns = _renamed(given, origin)
    from_oml = "is_query" in columns and "role" not in columns
    if from_oml:
        columns["role"] = _roles(columns, at)
    if "split" in columns:
        ours_for = {"validation": "test" if from_oml else "val", "valid": "val"}
        columns["split"] = [ours_for.get(str(s), s) for s in columns["split"]]
    if "identity" in given and columns.get("instance") is given["identity"]:
        roles = columns.get("role", [""] * len(given["identity"]))
        named = zip(given["identity"], roles, strict=True)
        columns["role"] = ["junk" if name == UNKNOWN else role for name, role in named]
    boxes = _boxes(columns, origin, at) or [""] * len(columns["source"])
    told, here = enumerate(zip(columns["source"], boxes, strict=True)), os.path.abspath(root)
    sources = [_source(source, box, here, at, row) for row, (source, box) in told]
    # One image may be named in two ways.
    keys = [
        os.path.normpath(os.path.join(here, source)) if isinstance(source, str) else row
        for row, source in enumerate(sources)
    ]
    columns["source"] = [""] * len(sources)
    kept = once(keys, list(zip(*columns.values(), strict=True)), at)
    columns["source"] = sources
    return {k: [v[i] for i in kept] for k, v in columns.items()}, lambda row: at(kept[row])


def _renamed(given: dict[str, list[Any]], origin: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name, values in given.items():
        ours = ALIASES.get(name, name) if ALIASES.get(name) not in given else name
        if ours in columns:
            raise two_columns(ours, origin)
        columns[ours] = values
    for need in ("source", "instance"):
        if need not in columns:
            names = [need, *(name for name, ours in ALIASES.items() if ours == need)]
            raise DataError(
                f"{origin} has the columns {', '.join(given)}",
                f"one of {', '.join(names)} is needed",
                "rename the column",
            )
    return columns


def _source(given: Any, box: str, root: str, at: At, row: int) -> Any:
    """A row's locator; pixels stay as they are."""
    if hasattr(given, "shape"):
        if box:
            raise DataError(
                f"{at(row)} has pixels and a box", "a box is one of a file", "cut the box out"
            )
        return given
    found = file_named(str(given), root)
    if found is None:
        raise DataError(
            f"{at(row)} has the path {given!r}, which may name several files",
            "a path names one file",
            "write it as the folder does",
        )
    return f"{found}{box}" if found else ""


def _roles(columns: dict[str, list[Any]], at: At) -> list[str]:
    query = [_truth(flag, at, row) for row, flag in enumerate(columns.pop("is_query"))]
    said = columns.pop("is_gallery", [not flag for flag in query])
    gallery = [_truth(flag, at, row) for row, flag in enumerate(said)]
    names = {(True, True): "both", (True, False): "query", (False, True): "gallery"}
    return [names.get(flags, "") for flags in zip(query, gallery, strict=True)]


def _truth(value: object, at: At, row: int) -> bool:
    word = str(value).strip().lower()
    if word in ("true", "1", "1.0", "yes"):
        return True
    if word in ("false", "0", "0.0", "no", "", "none", "nan"):
        return False
    raise DataError(
        f"{value!r} in is_query or is_gallery, {at(row)}", "it is true or false", "correct the row"
    )


def _boxes(columns: dict[str, list[Any]], origin: str, at: At) -> list[str]:
    """The end of each row's locator; none where the table has no boxes."""
    names = [name for name in _OF_BOXES if name in columns]
    if not names and columns.keys() >= {*_UNSURE}:
        names = [*_UNSURE]
    form = next((form for form in BOXES if {*form} == {*names}), ())
    if names and not form:
        raise DataError(
            f"{origin} has the columns {', '.join(names)}",
            f"a box is {', '.join(CORNERS)} or {BOX}",
            "remove or rename the others",
        )
    rows = zip(*(columns.pop(name) for name in form), strict=True)
    sized = BOXES.get(form, False)
    return [_box([_listed(v) for v in values], sized, at, row) for row, values in enumerate(rows)]


def _listed(value: Any) -> str:
    """A value of a table; of a DataFrame it may be a list of numbers."""
    several = hasattr(value, "__iter__") and not isinstance(value, str)
    return ", ".join(map(str, value)) if several else str(value)


def _box(values: Sequence[str], sized: bool, at: At, row: int) -> str:
    """A row's box as the end of a locator; "" for none, which is the whole image."""
    if not any(values):
        return ""
    text = ", ".join(values)
    found = _FOUR.fullmatch(text)
    left, top, right, bottom = map(float, found.groups()) if found else [math.nan] * 4
    if sized:
        right, bottom = left + right, top + bottom
    if max(map(abs, (left, top, right, bottom))) < _MOST:
        left, top = max(0, round(left)), max(0, round(top))
        width, height = round(right) - left, round(bottom) - top
        if width > 0 and height > 0 and max(right, bottom) > 1:  # at most 1: shares of the image
            return f"#xywh={left},{top},{width},{height}"
    raise DataError(
        f"{at(row)} has the box {text}",
        f"{', '.join(CORNERS)} are left, top, right and bottom in pixels, {BOX} is left, top, "
        "width and height; a box holds a pixel or more",
        "correct the box, or leave it empty for the whole image",
    )
