"""Strict conversion of records to JSON values and back.

One field, one key; tuples are lists, bytes are base64, and a record inside a record is an object,
except `Condition`, whose two fields are written among those of its record. Fields that were
added to a record later (`fingerprints.added_later`) are left out while they have their default.

msgspec, pydantic and cattrs were considered instead. They check the fields of their own classes,
while the records are plain dataclasses that import nothing; numbers of more than 64 bits, numbers
that are not finite and the messages would still have to be written here.
"""

from __future__ import annotations

import base64
import binascii
import sys
import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from robustbench_gnl.errors import NEWER, GnlbenchError, StoreError
from robustbench_gnl.fingerprints import optional_fields, stated_fields
from robustbench_gnl.records import Condition
from robustbench_gnl.text import quoted

_Record = TypeVar("_Record")


def encode(record: Any) -> dict[str, Any]:
    """The stated fields of a record as values that JSON can hold."""
    encoded: dict[str, Any] = {}
    for name, value in stated_fields(record).items():
        if type(value) in _PLAIN:  # Most are: an export has a hundred thousand values.
            encoded[name] = value
        elif isinstance(value, Condition):
            encoded |= encode(value)
        elif is_dataclass(value):
            encoded[name] = encode(value)
        elif isinstance(value, tuple):
            encoded[name] = list(value)
        elif isinstance(value, bytes):
            encoded[name] = base64.b64encode(value).decode("ascii")
        else:
            encoded[name] = value
    return encoded


_PLAIN = frozenset({str, int, float, bool, type(None)})


def decode(
    kind: type[_Record], value: Any, where: str, *, error: type[GnlbenchError] = StoreError
) -> _Record:
    """A record from the values that `encode` gives.

    Args:
        where: What messages call the object, such as `pieces[0]`.
        error: What is raised.

    Raises:
        GnlbenchError: As `error` says: a key is missing, unknown, or of another type.
    """
    record: Any = kind
    stated = _mapping(value, where, error)
    defaults = {k: default for k, default in optional_fields(record).items() if k not in stated}
    expected = {key: hint for key, hint in _types(record).items() if key not in defaults}
    parts = check_entries(value, expected, where, error)
    arguments: dict[str, Any] = dict(defaults)
    for name, hint in _hints(record).items():
        if name in defaults:
            continue
        if hint is Condition:
            arguments[name] = Condition(*(parts[own] for own in _hints(Condition)))
        elif isinstance(hint, type) and is_dataclass(hint):
            arguments[name] = decode(hint, parts[name], f"{where}.{name}", error=error)
        elif hint is bytes:
            arguments[name] = _bytes(parts[name], f"{where}.{name}", error)
        else:
            entry = parts[name]
            arguments[name] = tuple(entry) if isinstance(entry, list) else entry
    return kind(**arguments)


def unknown_keys(kind: Any, value: Mapping[str, Any]) -> list[str]:
    """The keys that no field of this version has."""
    return sorted(map(str, value.keys() - _types(kind).keys()))


def check_entries(
    value: Any, hints: Mapping[str, Any], where: str, error: type[GnlbenchError] = StoreError
) -> Mapping[str, Any]:
    """The same mapping, which has exactly these keys, each with a value of its type.

    Raises:
        GnlbenchError: As `error` says: a key is missing, unknown, or of another type.
    """
    entries = _mapping(value, where, error)
    if entries.keys() != hints.keys():
        missing = ", ".join(sorted(hints.keys() - entries.keys())) or "none"
        unknown = ", ".join(sorted(map(str, entries.keys() - hints.keys())))[:200]
        raise error(
            f"{where} does not have the entries it should: missing {missing}; "
            + (f"unknown {unknown}; {NEWER}" if unknown else "unknown none")
        )
    for name, hint in hints.items():
        if not _fits(entries[name], hint):
            raise error(
                f"expected {getattr(hint, '__name__', hint)} in {where}.{name}, "
                f"got {quoted(entries[name])}"
            )
    return entries


def _mapping(value: Any, where: str, error: type[GnlbenchError]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise error(f"expected an object in {where}, got {type(value).__name__}")
    return value


def _bytes(text: str, where: str, error: type[GnlbenchError]) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise error(f"expected base64 in {where}: {cause}") from cause


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    """Field to its annotation."""
    record: Any = kind
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


@cache
def _types(kind: Hashable) -> dict[str, Any]:
    """Key to the type of its value in JSON."""
    keys: dict[str, Any] = {}
    for name, hint in _hints(kind).items():
        if hint is Condition:
            keys |= _hints(Condition)
        elif is_dataclass(hint):
            keys[name] = Mapping
        else:
            keys[name] = str if hint is bytes else hint
    return keys


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
