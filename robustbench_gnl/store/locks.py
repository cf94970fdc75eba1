"""The lock on a run: held by the process that writes it, and freed when that process ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from robustbench_gnl.errors import StoreError
from robustbench_gnl.store.location import Location
from robustbench_gnl.store.server import try_lock


@contextmanager
def run_lock(engine: Engine, location: Location, run_id: str) -> Iterator[None]:
    """Hold the run's lock.

    Raises:
        StoreError: Another process holds it.
    """
    if location.path is not None:
        with _file_lock(lock_path(location.path, run_id), run_id):
            yield
    elif engine.dialect.name == "postgresql":
        with try_lock(engine, f"gnlbench {run_id}") as is_ours:
            if not is_ours:
                raise _busy(run_id)
            yield
    else:
        yield  # In memory: no other process can see it.


def lock_path(store: Path, run_id: str) -> Path:
    """`<store>.locks/<run id>.lock`. It stays after the run has ended: a process that removed it
    could remove it while another one locks it."""
    name = re.sub(r"[^\w-]", "_", run_id)  # A damaged store may hold any id.
    return store.with_name(store.name + ".locks") / f"{name}.lock"


@contextmanager
def _file_lock(path: Path, run_id: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(exist_ok=True)
        lock = FileLock(path, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise _busy(run_id) from error
    except (OSError, NotImplementedError) as error:
        raise StoreError(
            f"the lock of run {run_id} cannot be taken at {path}: {error}; expected a folder "
            "that can be written, on a file system with locks",
            run_id=run_id,
        ) from error
    try:
        yield
    finally:
        lock.release()


def _busy(run_id: str) -> StoreError:
    return StoreError(
        f"run {run_id} is being written by another process; wait for it to end, or end it",
        run_id=run_id,
        reason="busy",
    )
