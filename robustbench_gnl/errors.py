"""Every error a user can cause, and the exit code the command line gives it.

    GnlbenchError
    |-- UsageError      2   unknown name, no data or weights given, protocols that differ
    |-- DataError       3   path missing, empty or unreadable, an image that is none
    |-- ModelError      4   checkpoint unreadable, refused or of another model
    `-- StoreError      5   busy, newer, not a database, read-only, disk full

A message says what was expected, what was found, and what to do next. Errors have the values as
attributes, so that callers need not parse the sentence. Parameters in it are named by
`option`, which the command line words as options, and Python as arguments.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Delimiters of a parameter in a message, from Unicode's private use area, so that no text contains
them."""
_PARAMETER = re.compile(f"{_OPEN}([a-z_]+)=([^{_CLOSE}]*){_CLOSE}")
_ARGUMENTS = {"ckpt": "checkpoint", "db": "store", "model": "name", "source": "kind"}
"""Names in Python of parameters that have another name on the command line."""
_FLAGS = frozenset({"common_cells", "pretrained", "rerun", "skip_bad_images", "strict"})


def option(name: str, value: str = "") -> str:
    """A parameter, as a message names it: `--input-size N` for users of the command line, and
    `input_size=N` for those who call Python.

    Args:
        name: Of the option, with underscores.
    """
    return f"{_OPEN}{name}={value}{_CLOSE}"


def as_options(message: str) -> str:
    """The message for users of the command line."""
    return _PARAMETER.sub(
        lambda found: f"--{found[1].replace('_', '-')} {found[2]}".strip(), message
    )


def as_arguments(message: str) -> str:
    """The message for those who call Python."""

    def argument(found: re.Match[str]) -> str:
        name, value = _ARGUMENTS.get(found[1], found[1]), found[2]
        if name in _FLAGS:
            return f"{name}=True"
        # Placeholders such as N and FILE, and numbers, are written as they are.
        is_text = value and not (value.isupper() or value[0].isdigit())
        text = f"{name}={value!r}" if is_text else f"{name}={value}" if value else name
        # `evaluate` has no such argument: it takes what `open_source` returns.
        return f"open_source(..., {text})" if name == "kind" and value else text

    return _PARAMETER.sub(argument, message)


NEWER = "a newer gnlbench may have written it: upgrade this one with `pip install -U gnlbench`"
"""What to do about a field or a suite that this version does not know."""


class GnlbenchError(Exception):
    """Base of every error that gnlbench raises on purpose."""

    exit_code = 70

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(as_arguments(message))
        self.message = message
        """With its parameters marked, so that the command line can word them as options."""
        self.values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} carries no {name!r}") from None


class UsageError(GnlbenchError):
    """The request is invalid."""

    exit_code = 2


class DataError(GnlbenchError):
    """The images cannot be read, or are not what they should be."""

    exit_code = 3


class ModelError(GnlbenchError):
    """The model or its weights are unusable."""

    exit_code = 4


class StoreError(GnlbenchError):
    """The database cannot be opened, read or written."""

    exit_code = 5


class GnlbenchWarning(UserWarning):
    """Something was assumed that a caller in Python should know of."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'fog'?"` for the nearest known name, `""` when none is near."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    if not close:
        return ""
    return "; did you mean " + " or ".join(repr(match) for match in close) + "?"
