"""Several processes that start the same evaluation at the same moment make one run of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from robustbench_gnl.evaluation import Session
from robustbench_gnl.store import Store, open_store
from tests.cli.conftest import command, environment, gnlbench


def _start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _eval(db: Path, clean_tree: Path, model: tuple[object, ...], *more: object) -> list[object]:
    return [
        "eval", *model, "--data", clean_tree, "--corruptions", "fog", "--severities", "1",
        "--limit", "2", "--workers", "0", "--tag", "gate", "--db", db, *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_the_same_evaluation_four_times_at_once_is_one_run(
    tmp_path: Path, clean_tree: Path, model: tuple[object, ...]
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = _eval(db, clean_tree, model)
    processes = [_start(*arguments) for _ in range(4)]
    ended = [(*process.communicate(timeout=500), process.returncode) for process in processes]
    with open_store(str(db)) as store:
        (run,) = store.runs()
    assert run.finished_at is not None
    assert run.tags == ("gate",)
    codes = [code for *_, code in ended]
    assert 0 in codes
    for _, errors, code in ended:
        assert code in (0, 5), errors
        if code:  # While the first one works, or in the moment between its end and ours.
            assert f"run {run.id} " in errors
            assert "by another process" in errors
    again = gnlbench(*arguments)
    assert "is stored already" in again.stderr


@pytest.mark.slow
def test_two_reruns_at_once_are_two_runs(
    tmp_path: Path, clean_tree: Path, model: tuple[object, ...]
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = _eval(db, clean_tree, model, "--rerun")
    processes = [_start(*arguments) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors
    with open_store(str(db)) as store:
        assert len(store.runs()) == 2


def test_what_another_process_begins_meanwhile_is_told(
    tmp_path: Path,
    clean_tree: Path,
    model: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = _eval(db, clean_tree, model)
    evaluate_into = Session._evaluate_into
    with open_store(str(db), write=True) as other:
        locks = []

        def too_late(session, store, unfinished, *rest):
            (one,) = unfinished
            begun = other.begin_run(
                one.model, one.protocol, one.image_set, known=(), block_size=one.block_size
            )
            locks.append(begun)
            begun.__enter__()
            return evaluate_into(session, store, unfinished, *rest)

        monkeypatch.setattr(Session, "_evaluate_into", too_late)
        done = gnlbench(*arguments, check=5)
        (run,) = other.runs()
        assert f"run {run.id} is being written by another process" in done.stderr
        assert done.stdout == ""
        locks[0].__exit__(None, None, None)
        monkeypatch.undo()
        assert "Resuming run" in gnlbench(*arguments).stderr
        assert [one.id for one in other.runs()] == [run.id]


def test_a_run_deleted_while_it_is_written_is_told(
    tmp_path: Path,
    clean_tree: Path,
    model: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    db = tmp_path / "store.sqlite"
    add_piece = Store.add_piece

    def without_run(store, run_id, piece):
        with store._writing() as connection:
            connection.exec_driver_sql("DELETE FROM runs")
        add_piece(store, run_id, piece)

    monkeypatch.setattr(Store, "add_piece", without_run)
    done = gnlbench(*_eval(db, clean_tree, model), check=5)
    assert "another process has deleted it" in done.stderr
    assert "did you mean" not in done.stderr


@pytest.mark.parametrize("tag", ["20261123-142530-a1b2c3", "a\0b", "x" * 201])
def test_a_tag_that_no_store_takes_is_told_before_the_work(
    tmp_path: Path, clean_tree: Path, model: tuple[object, ...], tag: str
) -> None:
    db = tmp_path / "store.sqlite"
    done = gnlbench(*_eval(db, clean_tree, model, "--tag", tag), check=2)
    assert "a tag" in done.stderr
    assert not db.exists()
