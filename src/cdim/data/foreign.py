"""Columns as other libraries write them, read as ours: OML, wildlife-datasets."""

from __future__ import annotations

from typing import Any

from cdim.errors import DataError

ALIASES = {
    "path": "source",
    "image": "source",
    "label": "instance",
    "identity": "instance",
    "pid": "instance",
    "camid": "camera",
}


def understood(given: dict[str, list[Any]], origin: str) -> dict[str, list[Any]]:
    """Other libraries' columns under our names; OML's is_query / is_gallery become roles.

    What OML calls the split "validation" is what it judges on: our "test". In other files
    it is our "val".

    Raises:
        DataError: two columns of one meaning, or flags that are neither true nor false.
    """
    columns: dict[str, list[Any]] = {}
    for name, values in given.items():
        ours = ALIASES.get(name, name) if ALIASES.get(name) not in given else name
        if ours in columns:
            raise two_columns(ours, origin)
        columns[ours] = values
    from_oml = "is_query" in columns and "role" not in columns
    if from_oml:
        query = columns.pop("is_query")
        gallery = columns.pop("is_gallery", [not _truth(q) for q in query])
        columns["role"] = [
            _role(q, g, i) for i, (q, g) in enumerate(zip(query, gallery, strict=True))
        ]
    if "split" in columns:
        ours_for = {"validation": "test" if from_oml else "val", "valid": "val"}
        columns["split"] = [ours_for.get(str(s), s) for s in columns["split"]]
    return columns


def two_columns(name: str, origin: str) -> DataError:
    """The error of a table with more than one column of one meaning."""
    return DataError(
        f"{origin} has two columns for {name!r}", "one is allowed", "remove or rename one"
    )


def _role(query: object, gallery: object, row: int) -> str:
    if _truth(query) and _truth(gallery):
        raise DataError(
            f"row {row} is both a query and in the gallery",
            "an image has one role",
            "list it in one of them, or leave is_query and is_gallery out",
        )
    return "query" if _truth(query) else "gallery" if _truth(gallery) else ""


def _truth(value: object) -> bool:
    word = str(value).strip().lower()
    if word in ("true", "1", "1.0", "yes"):
        return True
    if word in ("false", "0", "0.0", "no", "", "none", "nan"):
        return False
    raise DataError(
        f"{value!r} in is_query or is_gallery", "it is true or false", "correct the column"
    )
