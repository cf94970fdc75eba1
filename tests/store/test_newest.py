"""The newest run is the one begun last, also where a clock was set back or is ahead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustbench_gnl.leaderboard import boards
from robustbench_gnl.records import CLEAN, Run
from robustbench_gnl.store import Store, open_store, writing
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.store.samples import fill, import_document, make_image_set, make_model, make_protocol

EARLY, LATE = "2026-03-01T10:00:00+00:00", "2026-03-01T12:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path):
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as opened:
        yield opened


def _set_clock(monkeypatch: pytest.MonkeyPatch, time: str) -> None:
    monkeypatch.setattr(writing, "now", lambda: time)


def test_a_clock_set_back_makes_no_run_older(store: Store, monkeypatch: pytest.MonkeyPatch):
    cells = (CLEAN, *DEFAULT_SUITE.main_conditions)
    _set_clock(monkeypatch, LATE)
    first = fill(store, cells, tags=("gate",))
    _set_clock(monkeypatch, EARLY)
    second = fill(store, cells, tags=("gate",))
    assert [run.id for run in store.runs()] == [second, first]
    assert store.resolve("gate").id == store.resolve("resnet50").id == second
    assert store.tagged("gate") == [second, first]
    protocol = make_protocol(make_image_set())
    assert store.run_ids_of(make_model(), protocol) == [second, first]
    (board,) = boards(store.runs())
    assert [entry.run.id for entry in board.entries if entry.run] == [second]
    run = store.run(second)
    assert (run.created_at, run.finished_at) == (LATE, LATE), "not before the one before it"
    assert run.environment["clock_when_begun"] == EARLY
    assert "clock_when_begun" not in store.run(first).environment


def test_a_clock_set_back_while_a_run_works(store: Store, monkeypatch: pytest.MonkeyPatch):
    _set_clock(monkeypatch, LATE)
    run_id = fill(store, (CLEAN,), finish=False)
    _set_clock(monkeypatch, EARLY)
    store.finish_run(run_id)
    assert store.run(run_id).finished_at == LATE
    with open_store("sqlite://", write=True) as other:
        assert import_document(other, store.export_run(run_id)) == run_id


def test_an_imported_run_keeps_its_time(store: Store, monkeypatch: pytest.MonkeyPatch):
    _set_clock(monkeypatch, EARLY)
    with open_store("sqlite://", write=True) as other:
        old = other.export_run(fill(other, (), tags=("gate",)))
    _set_clock(monkeypatch, LATE)
    mine = fill(store, (), tags=("gate",))
    imported = import_document(store, old)
    assert store.tagged("gate") == [mine, imported], "older, though it came later"
    assert store.run(imported).created_at == EARLY


def test_a_run_of_a_host_whose_clock_is_ahead_does_not_stay_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    ahead = "9999-12-31T23:59:59+00:00"
    with open_store("sqlite://", write=True) as other:
        _set_clock(monkeypatch, ahead)
        document = json.loads(json.dumps(other.export_run(fill(other, ()))))
    _set_clock(monkeypatch, LATE)
    imported = import_document(store, document)
    mine = fill(store, ())
    assert [run.id for run in store.runs()] == [mine, imported]
    run: Run = store.run(mine)
    assert (run.created_at, run.environment["clock_when_begun"]) == (ahead, LATE)


def test_a_damaged_time_is_no_reason_to_begin_no_run(store: Store):
    fill(store, ())
    with store._writing() as connection:
        connection.exec_driver_sql("UPDATE runs SET created_at = 'yesterday'")
    assert fill(store, ())
