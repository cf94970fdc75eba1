"""Limits of what a store accepts, so that every report can show it.

Each bound lies far beyond what an evaluation gives, and far below what databases, terminals and
floating-point arithmetic can take: PostgreSQL refuses NUL characters, SQLite cuts text at them,
a standard deviation squares losses, and printing walks nested values by recursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from robustbench_gnl.errors import StoreError
from robustbench_gnl.text import quoted

MOST_IMAGES = 10_000_000
"""Of an image set, a block, and images left out."""
MOST_CLASSES = 10_000_000
MOST_PARAMS = 10**15
MOST_MEAN = 1e6
LEAST_STD, MOST_STD = 1e-6, 1e6
"""Of the normalisation, each way from 0."""
MOST_LOSS = 7e38
"""Negative log likelihood of an image in nats: twice the largest float32, which no difference of
two logits exceeds."""
MOST_SECONDS = 1e7
"""Of a piece: sixteen weeks for a few hundred images."""

MOST_NAME = 1_000
"""Characters of a model's name, and of every field of a protocol."""
MOST_TAG = 200
MOST_TAGS = 1_000
MOST_KEY = 4_096
"""Characters of an image's key, as Linux allows a path."""
MOST_REASON = 10_000
MOST_DEPTH = 20
"""Of nested lists and mappings in an environment."""
MOST_VALUES = 100_000
"""Values in an environment; each time a run is resumed adds two dozen."""
MOST_TEXT = 4_000_000
"""Characters of one text in an environment: a command may have two million."""
_MOST_BITS = 3_000
"""Of a whole number in an environment; Python prints no more than 4,300 digits."""


def check_text(value: str, what: str, most: int = MOST_NAME, *, may_be_empty: bool = True) -> None:
    """Refuse text that not every database can hold.

    Raises:
        StoreError: It is too long, empty, no Unicode, or has a NUL character.
    """
    if len(value) > most:
        raise StoreError(
            f"expected {what} of at most {most:,} characters, got {len(value):,}: {quoted(value)}"
        )
    if not (value or may_be_empty):
        raise StoreError(f"expected {what} of at least one character, got none")
    if "\0" in value:
        raise StoreError(f"a store refuses text with a NUL character: {what} is {quoted(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"a store refuses text that is no Unicode: {what} is {quoted(value)}"
        ) from error


def check_range(value: float, what: str, least: float, most: float) -> None:
    """Refuse a number outside its bounds.

    Raises:
        StoreError: It is outside, or not finite.
    """
    if not least <= value <= most:
        raise StoreError(f"expected {what} from {least:,g} to {most:,g}, got {quoted(value)}")


def check_environment(environment: Mapping[str, Any]) -> None:
    """Refuse an environment that JSON cannot hold or a report cannot show.

    Raises:
        StoreError: It has values of other kinds, or too many, or nested too deep.
    """
    for n_values, (value, depth) in enumerate(_walk(environment)):
        if depth > MOST_DEPTH:
            raise StoreError(f"expected an environment nested at most {MOST_DEPTH} levels deep")
        if n_values > MOST_VALUES:
            raise StoreError(f"expected an environment of at most {MOST_VALUES:,} values")
        if isinstance(value, str):
            _check_environment_text(value)
        elif not _is_plain(value):
            raise StoreError(
                "expected values that JSON can hold (text, finite numbers, lists, mappings) in "
                f"the environment, got {quoted(value)}"
            )
    resumed = environment.get("resumed", [])
    if not isinstance(resumed, list) or not all(isinstance(one, Mapping) for one in resumed):
        raise StoreError(
            f"expected a list of objects as `resumed` in the environment, got {quoted(resumed)}"
        )


def is_too_deep(value: Any) -> bool:
    """Whether printing or copying it might exceed Python's limit of recursion."""
    return any(depth > MOST_DEPTH for _, depth in _walk(value))


def _walk(value: Any) -> Iterable[tuple[Any, int]]:
    """Every key and value inside, with its depth; not by recursion."""
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        yield one, depth
        if depth > MOST_DEPTH:
            continue
        if isinstance(one, Mapping):
            left += [(part, depth + 1) for entry in one.items() for part in entry]
        elif isinstance(one, (list, tuple)):
            left += [(part, depth + 1) for part in one]


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, int):
        return value.bit_length() <= _MOST_BITS
    return value is None or isinstance(value, (Mapping, list, tuple))


def _check_environment_text(value: str) -> None:
    # Not check_text: a path may hold bytes that are no Unicode, and is stored escaped.
    if len(value) > MOST_TEXT:
        raise StoreError(
            f"expected text of at most {MOST_TEXT:,} characters in the environment, "
            f"got {len(value):,}: {quoted(value)}"
        )
    if "\0" in value:
        raise StoreError(
            f"a store refuses text with a NUL character: the environment has {quoted(value)}"
        )
