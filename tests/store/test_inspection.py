"""A database of another program comes out of every command as it went in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN
from robustbench_gnl.store import open_store
from tests.store.samples import fill

ROOT = Path(__file__).parents[2]
PHOTOS = "CREATE TABLE photos (id INTEGER); INSERT INTO photos VALUES (1);"
MLFLOW = (
    "CREATE TABLE runs (run_uuid TEXT); CREATE TABLE tags (key TEXT);"
    "CREATE TABLE alembic_version (version_num TEXT);"
    "INSERT INTO alembic_version VALUES ('ae1027a6acf');"
)
OUR_NAMES = "".join(
    f"CREATE TABLE {name} (id INTEGER);"
    for name in ("image_sets", "protocols", "runs", "tags", "pieces", "cells")
)
ALEMBIC = "CREATE TABLE alembic_version (version_num TEXT);"


def _made(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def _crashed(path: Path, script: str) -> None:
    """As a program leaves it that was killed: its log or journal stays behind."""
    code = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.executescript(sys.argv[2])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path, script])
    assert done.returncode == -signal.SIGKILL


FOREIGN: dict[str, Callable[[Path], None]] = {
    "tables": lambda path: _made(path, PHOTOS),
    "a view": lambda path: _made(path, "CREATE VIEW one AS SELECT 1;"),
    "WAL": lambda path: _made(path, "PRAGMA journal_mode = WAL;" + PHOTOS),
    "a log left behind": lambda path: _crashed(path, "PRAGMA journal_mode = WAL;" + PHOTOS),
    "a journal left behind": lambda path: _crashed(
        path,
        PHOTOS + "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;"
        "CREATE TABLE big (b BLOB); INSERT INTO big VALUES (zeroblob(100000));"
        "INSERT INTO big VALUES (zeroblob(100000));",
    ),
    "Alembic and runs": lambda path: _made(path, MLFLOW),
    "Alembic alone": lambda path: _made(path, ALEMBIC),
    "our tables, a strange revision": lambda path: _made(
        path, OUR_NAMES + ALEMBIC + "INSERT INTO alembic_version VALUES ('ae1027a6acf');"
    ),
    "our tables, no revision": lambda path: _made(path, OUR_NAMES + ALEMBIC),
    "our tables without Alembic": lambda path: _made(path, OUR_NAMES),
    "an application_id": lambda path: _made(path, "PRAGMA application_id = 7;"),
    "a user_version": lambda path: _made(path, "PRAGMA user_version = 3;"),
}


def _state(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_database_is_not_changed_by_a_byte(tmp_path: Path, what: str, write: bool):
    path = tmp_path / "other.sqlite"
    FOREIGN[what](path)
    if "left behind" in what:
        assert len(list(tmp_path.iterdir())) > 1
    before = _state(tmp_path)
    with pytest.raises(StoreError, match=r"is a database of another program \(.*nothing was"):
        open_store(str(path), write=write)
    assert _state(tmp_path) == before


def test_a_foreign_database_in_use_is_not_changed(tmp_path: Path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL;" + PHOTOS + "BEGIN EXCLUSIVE;")
        before = _state(tmp_path)
        with pytest.raises(StoreError, match="another program"):
            open_store(str(path), write=True)
        assert _state(tmp_path) == before


def test_what_only_the_log_holds_of_a_store_is_found(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    code = (
        "import os, signal, sys\n"
        "from robustbench_gnl.store import open_store\n"
        "from tests.store.samples import fill\n"
        "store = open_store(sys.argv[1], write=True)\n"
        "fill(store, ())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, path], env=environment)
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    with open_store(str(path)) as store:
        assert len(store.runs()) == 1


def test_an_empty_database_becomes_a_store(tmp_path: Path):
    for name in ("nothing", "a header"):
        path = tmp_path / name
        path.touch()
        if name == "a header":
            _made(path, "CREATE TABLE one (id INTEGER); DROP TABLE one;")
            assert path.stat().st_size > 0
        with open_store(str(path), write=True) as store:
            fill(store, (CLEAN,))
        with open_store(str(path)) as store:
            assert len(store.runs()) == 1


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(path.parent)  # The path of a socket may have 107 bytes.
        made.bind(path.name)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_pipe, "is a pipe: expected a regular file"),
        (_socket, "is a socket: expected a regular file"),
        (lambda path: path.symlink_to("/dev/null"), "is a device: expected a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device: expected a regular file"),
        (lambda path: path.symlink_to("/proc/version"), "is a file of the kernel"),
        (lambda path: path.symlink_to("/proc/none"), "is a file of the kernel"),
        (lambda path: path.symlink_to("/sys/none.sqlite"), "is a file of the kernel"),
        (lambda path: path.mkdir(), "is a folder: expected a file"),
        (lambda path: path.symlink_to("runs.sqlite"), "is no path of a store|cannot be reached"),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    what: str,
    write: bool,
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs.sqlite"
    make(path)
    with pytest.raises(StoreError, match=what):
        open_store(str(path), write=write)
    assert [one.name for one in tmp_path.iterdir()] == ["runs.sqlite"]


def test_a_newer_store_is_not_changed(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    with open_store(str(path), write=True) as store:
        fill(store, ())
    _made(path, "PRAGMA journal_mode = DELETE; UPDATE alembic_version SET version_num = '0042';")
    shutil.rmtree(f"{path}.locks", ignore_errors=True)
    before = _state(tmp_path)
    with pytest.raises(StoreError, match="newer gnlbench"):
        open_store(str(path), write=True)
    assert _state(tmp_path) == before
