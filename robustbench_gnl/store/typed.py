"""Reading values from JSON into records, refusing every other shape."""

from __future__ import annotations

import reprlib
import sys
import types
from collections.abc import Hashable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import optional_fields

_Record = TypeVar("_Record")


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def shown(value: Any) -> str:
    """A value as messages show it: short, whatever its length, and however deep it is nested."""
    return _SHORT.repr(value)


def build(kind: type[_Record], value: Any, where: str) -> _Record:
    """A record of exactly its own fields, each of the type its annotation states; those that
    were added later may be missing."""
    record: Any = kind
    if isinstance(value, Mapping):
        value = {**optional_fields(record), **value}
    parts = take(value, _hints(record), where)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in parts.items()})


def take(value: Any, hints: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The entries of a mapping that has exactly these, each of its type.

    Raises:
        StoreError: An entry is missing, unknown or of another type.
    """
    if not isinstance(value, Mapping):
        raise StoreError(f"expected an object in {where}, got {type(value).__name__}")
    if value.keys() != hints.keys():
        missing = ", ".join(sorted(hints.keys() - value.keys())) or "none"
        unknown = ", ".join(sorted(map(str, value.keys() - hints.keys())))[:200] or "none"
        raise StoreError(
            f"{where} does not have the entries it should: missing {missing}; unknown {unknown}"
        )
    for name, hint in hints.items():
        if not _fits(value[name], hint):
            raise StoreError(
                f"expected {getattr(hint, '__name__', hint)} in {where}.{name}, "
                f"got {shown(value[name])}"
            )
    return dict(value)


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    record: Any = kind
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is tuple:
        item = get_args(hint)[0]
        return isinstance(value, list) and all(_fits(one, item) for one in value)
    # True is an int to Python, 1 is a float to JSON.
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    if hint is int:  # What every database can hold.
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return isinstance(value, origin or hint)
