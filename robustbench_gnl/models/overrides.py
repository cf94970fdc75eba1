"""Context managers that change a setting of another library and restore it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def attribute_set(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of a module. Threads that use the module meanwhile see it too.

    Raises:
        AttributeError: The owner has no such attribute: the library has changed.
    """
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def variable_set(name: str, value: str) -> Iterator[None]:
    """Set a variable of this process's environment, which libraries read where they take no
    argument."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
