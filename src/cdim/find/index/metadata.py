"""A table of metadata, and which of its rows is about which item."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cdim.data import tables
from cdim.errors import DataError
from cdim.find import filters
from cdim.find.items import Value

KEYS = ("id", "path", "source")
"""Columns of a table of metadata that say which image a row is about."""
# A plus, leading zeros, an exponent, more digits than a float holds: a code, not an amount.
_CODE = re.compile(r"\+|-?0\d|.*[eE]|(?:\D*\d){16}", re.DOTALL)


class Told(NamedTuple):
    """What a table says: metadata by the item's id, and the rows that name no item."""

    items: dict[str, dict[str, Value]]
    unmatched: tuple[str, ...]


def told(path: Path, names: Mapping[str, Sequence[str]]) -> Told:
    """What a table of metadata says of items; numbers become numbers.

    Args:
        path: a table (see `cdim.data.tables`) with a column id, path or source.
        names: what the table may call each item, by the item's id. Slashes, `./` and the normal
            form may differ.

    Raises:
        DataError: no such table, none or several of the columns, a row that may be about several
            items, two rows of an item that differ, or no row about any.
        UsageError: a column whose name metadata may not have.
    """
    table = tables.read(path, (*KEYS, *filters.RESERVED))
    keys = [name for name in KEYS if name in table.columns]
    if len(keys) != 1:
        raise DataError(
            f"{path} has the columns {', '.join(table.columns)}",
            f"one of {', '.join(KEYS)} names the image",
            "keep one; rename a code of your own, such as id to sku" if keys else "rename a column",
        )
    written = table.columns.pop(keys[0])
    texts = [
        {name: values[row] for name, values in table.columns.items() if values[row]}
        for row in range(len(written))
    ]
    rows = [filters.check_metadata(typed(each)) for each in texts]
    found = _items(written, names, table.at)
    about = [row for row, item in enumerate(found) if item is not None]
    if not about:
        raise DataError(
            f"no row of {path} names an image; the first names {written[0]!r}",
            f"the column {keys[0]} holds names such as {next(iter(names), '')!r}",
            "correct the column; nothing was changed in the gallery",
        )
    kept = tables.once(
        [found[row] for row in about], [rows[row] for row in about], lambda n: table.at(about[n])
    )
    items = {str(found[row]): rows[row] for row in (about[n] for n in kept)}
    return Told(items, tuple({w for w, item in zip(written, found, strict=True) if item is None}))


def typed(texts: Mapping[str, str]) -> dict[str, Value]:
    """Metadata of texts: numbers become numbers, except codes such as 007, +49 and 12E4."""
    read = {name: filters.number(text) for name, text in texts.items() if not _CODE.match(text)}
    return {**texts, **{name: number for name, number in read.items() if number is not None}}


def _items(
    written: Sequence[str], names: Mapping[str, Sequence[str]], at: tables.At
) -> list[str | None]:
    """The id of the item that each row is about, None for none."""
    exact: defaultdict[str, set[str]] = defaultdict(set)
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for item, several in names.items():
        for name in several:
            exact[name].add(item)
            alike[tables.spelling(name)].add(item)
    found: list[str | None] = []
    for row, name in enumerate(written):
        items = sorted(exact[name] or alike[tables.spelling(name)])
        if len(items) > 1:
            raise DataError(
                f"{at(row)} names {name!r}, which may be {items[0]!r} or {items[1]!r}",
                "a row is about one image",
                "write the id of the item",
            )
        found.append(items[0] if items else None)
    return found
