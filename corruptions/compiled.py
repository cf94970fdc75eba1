"""How the inner loops are compiled: once, and kept on disk for the next process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile with numba at the first call.

    The machine code is cached beside the source, or in the user's cache folder where the
    package's is read-only; where neither can be written, each process compiles anew.
    Strict arithmetic (no fast-math), so that every processor gives the same pixels, and
    without the interpreter's lock, so that threads run side by side.
    """
    make: Any = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return make(function, cache=True)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no folder to cache in
        return make(function)  # type: ignore[no-any-return]
