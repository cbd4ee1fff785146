"""Plain values to dataclasses and back, strictly: unknown keys and wrong types are errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from cdim.errors import CdimError, nearest


class Document(NamedTuple):
    """What is read, for error messages.

    Args:
        name: such as "recipe".
        error: what is raised.
    """

    name: str
    error: type[CdimError]


def build(cls: Any, table: Any, document: Document, where: str = "") -> Any:
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
            f"{where} = {table!r}", f"[{where}] is a table of keys", f"write [{where}]"
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
    for spec in dataclasses.fields(cls):
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
    if dataclasses.is_dataclass(hint):
        return build(hint, value, document, name)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and type(None) in arguments:
            return None
        listed = isinstance(value, list | tuple)
        fit = [a for a in arguments if (get_origin(a) is tuple) == listed]
        return _value((fit or arguments)[0], value, document, name)
    if origin is Literal:
        if value not in arguments:
            raise document.error(
                f"{name} = {value!r}",
                f"it is one of {', '.join(map(repr, arguments))}",
                nearest(str(value), map(str, arguments)),
            )
        return value
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        if not isinstance(value, list | tuple) or (not many and len(value) != len(arguments)):
            size = "" if many else f" of {len(arguments)} values"
            raise document.error(f"{name} = {value!r}", f"it is a list{size}", "write it in [ ]")
        return tuple(_value(arguments[0], v, document, f"{name}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        return _table(arguments[1], value, document, name)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
        raise document.error(f"{name} = {value!r}", f"it is {words[hint]}", "change its value")
    return value


def _table(each: Any, value: Any, document: Document, name: str) -> dict[str, Any]:
    """A mapping whose values are of the type `each`, or of any."""
    if not isinstance(value, Mapping):
        raise document.error(f"{name} = {value!r}", "it is a table", f"write [{name}]")
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
