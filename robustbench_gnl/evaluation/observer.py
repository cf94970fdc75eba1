"""Observers of a session: they receive messages and progress."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from robustbench_gnl.errors import GnlbenchWarning, as_arguments
from robustbench_gnl.progress import ProgressBar

_PACKAGE = str(Path(__file__).parents[1])


class Task(Protocol):
    """Work whose progress is observed."""

    def advance(self, what: object, n_images: int) -> None:
        """`n_images` more are done, of the condition `what`."""

    def show(self, n_done: int, n_total: int) -> None:
        """`n_done` of `n_total` are done: for work whose size becomes known on the way."""


class Observer:
    """Issues notes and warnings as Python warnings, and shows nothing else.

    Derive from it to show more; every method may be replaced alone.
    """

    words_options = False
    """Whether messages have parameters marked by `errors.option`, which the observer words itself;
    else they are worded as arguments of Python."""

    def info(self, message: str) -> None:
        """What the session does or has found."""

    def note(self, message: str) -> None:
        """Something that was assumed or left out, which a reader of the result should know."""
        _warn(message)

    def warning(self, message: str) -> None:
        """Something that is most likely a mistake."""
        _warn(message)

    @contextmanager
    def task(self, total: int, label: str) -> Iterator[Task]:
        """Around work on `total` images."""
        yield _Unobserved()


class ProgressObserver(Observer):
    """Shows a progress bar on stderr besides: the condition, images per second and time left."""

    @contextmanager
    def task(self, total: int, label: str) -> Iterator[Task]:
        with ProgressBar(total, label=label) as progress:
            yield progress


class _AsArguments(Observer):
    """Words messages for users of Python, and passes everything on."""

    words_options = True

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def info(self, message: str) -> None:
        self._observer.info(as_arguments(message))

    def note(self, message: str) -> None:
        self._observer.note(as_arguments(message))

    def warning(self, message: str) -> None:
        self._observer.warning(as_arguments(message))

    @contextmanager
    def task(self, total: int, label: str) -> Iterator[Task]:
        with self._observer.task(total, label) as task:
            yield task


def worded(observer: Observer) -> Observer:
    """The observer of messages with marked parameters."""
    return observer if observer.words_options else _AsArguments(observer)


class _Unobserved:
    def advance(self, what: object, n_images: int) -> None:
        pass

    def show(self, n_done: int, n_total: int) -> None:
        pass


def _warn(message: str) -> None:
    """Warn at the line of the caller's code, and not at one of this package."""
    frame, stacklevel = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, GnlbenchWarning, stacklevel=stacklevel)
