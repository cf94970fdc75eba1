"""Files that runs travel in: read by their content, written whole."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl.errors import DataError, StoreError, UsageError

if TYPE_CHECKING:
    from robustbench_gnl.store import StoredRun

SQLITE_MAGIC = b"SQLite format 3\0"
_STREAM = re.compile(r"/dev/(stdout|stderr|fd/[0-9]+)|/proc/self/fd/[0-9]+")


def read_runs(path: Path, stack: ExitStack) -> Iterator[StoredRun]:
    """The runs of a file; what it is shows in its first bytes, not in its name."""
    from robustbench_gnl.store import open_store
    from robustbench_gnl.store.documents import MOST_BYTES, from_document, parse_document

    try:
        with path.open("rb") as file:  # Once: what a pipe gave, it does not give again.
            start = file.read(len(SQLITE_MAGIC))
            is_store = start == SQLITE_MAGIC
            document = None
            if not is_store:
                document = parse_document(start + file.read(MOST_BYTES))
            store_path = path
            if is_store and not path.is_file():
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gnlbench-"))
                store_path = Path(folder) / "piped.sqlite"
                with store_path.open("wb") as copy:
                    copy.write(start)
                    shutil.copyfileobj(file, copy)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", path=path) from error
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


def write_whole(path: Path, text: str, *, option: str = "--output") -> None:
    """All of the file or nothing: a reader never sees half of it.

    A link stays, and what it leads to is written. A pipe or a device is written as it is.

    Args:
        option: The one that names the file, for messages.
    """
    try:
        mode = _mode_of(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise UsageError(
                f"{path} is a folder: expected a file; name one with {option}", path=path
            )
        if _STREAM.fullmatch(str(path)) or (mode is not None and not stat.S_ISREG(mode)):
            # Append: a shell's `>>` may have put something there already.
            with path.open("a" if _STREAM.fullmatch(str(path)) else "w", encoding="utf-8") as file:
                file.write(text)
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be written: {getattr(error, 'strerror', None) or error}; "
            f"name another file with {option}",
            path=path,
        ) from error


def append(path: Path, text: str) -> None:
    """Add to a file that others write too, as CI servers ask for."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be written: {getattr(error, 'strerror', None) or error}", path=path
        ) from error


def _mode_of(path: Path) -> int | None:
    """What the path leads to, links followed; None where nothing is there yet.

    Raises:
        OSError: The links lead in a circle, or a folder cannot be searched.
    """
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
