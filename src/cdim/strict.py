"""Plain values to dataclasses and back, strictly: unknown keys and wrong types are errors."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from cdim.errors import CdimError, UsageError, nearest

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    type(None): "None",
}
_SHOWN = 60  # characters of a wrong value that are repeated
_REPR = reprlib.Repr()  # of a huge value, writes the beginning only
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxdict = _SHOWN // 2
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 2 * _SHOWN


class Document(NamedTuple):
    """What is read, for error messages.

    Args:
        name: such as "recipe".
        error: what is raised.
    """

    name: str
    error: type[CdimError]


def build(cls: type[T], table: Any, document: Document, where: str = "") -> T:
    """A dataclass from a table of plain values, as its annotations say.

    Args:
        cls: the dataclass; fields may be dataclasses, literals, tuples, mappings and unions.
        table: the values; a whole number may stand for a float.
        document: what the table is read from.
        where: how error messages call the table.

    Raises:
        CdimError: of the document's kind: an unknown or missing key, or a value of another type.
    """
    if not isinstance(table, Mapping):
        raise document.error(
            f"{where} = {shown(table)}", f"[{where}] is a table of keys", f"write [{where}]"
        )
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            raise document.error(
                f"unknown key {f'{where}.{key}' if where else key!r} in the {document.name}",
                f"{f'[{where}]' if where else 'it'} has the keys {', '.join(hints)}",
                nearest(str(key), hints),
            )
    values = {}
    for spec in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = f"{where}.{spec.name}" if where else spec.name
        if spec.name in table:
            values[spec.name] = _value(hints[spec.name], table[spec.name], document, name)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise document.error(
                f"no {name} in the {document.name}", f"{name} is required", "add it"
            )
    return cls(**values)


def _value(hint: Any, value: Any, document: Document, name: str) -> Any:
    """`value` as the annotated type, or an error that says what the type is."""

    def wrong(allowed: str, todo: str) -> CdimError:
        return document.error(f"{name} = {shown(value)}", allowed, todo)

    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value, document, name)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and type(None) in arguments:
            return None
        kinds = [a for a in arguments if a is not type(None)]
        listed = isinstance(value, list | tuple)
        fit = [a for a in kinds if (get_origin(a) is tuple) == listed]
        return _value((fit or kinds)[0], value, document, name)
    if origin is Literal:
        if not any(type(value) is type(one) and value == one for one in arguments):
            raise wrong(
                f"it is one of {', '.join(map(repr, arguments))}",
                nearest(str(value), map(str, arguments)),
            )
        return value
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        if not isinstance(value, list | tuple) or (not many and len(value) != len(arguments)):
            size = "" if many else f" of {len(arguments)} values"
            raise document.error(
                f"{name} = {shown(value)}", f"it is a list{size}", "write it in [ ]"
            )
        return tuple(_value(arguments[0], v, document, f"{name}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        return _table(arguments[1], value, document, name)
    if hint is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise document.error(
            f"{name} = {shown(value)}", f"it is {_WORDS[hint]}", "change its value"
        )
    return value


def _table(each: Any, value: Any, document: Document, name: str) -> dict[str, Any]:
    """A mapping whose values are of the type `each`, or of any."""
    if not isinstance(value, Mapping):
        raise document.error(f"{name} = {shown(value)}", "it is a table", f"write [{name}]")
    if each is Any:
        return dict(value)
    return {str(k): _value(each, v, document, f"{name}.{k}") for k, v in value.items()}


def plain(value: Any) -> Any:
    """A dataclass as tables and lists of plain values, every default written out."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value


def checked(function: F) -> F:
    """The function, refusing arguments that are not what its annotations say.

    The function raises `UsageError` then, also for missing and unknown arguments. It gets NumPy's
    numbers as Python's.
    """
    signature = inspect.signature(function)

    @functools.cache
    def hints() -> dict[str, Any]:
        given = {k: v for k, v in function.__annotations__.items() if k not in ("self", "return")}
        return get_type_hints(SimpleNamespace(__annotations__=given), function.__globals__)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        name = function.__qualname__
        try:
            bound = signature.bind(*args, **named)
        except TypeError as error:
            raise UsageError(
                f"{name}: {error}", f"the call is {name}{signature}", "correct the call"
            ) from None
        for key, value in bound.arguments.items():
            plain = signature.parameters[key].kind is not inspect.Parameter.VAR_KEYWORD
            if key in hints() and plain and not _fits(value, hints()[key]):
                raise UsageError(
                    f"{key} = {shown(value)} for {name}",
                    f"it is {_words(hints()[key])}",
                    "give another",
                )
            bound.arguments[key] = _python_number(value)
        return function(*bound.args, **bound.kwargs)

    return call  # type: ignore[return-value]


def _python_number(value: Any) -> Any:
    """A number of NumPy as Python's, which every library takes; other values as they are."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def shown(value: object) -> str:
    """A wrong value as messages repeat it, cut short."""
    text = _REPR.repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        named = Path not in arguments or not isinstance(value, str | Path) or _can_be_path(value)
        return named and any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if hint in (int, float):
        return isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
    if not isinstance(value, origin or hint):
        return False
    if origin not in (Sequence, tuple, list):
        return True
    return not isinstance(value, str | bytes) and all(_fits(one, arguments[0]) for one in value)


def _can_be_path(value: str | Path) -> bool:
    """Whether some file may have this name: systems raise errors of their own where none can."""
    try:
        longest = max(map(len, os.fsencode(value).split(b"/")))
    except UnicodeEncodeError:
        return False
    return longest < 256 and "\0" not in str(value)


def _words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_words, arguments))
    if origin is Literal:
        return ", ".join(map(repr, arguments))
    if origin in (Sequence, tuple, list):
        return f"a list, each {_words(arguments[0])}"
    if hint is Path:
        return "a path"
    return _WORDS.get(hint, getattr(origin or hint, "__name__", str(hint)))
