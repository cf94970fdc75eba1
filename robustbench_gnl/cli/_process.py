"""Preparation of the process: standard streams, size of the terminal, little memory."""

from __future__ import annotations

import io
import mmap
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any

MOST_COLUMNS = 10_000
"""Characters; a table for a wider window would not fit the memory."""
MEMORY_OF_NUMPY = 192 * 1024**2
"""Bytes of address space that NumPy and its BLAS take with one thread."""
_WINDOW = ("COLUMNS", "LINES", "TERMINAL_WIDTH")


def prepare_process() -> None:
    """To be called before anything is read or written, in a process of the command line."""
    open_streams()
    _prepare_for_little_memory()


def limit_terminal_size() -> None:
    """Remove invalid terminal sizes from the environment, on which rich and Typer would fail."""
    for name in _WINDOW:
        value = os.environ.get(name)
        if value is None:
            continue
        # Few digits: int() refuses more than 4,300 of them with an error.
        is_size = value.isascii() and value.isdigit() and len(value) < 20 and int(value) > 0
        if not is_size:
            del os.environ[name]
        elif int(value) > MOST_COLUMNS:
            os.environ[name] = str(MOST_COLUMNS)


def open_streams() -> None:
    """Open the standard streams that are closed, and escape characters that their encoding lacks.

    Otherwise the first file that is opened, such as a store, would get the number of a closed
    stream, and messages would be written into it. Writing to a stdout that was closed still fails.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # os.open returns the lowest number that is free, which is this one.
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


def is_memory_limited() -> bool:
    """Whether the process has a limit of address space (`ulimit -v`)."""
    try:
        import resource
    except ImportError:  # not on Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _prepare_for_little_memory() -> None:
    """Where memory is limited, use one BLAS thread, and raise an error where BLAS would exit."""
    if is_memory_limited():
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # OpenBLAS ends the process when it cannot allocate its buffers: no error could be shown.
        sys.meta_path.insert(0, _MemoryBeforeNumpy())


class _MemoryBeforeNumpy(MetaPathFinder):
    """Checks that there is enough memory before NumPy is loaded; finds no module itself."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        if fullname == "numpy":
            sys.meta_path.remove(self)
            try:
                mmap.mmap(-1, MEMORY_OF_NUMPY).close()
            except OSError:
                raise MemoryError(f"NumPy needs {MEMORY_OF_NUMPY} bytes") from None
        return None
