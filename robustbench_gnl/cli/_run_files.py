"""Files that runs travel in: read by their content, written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl.errors import DataError, StoreError, UsageError

if TYPE_CHECKING:
    from robustbench_gnl.store import StoredRun

SQLITE_MAGIC = b"SQLite format 3\0"


def read_runs(path: Path, stack: ExitStack) -> Iterator[StoredRun]:
    """The runs of a file; what it is shows in its first bytes, not in its name."""
    from robustbench_gnl.store import open_store
    from robustbench_gnl.store.documents import from_document

    try:
        with path.open("rb") as file:
            is_store = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
        document = None if is_store else json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", path=path) from error
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path} is neither a store nor complete JSON ({error}); expected a file that "
            "`gnlbench runs export RUN -o FILE` wrote",
            path=path,
        ) from error
    if is_store:
        return stack.enter_context(open_store(str(path))).stored_runs()
    try:
        return iter([from_document(document)])
    except StoreError as error:
        raise StoreError(f"{path}: {error}", **{**error.values, "path": path}) from error


def write_whole(path: Path, text: str) -> None:
    """All of the file or nothing: a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; name another file with --output",
            path=path,
        ) from error
