"""Conversion of errors of SQLite, SQLAlchemy and damaged records to StoreError."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from robustbench_gnl.errors import StoreError

BUSY_SECONDS = 90
"""How long a writer waits for the others before it gives up."""

# SQLite's names of its result codes, by prefix: SQLITE_READONLY_DIRECTORY is a READONLY.
_SENTENCES = {
    "SQLITE_BUSY": (
        f"is busy: another process has held it for more than {BUSY_SECONDS} seconds; "
        "wait for it, or end it, and try again"
    ),
    "SQLITE_LOCKED": "is busy: another connection holds it; try again",
    "SQLITE_NOTADB": (
        "is not a database: expected a SQLite file written by gnlbench; "
        "name another file with --db, or move this one away"
    ),
    "SQLITE_CORRUPT": (
        "is damaged: SQLite cannot read it; restore a copy, or try `sqlite3 FILE .recover`"
    ),
    "SQLITE_READONLY": (
        "is read-only: this command writes; make the file and its folder writable, "
        "or copy the file and name the copy with --db"
    ),
    "SQLITE_FULL": (
        "cannot grow: the disk is full. What was committed is safe; free some space and run "
        "the same command again"
    ),
    "SQLITE_CANTOPEN": "cannot be opened: expected a file in a folder that can be read and written",
    "SQLITE_IOERR": (
        "cannot be read or written: the disk or network drive reports an error, "
        "or the disk is full; free some space and try again"
    ),
    "SQLITE_PERM": "cannot be opened: permission denied",
    "SQLITE_CONSTRAINT": "refuses what was written, because it contradicts what is stored",
    "SQLITE_TOOBIG": "refuses what was written: a value is too large for SQLite",
}


class DamagedRecord(Exception):
    """What is stored cannot be decoded. `store_errors` turns it into a StoreError with the name of
    the store."""


_UNDECODABLE = (
    ArithmeticError,  # Numbers beyond what they can be.
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,  # Of JSON and Unicode too.
    struct.error,
    zlib.error,
    StoreError,
    DamagedRecord,
)


@contextmanager
def decoding(what: str, instead: str = "") -> Iterator[None]:
    """Raise DamagedRecord for whatever fails while `what` is decoded."""
    try:
        yield
    except _UNDECODABLE as error:
        # One line: messages of damaged values may quote all of the value.
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, (StoreError, DamagedRecord)):
            cause = str(error)
        raise DamagedRecord(
            f"{what} cannot be read ({cause[:200]}); restore a copy{instead}"
        ) from error


def decoding_run(run_id: object) -> AbstractContextManager[None]:
    return decoding(f"run {run_id}", f", or delete the run with `gnlbench runs delete {run_id}`")


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn every error of the database in the block into a StoreError that names `where`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explain(error, where) from error
    except OSError as error:
        raise StoreError(
            f"the store {where} cannot be reached: {error.strerror or error}; "
            "name another place with --db",
            location=where,
        ) from error
    except DamagedRecord as error:
        raise StoreError(
            f"the store {where} is damaged: {error}", location=where, reason="damaged"
        ) from error
    except UnicodeDecodeError as error:
        raise refusal("SQLITE_CORRUPT", where, str(error)) from error
    except OverflowError as error:
        raise StoreError(
            f"the store {where} refuses a number of more than 64 bits: {error}", location=where
        ) from error
    except UnicodeEncodeError as error:
        raise StoreError(
            f"the store {where} refuses text that is no Unicode: {error.object!r}", location=where
        ) from error


def explain(error: BaseException, where: str) -> StoreError:
    """The StoreError for what SQLAlchemy or the driver raised."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    code = sqlite_code(error)
    if "Could not decode to UTF-8" in str(cause):
        return refusal("SQLITE_CORRUPT", where, str(cause).splitlines()[0])
    for prefix in _SENTENCES:
        if code.startswith(prefix):
            return refusal(prefix, where, str(cause))
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return StoreError(
        f"the store {where} cannot be used: {first_line}", location=where, reason=code or "other"
    )


def refusal(code: str, where: str, cause: str) -> StoreError:
    """The StoreError for one of SQLite's result codes."""
    return StoreError(
        f"the store {where} {_SENTENCES[code]} ({cause})", location=where, reason=code
    )


def sqlite_code(error: BaseException) -> str:
    """SQLite's own name of what went wrong, `""` where there is none."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return getattr(cause, "sqlite_errorname", "")
