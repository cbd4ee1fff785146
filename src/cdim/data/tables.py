"""Tables as people save them: a header, a row a line, values parted by `,`, `;`, `|` or tabs.

They are read strictly: a quote out of place is an error, for it may swallow the rows after it.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cdim.data.files import read_bytes
from cdim.errors import DataError

At = Callable[[int], str]
"""How messages call a row, by its number from 0: such as "line 7 of pairs.csv"."""
Record = tuple[int, list[str]]
"""A row's first line in the file, and its values."""
_SIGNS = ",;\t|"
_SAME = re.compile(r"(?:(?<=/)|^)\./+|(?<=/)/+")  # of a path: what names the same without it
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?")
_SPECIAL = re.compile(r'[",;\t|\r\n]|^ | $')
# What a spreadsheet runs as a formula; an apostrophe before it says that it is text.
_FORMULA = re.compile(r"'*(?:[=@\t\r]|[+-](?!\d[\d.]*(?:[eE][+-]?\d+)?\Z))")


class Table(NamedTuple):
    """A table: n values a column by the column's name, as texts, and how messages call a row."""

    columns: dict[str, list[str]]
    at: At


def read(path: Path, known: Collection[str]) -> Table:
    """Reads a table: UTF-8, or UTF-16 with its mark; a first line may say `sep=;`.

    Where no comma parts the values, a column of numbers such as 1.299,50 gives them as 1299.50.
    Spaces around a value without quotes are no part of it. Rows without a value are left out, and
    so is a first column of numbers without a name, which pandas writes.

    Args:
        path: the file.
        known: names of columns, in small letters, that the file may write in capitals.

    Raises:
        DataError: no such file, no text, no rows, a quote out of place, a row longer or shorter
            than the header, or a column without a name of its own.
    """
    sign, records = _records(path)
    (_, header), *rows = records or [(1, [])]
    if not rows:
        raise DataError(
            f"{path} has no rows below a header",
            "a table has a header and at least one row",
            "see docs/data.md for the columns",
        )
    for number, values in rows:
        if len(values) != len(header):
            raise DataError(
                f"line {number} of {path} has {len(values)} values",
                f"the header names {len(header)} columns",
                "quote values that contain commas",
            )
    columns: dict[str, list[str]] = {}
    for place, said in enumerate(header):
        name = said.lower() if said.lower() in known else said
        column = _with_points([values[place] for _, values in rows], sign)
        if name in columns:
            raise two_columns(name, path)
        if name:
            columns[name] = column
        elif any(column) and (place or not all(map(str.isdecimal, column))):
            raise DataError(
                f"column {place + 1} of {path} has no name",
                "the first line names every column",
                "name the column",
            )
    return Table(columns, lambda row: f"line {rows[row][0]} of {path}")


def two_columns(name: str, origin: object) -> DataError:
    """The error of a table with more than one column of one meaning."""
    return DataError(
        f"{origin} has two columns for {name!r}", "one is allowed", "remove or rename one"
    )


def line(values: Iterable[object]) -> str:
    """A row as a line of a table, from which `read` gives every value back.

    A text that a spreadsheet would run as a formula gets an apostrophe.
    """

    def written(text: str) -> str:
        text = f"'{text}" if _FORMULA.match(text) else text
        return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text

    return ",".join(written(str(value)) for value in values) + "\n"


def once(keys: Sequence[Hashable], rows: Sequence[object], at: At) -> list[int]:
    """The numbers of the rows to keep: each key's first.

    Raises:
        DataError: two rows of a key that differ.
    """
    first: dict[Hashable, int] = {}
    for number, key in enumerate(keys):
        other = first.setdefault(key, number)
        if rows[other] != rows[number]:
            raise DataError(
                f"{at(other)} and {at(number)} are about the same image, and differ",
                "an image has one row; equal rows count once",
                "remove one of the rows",
            )
    return list(first.values())


def spelling(name: str) -> str:
    r"""A path with slashes, without `./`, in the normal form C: equal for all that mean the same.

    >>> spelling(r".\in\a.jpg")
    'in/a.jpg'
    """
    return unicodedata.normalize("NFC", _plain(name.replace("\\", "/")))


def file_named(name: str, root: str) -> str | None:
    """The path of the file, below `root` or absolute, that a table calls `name`.

    Returns:
        it, as the disk spells it; `name` where there is no such file; None where it may be one
        of several.
    """
    if os.path.isfile(os.path.join(root, name)):
        return _plain(name.replace(os.sep, "/"))
    slashes = _plain(name.replace("\\", "/"))
    forms = {slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))} - {name}
    found = sorted(form for form in forms if os.path.isfile(os.path.join(root, form)))
    if not found:
        return name
    files = [os.path.join(root, form) for form in found]
    return found[0] if all(os.path.samefile(files[0], file) for file in files) else None


def _plain(path: str) -> str:
    return _SAME.sub("", path) if "./" in path or "//" in path else path


def _with_points(column: list[str], sign: str) -> list[str]:
    """A column, its numbers with points where all have decimal commas.

    Spreadsheets of countries that write 1.299,50 part values by semicolons.
    """
    if sign == "," or not any("," in value for value in column):
        return column
    if not all(_DECIMAL_COMMA.fullmatch(value) for value in column if value):
        return column
    return [value.replace(".", "").replace(",", ".") for value in column]


def _records(path: Path) -> tuple[str, list[Record]]:
    """The sign that parts values, and all rows that have a value, the header first."""
    lines = io.StringIO(_text(path), newline="").readlines()
    start = next((n for n, text in enumerate(lines) if text.strip(f"{_SIGNS} \r\n")), len(lines))
    head = "".join(lines[start : start + 1]).rstrip("\r\n")
    said = re.fullmatch(r'"?sep=([^"])"?', head, re.IGNORECASE)
    if said:
        return said[1], list(_parsed(path, lines, start + 1, said[1]))
    outside = re.sub('"[^"]*"', "", head)
    counts = {sign: outside.count(sign) for sign in _SIGNS}
    likely = [sign for sign in _SIGNS if counts[sign] == max(counts.values())]
    if outside.count(likely[0]) and len(likely) > 1:
        raise DataError(
            f"the header of {path} has {' and '.join(map(repr, likely))}",
            "one sign parts the values of a table",
            "say which in a first line such as sep=;",
        )
    return likely[0], list(_parsed(path, lines, start, likely[0]))


def _text(path: Path) -> str:
    try:
        data = read_bytes(path)
    except DataError as error:
        raise DataError(error.given, "a table is a CSV file", "check the path") from None
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    wrong = f"{path} is no text"
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        text, wrong = "\0", f"line {data.count(10, 0, error.start) + 1} of {path} is not UTF-8"
    if "\0" in text:
        raise DataError(wrong, "a table is a CSV file in UTF-8", "save it as CSV UTF-8")
    return text


def _parsed(path: Path, lines: Sequence[str], start: int, sign: str) -> Iterator[Record]:
    """The rows that have a value, from line `start`, counted from 0."""
    columns = 0
    while start < len(lines):
        end, quotes = start + 1, lines[start].count('"')
        while quotes % 2 and end < len(lines):  # a value in quotes goes on in the next line
            quotes += lines[end].count('"')
            end += 1
        values = _values(path, "".join(lines[start:end]).rstrip("\r\n"), start + 1, sign)
        columns = columns or len(values)
        spread = end > start + 1
        if spread and any(_swallows(v, place, columns, sign) for place, v in enumerate(values)):
            raise _stray(path, start + 1, f"goes on to line {end}, over what look like rows")
        if any(values):
            yield start + 1, values
        start = end


def _values(path: Path, text: str, number: int, sign: str) -> list[str]:
    """The values of a row, which begins in line `number`."""
    if '"' not in text:
        values = text.split(sign)
        values = [value.strip(" ") for value in values] if " " in text else values
        return [_text_of(value) for value in values] if "'" in text else values
    mark = re.escape(sign)
    value = re.compile(rf' *(?:"([^"]*(?:""[^"]*)*)" *|([^"{mark}\r\n]*))({mark}|\Z)')
    values, place, more = [], 0, sign
    while more:
        found = value.match(text, place)
        if found is None:
            raise _stray(path, number + text.count("\n", 0, place), "is out of place")
        quoted, bare, more = found.groups()
        values.append(bare.strip(" ") if quoted is None else quoted.replace('""', '"'))
        place = found.end()
    return [_text_of(value) for value in values]


def _text_of(value: str) -> str:
    """A value without the apostrophe of `line`."""
    return value[1:] if value[:1] == "'" and _FORMULA.match(value[1:]) else value


def _swallows(value: str, place: int, columns: int, sign: str) -> bool:
    """Whether a value looks like the end of a row, whole rows, and the beginning of one."""
    first, *more = [line.count(sign) for line in value.splitlines()] or [0]
    rows = [columns - 1] * (len(more) - 1)
    return columns > 1 and more != [] and [first, *more] == [columns - 1 - place, *rows, place]


def _stray(path: Path, number: int, what: str) -> DataError:
    return DataError(
        f"a quote in line {number} of {path} {what}",
        "quotes stand around a whole value; inside it they are doubled",
        "correct the line",
    )
