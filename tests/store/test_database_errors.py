"""Whatever is wrong with a store, the user reads one plain sentence that names it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import Store, open_store
from robustbench_gnl.store.database_errors import refusal, store_errors
from robustbench_gnl.store.location import parse_location
from robustbench_gnl.store.sqlite import _set_journal
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.store.samples import fill, make_piece

FOG = Condition("fog", 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one run."""
    location = tmp_path / "runs.sqlite"
    with open_store(str(location), write=True) as store:
        fill(store, (CLEAN,))
    return location


@pytest.mark.parametrize("write", [False, True])
def test_a_text_file_is_no_store(tmp_path: Path, write: bool):
    path = tmp_path / "notes.txt"
    path.write_text("a list of things to do, which is by no means a database\n" * 30)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt is not a database: expected a SQLite file"):
        open_store(str(path), write=write)
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", [False, True])
def test_another_programs_database_is_left_alone(tmp_path: Path, write: bool):
    path = tmp_path / "photos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    with pytest.raises(StoreError, match=r"is a database of another program \(its tables: photos"):
        open_store(str(path), write=write)


@pytest.mark.parametrize("write", [False, True])
def test_a_newer_store_asks_for_a_newer_program(path: Path, write: bool):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
    with pytest.raises(StoreError, match="newer gnlbench: it has schema '0042'") as caught:
        open_store(str(path), write=write)
    assert "pip install -U gnlbench" in str(caught.value)


def test_a_damaged_store_is_told(path: Path):
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"), open_store(str(path)) as store:
        store.runs()


@pytest.mark.parametrize("write", [False, True])
def test_a_folder_is_no_store(tmp_path: Path, write: bool):
    with pytest.raises(StoreError, match="is a folder: expected a file"):
        open_store(str(tmp_path), write=write)


def test_a_folder_that_cannot_be_made_is_told(path: Path):
    with pytest.raises(StoreError, match=r"cannot be made: .*; name another place with --db"):
        open_store(str(path / "below" / "runs.sqlite"), write=True)


def test_a_missing_store_reads_as_empty_and_stays_missing(tmp_path: Path):
    with open_store(str(tmp_path / "none" / "runs.sqlite")) as store:
        assert store.runs() == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_reads_as_empty(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    path.touch()
    with open_store(str(path)) as store:
        assert store.runs() == []
    assert path.stat().st_size == 0
    with open_store(str(path), write=True) as store:
        fill(store, ())


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("", "the store has no name: expected a path"),
        ("foo://user@host/db", "names a database that SQLAlchemy does not know"),
        ("://", "is no URL of a database"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "options that gnlbench sets by itself"),
    ],
)
def test_a_wrong_url_says_what_is_expected(location: str, sentence: str):
    with pytest.raises(StoreError, match=sentence) as caught:
        open_store(location)
    assert "expected a path" in str(caught.value) or "expected a plain path" in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(StoreError, match=r'pip install "psycopg\[binary\]"') as caught:
        open_store("postgresql+psycopg://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_path_and_its_url_are_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.sqlite").symlink_to("runs.sqlite")
    names = ["runs.sqlite", "sqlite:///runs.sqlite", f"sqlite:///{tmp_path}/runs.sqlite"]
    assert {parse_location(name).path for name in [*names, "link.sqlite"]} == {
        tmp_path / "runs.sqlite"
    }


@pytest.mark.parametrize("name", ["100%.sqlite", "a b?c#d.sqlite", "größe.sqlite"])
def test_any_file_name_will_do(tmp_path: Path, name: str):
    with open_store(str(tmp_path / name), write=True) as store:
        fill(store, (CLEAN,))
    with open_store(str(tmp_path / name)) as store:
        assert len(store.runs()) == 1
    assert (tmp_path / name).exists()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB of its own, where this machine lets us mount one."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_a_read_only_store_answers_and_refuses_to_write(path: Path, mounted: Path):
    place = mounted / path.name
    shutil.copy(path, place)
    _read_only(mounted)
    with open_store(str(place)) as store:
        assert list(store.runs()[0].cells) == [CLEAN]
    with pytest.raises(StoreError, match="is read-only: this command writes"):
        open_store(str(place), write=True)


def test_unfinished_changes_on_a_read_only_drive_are_not_overlooked(path: Path, mounted: Path):
    # Without a shared-memory file and without the right to make one, SQLite can only
    # ignore the log, and with it what was committed last.
    with open_store(str(path), write=True) as store:
        fill(store, ())
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), mounted / name)
    _read_only(mounted)
    with pytest.raises(StoreError, match=r"has unfinished changes in runs\.sqlite-wal"):
        open_store(str(mounted / path.name))


def test_no_right_to_write_is_found_before_the_work(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(StoreError, match=r"is read-only: .*make the file and its folder writable"):
        open_store(str(path), write=True)
    with open_store(str(path)) as store:
        assert len(store.runs()) == 1


def _fill_the_disk(location: Path) -> None:
    with open_store(str(location), write=True) as store:
        _add_pieces(store, fill(store, ()))


def _add_pieces(store: Store, run_id: str) -> None:
    for condition in DEFAULT_SUITE.main_conditions[:-1]:
        for block, size in enumerate((8, 8, 4)):
            if condition != FOG:
                store.add_piece(run_id, make_piece(condition, block, size))


def test_a_full_disk_keeps_what_was_committed(mounted: Path):
    place = mounted / "runs.sqlite"
    with pytest.raises(StoreError, match=r"the disk is full|reports an error") as caught:
        _fill_the_disk(place)
    assert str(place) in str(caught.value)
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with open_store(str(place)) as store:
        assert len(store.stored_pieces(store.runs()[0].id)) > 0


def test_a_store_at_its_limit_keeps_what_was_committed(tmp_path: Path):
    location = tmp_path / "runs.sqlite"
    with open_store(str(location), write=True) as store:
        run_id = fill(store, (FOG,))
        before = store.stored_pieces(run_id)
        with store._writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match=r"the disk is full\. What was committed is safe"):
            _add_pieces(store, run_id)
        after = store.stored_pieces(run_id)
        assert before.items() <= after.items()


class _NoSharedMemory:
    """A file system where WAL cannot work."""

    def __init__(self, mode: str | Exception) -> None:
        self.mode, self.statements = mode, []

    def execute(self, statement: str) -> _NoSharedMemory:
        self.statements.append(statement)
        if isinstance(self.mode, Exception):
            raise self.mode if "WAL" in statement else AssertionError
        return self

    def fetchone(self) -> tuple[str]:
        return (str(self.mode),)


def test_a_plain_journal_where_wal_cannot_work():
    for mode, then in (("wal", []), ("delete", []), ("memory", ["PRAGMA journal_mode = DELETE"])):
        connection = _NoSharedMemory(mode)
        _set_journal(connection)
        assert connection.statements[1:] == then
    refused = sqlite3.OperationalError("disk I/O error")
    refused.sqlite_errorname = "SQLITE_IOERR_SHMMAP"
    connection = _NoSharedMemory(refused)
    with pytest.raises(AssertionError):
        _set_journal(connection)
    assert connection.statements[-1] == "PRAGMA journal_mode = DELETE"


def test_wal_and_full_synchronisation_are_the_default(path: Path):
    with open_store(str(path), write=True) as store, store._reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 90_000,
    }


@pytest.mark.parametrize(
    "location",
    [
        "postgresql+psycopg://u:secretpw@localhost:abc/x",
        "postgresql+psycopg://u:secr@etpw@localhost:abc/x",
        "sqlite://u:secretpw@/x.db?mode=ro",
        "sqlite:///x.db?password=secretpw",
    ],
)
def test_no_message_keeps_a_password(location: str):
    with pytest.raises(StoreError) as caught:
        open_store(location)
    assert "etpw" not in f"{caught.value} {caught.value.values}"
    assert "***" in str(caught.value)


DAMAGED_ROWS = [
    ("protocols", "fields", "x"),
    ("protocols", "fields", "null"),
    ("protocols", "fields", '{"extra":1}'),
    ("protocols", "fields", "[" * 100_000),
    ("runs", "mean", "x"),
    ("runs", "mean", '["x"]'),
    ("runs", "environment", "x"),
    ("runs", "environment", "null"),
    ("runs", "environment", "[]"),
    ("runs", "skipped", "[1]"),
    ("runs", "skipped", '{"a/b":1}'),
    ("runs", "n_params", "abc"),
    ("runs", "created_at", b"\xff\x00"),
    ("runs", "weights", b"\xff"),
    ("runs", "block_size", "abc"),
    ("cells", "corruption", "rain"),
    ("cells", "n_top1", -1),
    ("cells", "seconds", "x"),
    ("image_sets", "content", b"\x00"),
    ("image_sets", "content", 5),
    ("pieces", "calibration", b""),
    ("pieces", "correct", "abc"),
    ("runs", "model_fingerprint", "0" * 64),
]


@pytest.mark.parametrize(("table", "column", "value"), DAMAGED_ROWS)
def test_a_damaged_row_is_told_and_can_be_deleted(
    path: Path, tmp_path: Path, table: str, column: str, value: object
):
    with closing(sqlite3.connect(path)) as connection, connection:
        (run_id,) = connection.execute("SELECT id FROM runs").fetchone()
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
    told = rf"runs\.sqlite is damaged: run {run_id} cannot be read .*`gnlbench runs delete {run_id}"
    with open_store(str(path), write=True) as store:
        with pytest.raises(StoreError, match=told):
            store.export_run(run_id)
        if table in ("protocols", "runs", "cells") and column != "model_fingerprint":
            with pytest.raises(StoreError, match=told):
                store.runs()
        if table == "pieces":
            with pytest.raises(StoreError, match=told):
                list(store.pieces(run_id))
        with open_store(str(tmp_path / "good.sqlite"), write=True) as good:
            with pytest.raises(StoreError, match=told):
                good.import_stored(store.stored_runs())
            assert good.runs() == []
        store.delete_run(store.resolve_id(run_id[:20]))
        assert store.runs() == []


def test_bytes_that_are_no_text_are_damage(path: Path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET model_name = CAST(X'ff' AS TEXT)")
    with open_store(str(path)) as store, pytest.raises(StoreError, match="is damaged"):
        store.runs()
    with pytest.raises(StoreError, match=r"the store here is damaged"), store_errors("here"):
        b"\xff".decode()


def test_an_io_error_may_be_a_full_disk():
    assert "the disk is full" in str(refusal("SQLITE_IOERR", "here", "disk I/O error"))
