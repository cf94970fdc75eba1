"""Inspection of the file at a store's path, which changes no byte of it or beside it.

SQLite changes files that are only read: the last connection writes the log back and removes it,
and the first one after a crash rolls a journal back. A database of another program must come
out of every command as it went in, so it is looked at before SQLite may do any of this.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustbench_gnl.errors import StoreError
from robustbench_gnl.files import kind_of
from robustbench_gnl.store.database_errors import sqlite_code
from robustbench_gnl.store.location import Location
from robustbench_gnl.store.versions import (
    REVISION_QUERY,
    check_revision,
    check_tables,
    foreign,
    is_store,
)

_LOGS = ("-wal", "-journal")
_KERNEL_FOLDERS = ("proc", "sys")
_WAIT_SECONDS = 0.2
"""Another process may just be creating the store: what is half written reads as damaged."""
_LIST_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*'"
)


@dataclass(frozen=True)
class _Content:
    """The properties that show which program a database belongs to."""

    tables: tuple[str, ...]
    """And views."""
    revisions: tuple[object, ...]
    marks: tuple[int, int]
    """`application_id` and `user_version`, by which programs mark databases as theirs."""


def check_file(location: Location) -> None:
    """Refuse a path at which no store can be, and a database of another program.

    Raises:
        StoreError: A folder, pipe, device, socket or file of the kernel; no SQLite file; or
            another program's.
    """
    path, name = location.path, location.name
    if path is None:
        return
    if path.parts[1:2] and path.parts[1] in _KERNEL_FOLDERS:
        raise _no_file(name, "a file of the kernel")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except NotADirectoryError:
        return  # The folder cannot be made either; who needs it says so.
    if stat.S_ISDIR(mode):
        raise StoreError(
            f"the store {name} is a folder: expected a file; did you mean {name}/gnlbench.sqlite?",
            location=name,
        )
    if not stat.S_ISREG(mode):  # Opening a pipe would wait for its other end.
        raise _no_file(name, kind_of(mode))
    _check_owner(path, name)


def _no_file(name: str, what: str) -> StoreError:
    return StoreError(
        f"the store {name} is {what}: expected a regular file, or a path where one can be made; "
        "name another with --db",
        location=name,
        reason="no file",
    )


def _check_owner(path: Path, name: str) -> None:
    content = _read_content(path)
    if check_tables(content.tables, name):
        check_revision(content.revisions, name)
    elif any(content.marks):
        raise foreign("application_id {}, user_version {}".format(*content.marks), name)


def _read_content(path: Path) -> _Content:
    try:
        content = _read(path)
    except sqlite3.Error as error:
        if not sqlite_code(error).startswith("SQLITE_CORRUPT"):
            raise
        # A full disk may have kept the log from being written back, which is then needed.
        with_logs = _read_with_logs(path)
        if with_logs is not None:
            return with_logs
        time.sleep(_WAIT_SECONDS)
        return _read(path)
    return content if content.tables else _read_with_logs(path) or content


def _read(path: Path) -> _Content:
    """What the main file holds."""
    # immutable: no lock is taken, no log is read, nothing is written.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:

        def column(query: str) -> tuple[Any, ...]:
            return tuple(row[0] for row in connection.execute(query))

        tables = column(_LIST_TABLES)
        return _Content(
            tables,
            column(REVISION_QUERY) if is_store(tables) else (),
            (*column("PRAGMA application_id"), *column("PRAGMA user_version")),
        )


def _read_with_logs(path: Path) -> _Content | None:
    """The same with what is still in a log beside it, read from a copy; None without a log."""
    logs = [path.with_name(path.name + end) for end in _LOGS]
    if not any(log.is_file() and log.stat().st_size for log in logs):
        return None
    with tempfile.TemporaryDirectory(prefix="gnlbench-") as folder:
        copy = Path(folder) / "copy.sqlite"
        for end in ("", *_LOGS):
            # Gone: another process has just written it back.
            with suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + end), copy.with_name(copy.name + end))
        with closing(sqlite3.connect(copy)) as connection:
            # The first read makes SQLite apply the log to the copy.
            connection.execute("SELECT count(*) FROM sqlite_master")
        return _read(copy)
