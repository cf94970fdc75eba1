"""The surroundings of the process as commands may take them: streams, window, memory."""

from __future__ import annotations

import io
import mmap
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any

WIDEST = 10_000
"""Characters; a table for a wider window would not fit the memory."""
MEMORY_OF_NUMPY = 192 * 1024**2
"""Bytes of address space that NumPy and its BLAS take with one thread."""
_WINDOW = ("COLUMNS", "LINES", "TERMINAL_WIDTH")


def prepare_process() -> None:
    """Before anything is read or written, for a process that is ours alone."""
    open_streams()
    _mind_little_memory()


def bound_window() -> None:
    """Forget sizes of the window that are none, which rich and Typer would stumble over."""
    for name in _WINDOW:
        value = os.environ.get(name)
        if value is None:
            continue
        is_size = value.isascii() and value.isdigit() and len(value) < 20 and int(value) > 0
        if not is_size:
            del os.environ[name]
        elif int(value) > WIDEST:
            os.environ[name] = str(WIDEST)


def open_streams() -> None:
    """Have all three standard streams, and let none fail for want of a letter.

    What is opened first would else take the place of a closed one, and messages would be written
    into it: a store, for instance. What is written to a stdout that was closed fails, as it should.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _writer(1)
    if sys.stderr is None:
        sys.stderr = _writer(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _writer(number: int) -> io.TextIOWrapper:
    return open(number, "w", encoding="utf-8", closefd=False)


def _mind_little_memory() -> None:
    """Where memory is limited: one thread of BLAS, and an error instead of its exit with 1."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        sys.meta_path.insert(0, _MemoryBeforeNumpy())


class _MemoryBeforeNumpy(MetaPathFinder):
    """Looks for room before NumPy is loaded; finds no module itself."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        if fullname == "numpy":
            sys.meta_path.remove(self)
            try:
                mmap.mmap(-1, MEMORY_OF_NUMPY).close()
            except OSError:
                raise MemoryError(f"NumPy needs {MEMORY_OF_NUMPY} bytes") from None
        return None
