"""SQLite: how a file is opened for writing and for reading, and its log written back."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from robustbench_gnl.errors import StoreError
from robustbench_gnl.store.database_errors import BUSY_SECONDS, refusal, sqlite_code

WRITE_BACK_SECONDS = 0.5
"""How long closing a store waits for readers and writers that are in its way."""

WRITES = "gnlbench_writes"
"""Execution option of a connection whose transaction writes."""


def writing_engine(path: Path, name: str) -> Engine:
    """An engine for a file, which it may create together with its folder.

    Raises:
        StoreError: The folder cannot be made, or the file cannot be written.
    """
    _make_writable(path, name)
    return _file_engine(_writer(path))


def reading_engine(path: Path, name: str) -> Engine:
    """An engine for a file that is there, which it leaves as it is."""
    return _file_engine(_reader(path, name))


def memory_engine() -> Engine:
    """A database that lives as long as the engine."""
    # One connection for all: a second one would open another, empty database.
    return _file_engine(lambda: _connect("file::memory:", immutable=False), pool=StaticPool)


def _file_engine(
    connect: Callable[[], sqlite3.Connection],
    pool: type[QueuePool] | type[StaticPool] = QueuePool,
) -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=pool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another process
    # wrote in between; taking the write lock at the start waits for it instead.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _connect(uri: str, *, immutable: bool) -> sqlite3.Connection:
    separator = "&" if "?" in uri else "?"
    # isolation_level None: transactions begin where `_begin` says, never by themselves.
    connection = sqlite3.connect(
        uri + (f"{separator}immutable=1" if immutable else ""),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # Off in SQLite unless asked for; deleting a run relies on it to delete the pieces.
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _writer(path: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = _connect(f"{path.as_uri()}?mode=rwc", immutable=False)
        try:
            _set_journal(connection)
            # With NORMAL a power cut may take back the last commits of a WAL database:
            # sqlite.org/pragma.html#pragma_synchronous.
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _set_journal(connection: sqlite3.Connection) -> None:
    """WAL, so that readers and a writer do not wait for each other.

    WAL needs memory shared between processes, which network drives do not have: there
    SQLite refuses or stays with what it has, and a plain journal does.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            # Two processes that switch a new file to WAL at once: SQLite does not wait here.
            if sqlite_code(error).startswith("SQLITE_BUSY") and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            if sqlite_code(error).startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PROTO")):
                mode = "refused"
                break
            raise
    # Any other mode, such as `memory` or `off`, may damage the file in a crash.
    if mode not in ("wal", "delete"):
        connection.execute("PRAGMA journal_mode = DELETE")


def _reader(path: Path, name: str) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        # SQLite itself turns to reading alone where the file cannot be written. Not mode=ro:
        # that leaves the files of the WAL behind.
        connection = _connect(f"{path.as_uri()}?mode=rw", immutable=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            connection.close()
            if not sqlite_code(error).startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
            connection = _connect_immutable(path, name)
        # Opened with mode=rw for the sake of the WAL, but this connection must not write.
        connection.execute("PRAGMA query_only = ON")
        return connection

    return connect


def _connect_immutable(path: Path, name: str) -> sqlite3.Connection:
    """For a WAL store in a folder where SQLite cannot put the files of the WAL."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        raise StoreError(
            f"the store {name} has unfinished changes in {log.name}, and its folder is read-only; "
            "copy both files to a folder that can be written and name the copy with --db",
            location=name,
            reason="read-only",
        )
    return _connect(f"{path.as_uri()}?mode=ro", immutable=True)


def _make_writable(path: Path, name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder of the store {name} cannot be made: {error.strerror}; "
            "name another place with --db",
            location=name,
        ) from error
    # Both: SQLite writes its journal beside the file.
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            # SQLite would find out at the first write, after the work is done.
            raise refusal("SQLITE_READONLY", name, f"no permission to write {place}")


def write_back(engine: Engine) -> None:
    """Bring what the log of a SQLite file holds into the file itself, so that the file alone,
    copied, is the whole store. SQLite does so by itself when the last process closes it.

    It is no error where a reader or writer is in the way: nothing is lost, and the next one to
    close the store does it.
    """
    with suppress(SQLAlchemyError, sqlite3.Error), closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(1000 * WRITE_BACK_SECONDS)}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
