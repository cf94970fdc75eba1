"""Every error a user can cause, and the exit code the command line gives it.

    GnlbenchError
    |-- UsageError      2   unknown name, no data or weights given, protocols that differ
    |-- DataError       3   path missing, empty or unreadable, an image that is none
    |-- ModelError      4   checkpoint unreadable, refused or of another network
    `-- StoreError      5   busy, newer, not a database, read-only, disk full

A message says what was expected, what came, and what to do next. The values stand on
the error as attributes, so that callers need not read the sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class GnlbenchError(Exception):
    """Base of every error that gnlbench raises on purpose."""

    exit_code = 70

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message)
        self.values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} carries no {name!r}") from None


class UsageError(GnlbenchError):
    """The request itself cannot be carried out as it was worded."""

    exit_code = 2


class DataError(GnlbenchError):
    """The images cannot be read, or are not what they should be."""

    exit_code = 3


class ModelError(GnlbenchError):
    """The network or its weights are unusable."""

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
