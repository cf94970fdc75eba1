"""Files of exported runs: recognised by their content, and written completely or not at all."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl import files
from robustbench_gnl.errors import DataError, GnlbenchError, StoreError, UsageError
from robustbench_gnl.files import open_to_append, open_to_read, read_bounded

if TYPE_CHECKING:
    from robustbench_gnl.store import StoredRun

SQLITE_MAGIC = b"SQLite format 3\0"
DISK_FAILS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def read_runs(path: Path, stack: ExitStack) -> Iterator[StoredRun]:
    """The runs of a file; its first bytes decide whether it is a store or JSON, not its name."""
    from robustbench_gnl.store import open_store
    from robustbench_gnl.store.documents import MOST_BYTES, from_document, parse_document

    try:
        with open_to_read(path) as file:  # Only once: a pipe cannot be read again.
            start = file.read(len(SQLITE_MAGIC))
            is_store = start == SQLITE_MAGIC
            document = None
            if not is_store:
                # Bounded: a file of any size may be given, or a pipe without end.
                document = parse_document(bytes(start + read_bounded(file, MOST_BYTES)))
            store_path = path
            if is_store and not path.is_file():
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gnlbench-"))
                store_path = Path(folder) / "piped.sqlite"
                with store_path.open("wb") as copy:
                    copy.write(start)
                    shutil.copyfileobj(file, copy)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read: {reason}", path=path) from error
    except (ValueError, RecursionError) as error:
        what = f"is neither a store nor complete JSON ({error})" if start else "is empty"
        raise StoreError(
            f"{path} {what}; expected a file that `gnlbench runs export RUN -o FILE` wrote",
            path=path,
        ) from error
    except StoreError as error:
        raise _of_file(path, error) from error
    if is_store:
        return stack.enter_context(open_store(str(store_path))).stored_runs()
    try:
        return iter([from_document(document)])
    except StoreError as error:
        raise _of_file(path, error) from error


def _of_file(path: Path, error: StoreError) -> StoreError:
    return StoreError(f"{path}: {error}", **{**error.values, "path": path})


def write_whole(
    path: Path,
    content: str | bytes,
    *,
    option: str = "--output",
    make_folder: bool = True,
    failure: type[GnlbenchError] = UsageError,
) -> None:
    """Write a file that an option names, as `files.write_whole` does.

    Args:
        content: Text is written as UTF-8.
        option: The one that names the file, for messages.
        make_folder: Whether a folder that is missing is made.
        failure: What is raised where the path is wrong.

    Raises:
        StoreError: The disk is full or reports an error.
        GnlbenchError: As `failure` says.
    """
    try:
        data = content.encode() if isinstance(content, str) else content
        files.write_whole(path, data, make_folder=make_folder)
    except IsADirectoryError as error:
        raise failure(
            f"{path} is a folder: expected a file; name one with {option}", path=path
        ) from error
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error, f"name another file with {option}", failure) from error


def append(path: Path, text: str) -> None:
    """Add to a file that others write too, as CI servers ask for.

    Raises:
        StoreError: The disk is full or reports an error.
        UsageError: It cannot be written there.
    """
    try:
        with open_to_append(path) as file:
            file.write(text.encode())
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error, "", UsageError) from error


def _cannot_write(
    path: Path, error: Exception, next_step: str, failure: type[GnlbenchError]
) -> GnlbenchError:
    """The error of a path, or of a full disk, which is not the fault of the command."""
    number = error.errno if isinstance(error, OSError) else None
    if number in DISK_FAILS:
        failure, next_step = StoreError, "make room, or " + (next_step or "write elsewhere")
    reason = getattr(error, "strerror", None) or error
    return failure(
        f"{path} cannot be written: {reason}" + (f"; {next_step}" if next_step else ""), path=path
    )
