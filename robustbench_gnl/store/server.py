"""Databases on a server: PostgreSQL and its locks, and others as far as SQLAlchemy knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from robustbench_gnl.errors import StoreError
from robustbench_gnl.store.location import EXPECTED


def server_engine(url: URL, name: str) -> Engine:
    """An engine for the database of a URL.

    Raises:
        StoreError: Its driver is not installed, or SQLAlchemy does not know it.
    """
    try:
        # Pre-ping: servers and firewalls drop idle connections, and commits may lie far apart.
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        wanted = "psycopg[binary]" if error.name == "psycopg" else error.name
        raise StoreError(
            f"the store {name} needs the driver {error.name!r}, which is not installed; "
            f'run `pip install "{wanted}"`',
            location=name,
            driver=error.name,
        ) from error
    except (NoSuchModuleError, ArgumentError) as error:
        raise StoreError(
            f"{name!r} names a database that SQLAlchemy does not know: {EXPECTED}; "
            "for a database of another vendor, `pip install` its SQLAlchemy dialect",
            location=name,
        ) from error


def lock_until_commit(connection: Connection, key: str) -> None:
    """Make other transactions that lock the same key wait for the end of this one.

    Does nothing on SQLite, which lets one transaction write at a time anyway.
    """
    # PostgreSQL knows advisory locks by 64-bit numbers, hence the hash of the key.
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
        connection.execute(lock, {"key": key})


@contextmanager
def try_lock(engine: Engine, key: str) -> Iterator[bool]:
    """Lock a key of PostgreSQL while the block runs; False where another connection has it."""
    # The server frees the lock when the connection ends, however it ends.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        lock = text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))")
        if not connection.execute(lock, {"key": key}).scalar():
            yield False
            return
        try:
            yield True
        finally:
            unlock = text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))")
            connection.execute(unlock, {"key": key})
