"""The language of filters, checked and read; the same for every gallery and every way to ask.

`Where` (see `cdim.find.items`) comes from Python and JSON, `parse` makes one of texts such as
price=10..50. Both databases get what `read` returns.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from cdim.errors import UsageError, nearest
from cdim.find.items import Value, Where

ENDS = ("gt", "gte", "lt", "lte")
RESERVED = ("id", "source", "digest")
"""Names that metadata may not have: `Gallery.export` writes columns of these names."""

_DAY = r"\d{4}-\d{2}-\d{2}"
_DATE = re.compile(_DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_HOW = 'write {"field": value}, {"field": [values]} or {"field": {"gte": low, "lt": high}}'


@dataclass(frozen=True)
class OneOf:
    """The metadata field has one of these values, written as `word` does."""

    field: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """The metadata field lies between ends, named as in `ENDS`: numbers, or ISO 8601 dates."""

    field: str
    ends: Mapping[str, float] | Mapping[str, str]

    @property
    def of_dates(self) -> bool:
        """Whether the ends are dates."""
        return any(isinstance(end, str) for end in self.ends.values())


Condition = OneOf | Range


def word(value: Value) -> str:
    """A value as text that only equal values share: 10 and 10.0 do, 10 and "10" do not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def read(where: Where | None) -> tuple[Condition, ...]:
    """A filter's conditions, all of which must hold.

    An end of a range that is a day counts as all of it: {"lte": "2024-06-30"} is the same as
    {"lt": "2024-07-01"}.

    Raises:
        UsageError: no filter, a wrong field name, value or range.
    """
    if where is None:
        return ()
    if isinstance(where, str | list | tuple):
        where = parse([where] if isinstance(where, str) else where)
    if not isinstance(where, Mapping):
        raise UsageError(f"filter {where!r}", "a filter is a table of fields", _HOW)
    return tuple(_condition(check_field(field), wanted) for field, wanted in where.items())


def check_field(name: object) -> str:
    """The name of a metadata field; anything else is a `UsageError`."""
    if not isinstance(name, str) or not name or '"' in name or "\\" in name or not is_utf8(name):
        raise UsageError(
            f"metadata field {name!r}",
            "a field's name is text without double quotes and backslashes",
            "rename the field",
        )
    return name


def check_known(asked: Set[str], known: Set[str]) -> None:
    """Refuses a filter by a field that no item of a gallery has by a `UsageError`."""
    for name in sorted(asked - known):
        raise UsageError(
            f"a filter by {name!r}",
            f"the fields of the gallery are {', '.join(sorted(known)) or '(none)'}",
            nearest(name, known) if known else "leave the filter out",
        )


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Value]:
    """An item's metadata; a name or value that cannot be stored is a `UsageError`."""
    if not isinstance(metadata, Mapping | None):
        raise UsageError(
            f"metadata {metadata!r}", "it is a table of fields", 'write {"field": value}'
        )
    checked = {check_field(name): _python(value) for name, value in (metadata or {}).items()}
    for name, value in checked.items():
        if name in RESERVED:
            raise UsageError(
                f"metadata field {name!r}", "every item has one by itself", "rename the field"
            )
        _check_value(name, value)
    return checked


def parse(words: Iterable[str]) -> dict[str, Any]:
    """The command line's filters: category=shoe,bag or price=10..50 or date=..2024-06-30.

    Both ends of a range are included. Values with commas need double quotes.

    >>> parse(["category=shoe,bag", "price=10.."])
    {'category': ['shoe', 'bag'], 'price': {'gte': 10}}

    Raises:
        UsageError: no "=" in it, a field twice, or a range with an end that is none.
    """
    found: dict[str, Any] = {}
    for text in words:
        field, sign, wanted = text.partition("=")
        if not sign or not field or field in found:
            raise UsageError(
                f"filter {text!r}" + (" for a field that has one" if field in found else ""),
                "a filter is FIELD=VALUE, FIELD=VALUE,VALUE or FIELD=LOW..HIGH, one a field",
                "try category=shoe or price=10..50",
            )
        low, dots, high = wanted.partition("..")
        given = [end for end in (low, high) if end]
        ends = [end for end in given if number(end) is not None or is_date(end)]
        meant = len(given) == 2 or any(end[0].isdigit() for end in given)
        if dots and (ends or meant) and '"' not in wanted:
            if len(ends) < len(given):
                raise UsageError(
                    f"range {wanted!r} of {field!r}",
                    "its ends are numbers, or dates such as 2024-06-30",
                    f'write {field}=10..50, or {field}="{wanted}" for the text',
                )
            sides = {"gte": low, "lte": high}
            found[field] = {name: _plain(end)[0] for name, end in sides.items() if end}
        else:
            plain = [value for given in _split(wanted) for value in _plain(given)]
            found[field] = plain if len(plain) > 1 else plain[0]
    return found


def is_date(value: object) -> bool:
    """Whether a value is a date or a time as ISO 8601 writes them, such as 2024-06-30."""
    return isinstance(value, str) and _moment(value) is not None


def number(text: str) -> int | float | None:
    """The number that a text is, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    found = float(text)
    if not math.isfinite(found):
        return None
    return int(text) if text.lstrip("+-").isdecimal() and abs(found) < 2**63 else found


def _split(text: str) -> list[str]:
    """The values between commas, those in double quotes with their own."""
    try:
        return next(csv.reader([text])) or [""]
    except csv.Error:
        return [text]


def _plain(text: str) -> list[Value]:
    """The values that a word of the command line may mean: "10" is the number and the text."""
    if text in ("true", "false"):
        return [text == "true", text]
    found = number(text)
    return [text] if found is None else [found, text]


def _condition(field: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        return _range(field, {name: _python(end) for name, end in wanted.items()})
    values = [_python(v) for v in (wanted if isinstance(wanted, list | tuple) else [wanted])]
    if not values:
        raise UsageError(f"no value for {field!r}", "a list names at least one", "leave it out")
    for value in values:
        _check_value(field, value)
    return OneOf(field, tuple(word(value) for value in values))


def _range(field: str, wanted: Mapping[str, Any]) -> Range:
    dates = {name: end for name, end in wanted.items() if is_date(end)}
    right = wanted and all(
        name in ENDS and (name in dates or _is_number(end)) for name, end in wanted.items()
    )
    if not right or len(dates) not in (0, len(wanted)):
        raise UsageError(
            f"range {dict(wanted)} of {field!r}",
            f"a range has ends {', '.join(ENDS)}: numbers, or dates such as 2024-06-30",
            _HOW,
        )
    ends = [_whole_days(name, end) for name, end in dates.items()] or list(wanted.items())
    lower = [end for end in ends if end[0] in ("gt", "gte")]
    upper = [end for end in ends if end[0] in ("lt", "lte")]
    # Databases look at one end of each side: the strictest, and of equals the open one.
    kept = [max(lower, key=lambda end: (_place(end[1]), end[0] == "gt"))] if lower else []
    kept += [min(upper, key=lambda end: (_place(end[1]), end[0] == "lte"))] if upper else []
    if len(kept) == 2 and _place(kept[0][1]) > _place(kept[1][1]):
        raise UsageError(
            f"range {dict(wanted)} of {field!r}",
            "its low end is not above its high end",
            "swap them",
        )
    return Range(field, dict(kept))


def _place(end: Any) -> Any:
    """An end of a range as a number, to compare ends of one kind by."""
    moment = _moment(end) if isinstance(end, str) else None
    if moment is None:
        return end
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _whole_days(name: str, end: str) -> tuple[str, str]:
    """An end of a range, moved to the end of the day where the day counts as a whole."""
    moment = _moment(end)
    if moment is None or not re.fullmatch(_DAY, end) or name in ("gte", "lt"):
        return name, end.replace(" ", "T")
    if end == "9999-12-31":
        return name, f"{end}T23:59:59"
    following = (moment + timedelta(days=1)).date().isoformat()
    return {"gt": "gte", "lte": "lt"}[name], following


def _moment(text: str) -> datetime | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    # Python 3.10 knows neither Z nor fractions of other than three or six digits.
    plain = re.sub(r"\.\d+", "", text.replace("Z", "+00:00"))
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        return None


def _python(value: Any) -> Any:
    """A value of NumPy or pandas as Python's; others as they are."""
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return whole or (isinstance(value, float) and math.isfinite(value))


def _check_value(field: str, value: object) -> None:
    if isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and is_utf8(value)):
        return
    raise UsageError(
        f"{field!r} is {value!r}",
        "a value is text, a finite number, true or false",
        "leave it out, or write it as text",
    )


def is_utf8(text: str) -> bool:
    """Whether a text can be stored: names of files may hold bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
