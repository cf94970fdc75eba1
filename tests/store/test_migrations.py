"""A store that was written once can be read for ever."""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import DRAWS, bootstrap, outcomes_of, to_bytes
from robustbench_gnl.store import open_store, opening, schema, versions
from tests.store.samples import fill, import_document, make_piece

GOLDEN = Path(__file__).parent / "golden"
RUN_ID = "20261123-142530-a1b2c3"


def _statements(connection: sqlite3.Connection) -> str:
    rows = connection.execute(
        "SELECT sql FROM sqlite_master "
        "WHERE sql IS NOT NULL AND name <> 'alembic_version' ORDER BY name"
    )
    return ";\n".join(sql for (sql,) in rows) + ";\n"


def _schema_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return _statements(connection)


def _migrate(path: Path, target: str) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        versions.upgrade(connection, target)
    engine.dispose()


def _words(statements: str) -> list[str]:
    """Columns and constraints in any order: a column added later stands at the end."""
    parts = (part.strip(" \t") for part in re.split(r"[,\n]", statements))
    return sorted(part for part in parts if part)


@pytest.mark.parametrize("revision", versions.REVISIONS)
def test_a_published_revision_is_frozen(tmp_path: Path, revision: str):
    _migrate(tmp_path / "frozen.sqlite", revision)
    frozen = (GOLDEN / f"schema_{revision}.sql").read_text(encoding="utf-8")
    # Only the blanks are SQLAlchemy's to choose.
    assert _schema_of(tmp_path / "frozen.sqlite").split() == frozen.split()


def test_the_migrations_end_at_todays_tables(tmp_path: Path):
    _migrate(tmp_path / "migrated.sqlite", "head")
    engine = create_engine(f"sqlite:///{tmp_path / 'made.sqlite'}")
    schema.metadata.create_all(engine)
    engine.dispose()
    migrated, made = (_schema_of(tmp_path / f"{name}.sqlite") for name in ("migrated", "made"))
    assert _words(migrated) == _words(made)


def test_every_script_is_a_known_revision():
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(versions._SCRIPTS))
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == versions.REVISIONS
    assert scripts.get_heads() == [versions.REVISIONS[-1]]


def _golden_store(folder: Path, revision: str) -> Path:
    path = folder / "golden.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((GOLDEN / f"store_{revision}.sql").read_text(encoding="utf-8"))
    return path


def _revision_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(revision)


@pytest.mark.parametrize("revision", versions.REVISIONS)
def test_a_store_of_any_revision_reads_the_same(tmp_path: Path, revision: str):
    path = _golden_store(tmp_path, revision)
    golden = json.loads((GOLDEN / "run_0001.json").read_text(encoding="utf-8"))
    with open_store(str(path)) as store:
        assert store.export_run(RUN_ID) == golden
        cells = store.run(RUN_ID).cells
        assert list(cells) == [CLEAN, Condition("fog", 3)]
        assert cells == store.stored_run(RUN_ID).run.cells  # with the digests of their files
    assert _revision_of(path) == revision  # Reading did not change it.
    with open_store(str(path), write=True) as store:
        assert store.export_run(RUN_ID) == golden
        store.add_piece(RUN_ID, make_piece(Condition("snow", 1), 0, 8))
        assert store.run(RUN_ID).n_unfinished_cells == 1
    assert _revision_of(path) == versions.REVISIONS[-1]
    assert _words(_schema_of(path)) == _words(
        (GOLDEN / f"schema_{versions.REVISIONS[-1]}.sql").read_text(encoding="utf-8")
    )


def _rows(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, but Alembic's own."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = sorted({name for (name,) in tables} - {"alembic_version"})
        rows = {}
        for name in names:
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            key = ", ".join(f'"{column["name"]}"' for column in columns if column["pk"])
            found = connection.execute(f"SELECT * FROM {name} ORDER BY {key}")
            rows[name] = [dict(row) for row in found]
        return rows


def _store_with_many_runs(folder: Path) -> Path:
    packed = GOLDEN.parents[1] / "golden" / "store_before.sqlite.xz"
    path = folder / "many.sqlite"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize("revision", [*versions.REVISIONS, "many runs"])
def test_a_migration_loses_no_row(tmp_path: Path, revision: str):
    if revision == "many runs":
        path = _store_with_many_runs(tmp_path)
        assert len(_rows(path)["runs"]) > 10
    else:
        path = _golden_store(tmp_path, revision)
    before = _rows(path)
    open_store(str(path), write=True).close()
    assert _revision_of(path) == versions.REVISIONS[-1]
    after = _rows(path)
    assert sum(map(len, before.values())) > 5
    for table, rows in before.items():
        assert len(after[table]) == len(rows)
        for old, new in zip(rows, after[table], strict=True):
            assert old == {column: new[column] for column in old}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("DELETE FROM runs")  # What refers to them goes with them.
        for table in ("pieces", "cells", "tags", "replicates"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_store_of_an_older_revision_takes_a_run_of_another_suite(tmp_path: Path):
    path = _golden_store(tmp_path, "0003")
    sketch = Condition("imagenet-sketch", 0)
    with open_store(str(path), write=True) as store:
        run_id = fill(store, (sketch,), suite="imagenet-sketch")
        assert list(store.run(run_id).cells) == [sketch]


def test_the_migrations_of_alembic_are_applied_on_a_path_with_any_letters(tmp_path: Path):
    """Alembic reads its configuration with `%` as an escape."""
    package = Path(versions.__file__).parents[2]
    other = tmp_path / "50% of #1"
    for name in ("robustbench_gnl", "corruptions", "results"):
        shutil.copytree(package / name, other / name, ignore=shutil.ignore_patterns("*.pyc"))
    script = "from robustbench_gnl.store import open_store; open_store('new.sqlite', write=True)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(other)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _revision_of(tmp_path / "new.sqlite") == versions.REVISIONS[-1]


def test_replicates_kept_long_ago_are_those_computed_today(tmp_path: Path):
    with open_store(str(_golden_store(tmp_path, "0002"))) as store:
        run = store.run(RUN_ID)
        kept = store.replicates(run, draws=DRAWS, seed=7, n_resamples=40)
        outcomes = outcomes_of(store.pieces(RUN_ID), run.protocol.n_images)
    assert kept == to_bytes(bootstrap(outcomes, n_resamples=40, seed=7))


def test_a_store_without_the_cache_is_read_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = _golden_store(tmp_path, "0001")
    monkeypatch.setattr("os.access", lambda place, mode: False)
    with open_store(str(path)) as store:
        run = store.run(RUN_ID)
        assert store.replicates(run, draws=DRAWS, seed=0, n_resamples=40) is None


def test_a_document_of_the_first_revision_is_imported():
    golden = json.loads((GOLDEN / "run_0001.json").read_text(encoding="utf-8"))
    with open_store("sqlite://", write=True) as store:
        assert import_document(store, golden) == RUN_ID
        assert store.export_run(RUN_ID) == golden


def test_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "runs.sqlite"

    def interrupted(connection, target="head"):
        @event.listens_for(connection, "after_cursor_execute")
        def stop(conn, cursor, statement, parameters, context, executemany):
            if "CREATE TABLE pieces" in statement:
                raise KeyboardInterrupt

        upgrade(connection, target)

    upgrade = versions.upgrade
    monkeypatch.setattr(opening.versions, "upgrade", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_store(str(path), write=True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    monkeypatch.undo()
    with open_store(str(path), write=True) as store:
        fill(store, ())


def _pretend_a_newer_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "REVISIONS", (*versions.REVISIONS, "9999"))
    monkeypatch.setattr(versions, "READABLE", frozenset({"9999"}))


def test_an_older_store_is_brought_up_to_date_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, ())
    asked = []

    def to_next(connection, target="head"):
        asked.append(target)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    _pretend_a_newer_revision(monkeypatch)
    monkeypatch.setattr(opening.versions, "upgrade", to_next)
    for _ in range(2):
        with open_store(path) as store:
            assert store.run(run_id).id == run_id
    assert asked == ["head"]


def test_an_older_store_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        fill(store, ())
    _pretend_a_newer_revision(monkeypatch)
    monkeypatch.setattr("os.access", lambda place, mode: False)
    with pytest.raises(StoreError, match=r"is read-only"):
        open_store(path)


def test_reading_does_not_need_alembic(tmp_path: Path):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        fill(store, (CLEAN,))
    script = (
        "import sys; from robustbench_gnl.store import open_store\n"
        f"assert len(open_store({path!r}).runs()) == 1\n"
        f"open_store({path!r}, write=True).close()\n"
        "print(sorted({'alembic', 'numpy', 'torch', 'filelock', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
