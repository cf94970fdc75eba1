"""Fingerprints of records, which stay the same when a later version adds a field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field, fields
from functools import cache
from types import MappingProxyType
from typing import Any

SHA256 = re.compile(r"[0-9a-f]{64}")
"""The form of every digest and fingerprint."""
_ADDED_LATER = "added_later"


def added_later(default: Any) -> Any:
    """A field of a record that older versions did not have.

    It is left out of fingerprints, stores and files while it has its default value, and a missing
    field is read as its default. So a record that was written before keeps its fingerprint, and
    has the fingerprint of an equal record that is written today.
    """
    return field(default=default, metadata={_ADDED_LATER: True})


def stated_fields(record: Any) -> dict[str, Any]:
    """The fields of a record as they are written: without those that were added later and have
    their default value."""
    kind: Any = type(record)
    values = {name: getattr(record, name) for name in _field_names(kind)}
    for name, default in optional_fields(kind).items():
        if values[name] == default:
            del values[name]
    return values


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


@cache
def optional_fields(kind: Any) -> Mapping[str, Any]:
    """The fields that may be missing in a stored record of that kind, with their defaults."""
    found = {one.name: one.default for one in fields(kind) if one.metadata.get(_ADDED_LATER)}
    return MappingProxyType(found)  # cached, so every caller gets the same mapping


def fingerprint_of(kind: str, fields: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of `fields` and of `kind`."""
    # Sorted and without spaces: equal fields give equal text. Any change here changes every
    # fingerprint, and stored runs would not be found again.
    text = json.dumps(dict(fields), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{kind}\n{text}".encode()).hexdigest()
