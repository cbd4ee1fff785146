"""Plain values to dataclasses and back, strictly: unknown keys and wrong types are errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cdim.errors import RecipeError, nearest


def build(cls: Any, table: Any, where: str = "") -> Any:
    """A dataclass from a table of plain values, as its annotations say.

    Args:
        cls: the dataclass; fields may be dataclasses, literals, tuples, mappings and unions.
        table: the values; a whole number may stand for a float.
        where: how error messages call the table.

    Raises:
        RecipeError: an unknown or missing key, or a value of another type.
    """
    if not isinstance(table, Mapping):
        raise RecipeError(
            f"{where} = {table!r}", f"[{where}] is a table of keys", f"write [{where}]"
        )
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            raise RecipeError(
                f"unknown key {f'{where}.{key}' if where else key!r} in the recipe",
                f"{f'[{where}]' if where else 'a recipe'} has the keys {', '.join(hints)}",
                nearest(str(key), hints),
            )
    values = {}
    for spec in dataclasses.fields(cls):
        name = f"{where}.{spec.name}" if where else spec.name
        if spec.name in table:
            values[spec.name] = _value(hints[spec.name], table[spec.name], name)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise RecipeError(f"no {name} in the recipe", f"{name} is required", "add it")
    return cls(**values)


def _value(hint: Any, value: Any, name: str) -> Any:
    """`value` as the annotated type, or an error that says what the type is."""
    if dataclasses.is_dataclass(hint):
        return build(hint, value, name)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        tuples = [a for a in arguments if get_origin(a) is tuple]
        plain = [a for a in arguments if get_origin(a) is not tuple]
        return _value(tuples[0] if isinstance(value, list | tuple) else plain[0], value, name)
    if origin is Literal:
        if value not in arguments:
            raise RecipeError(
                f"{name} = {value!r}",
                f"it is one of {', '.join(map(repr, arguments))}",
                nearest(str(value), map(str, arguments)),
            )
        return value
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        if not isinstance(value, list | tuple) or (not many and len(value) != len(arguments)):
            size = "" if many else f" of {len(arguments)} values"
            raise RecipeError(f"{name} = {value!r}", f"it is a list{size}", "write it in [ ]")
        return tuple(_value(arguments[0], v, f"{name}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{name} = {value!r}", "it is a table", f"write [{name}]")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
        raise RecipeError(f"{name} = {value!r}", f"it is {words[hint]}", "change its value")
    return value


def plain(value: Any) -> Any:
    """A dataclass as tables and lists of plain values, every default written out."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value
