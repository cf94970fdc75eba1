"""Many processes write one file, and a dead one holds nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import open_store
from tests.store.samples import block_sizes, fill, make_image_set, make_model, make_protocol

N_IMAGES = 240
ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from robustbench_gnl.records import Condition
from robustbench_gnl.store import open_store
from tests.store.samples import block_sizes, make_piece
location, run_id, rank, n_ranks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_store(location, write=True) as store:
    for block, size in list(enumerate(block_sizes(240)))[rank::n_ranks]:
        for severity in (1, 2):
            store.add_piece(run_id, make_piece(Condition("fog", severity), block, size))
"""
CREATOR = """
import sys
from robustbench_gnl.store import open_store
from tests.store.samples import fill
with open_store(sys.argv[1], write=True) as store:
    fill(store, ())
"""
HOLDER = """
import sys, time
from robustbench_gnl.store import open_store
with open_store(sys.argv[1], write=True) as store, store.lock_run(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


def _start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def test_four_processes_fill_one_run(tmp_path: Path):
    location = tmp_path / "runs.sqlite"
    with open_store(str(location), write=True) as store:
        image_set = make_image_set(N_IMAGES)
        run_id = store.create_run(make_model(), make_protocol(image_set), image_set, block_size=8)
        _finish([_start(WRITER, location, run_id, rank, 4) for rank in range(4)])
        run = store.run(run_id)
        assert len(store.stored_pieces(run_id)) == 2 * len(block_sizes(N_IMAGES))
        assert {c: cell.n_images for c, cell in run.cells.items()} == {
            Condition("fog", severity): N_IMAGES for severity in (1, 2)
        }
        pieces = list(store.pieces(run_id, Condition("fog", 1)))
        assert run.cells[Condition("fog", 1)].n_top1 == sum(piece.n_top1 for piece in pieces)


def test_many_processes_make_one_store(tmp_path: Path):
    location = tmp_path / "new" / "runs.sqlite"
    _finish([_start(CREATOR, location) for _ in range(5)])
    with open_store(str(location)) as store:
        assert len({run.id for run in store.runs()}) == 5


def test_a_lock_dies_with_its_process(tmp_path: Path):
    location = tmp_path / "runs.sqlite"
    with open_store(str(location), write=True) as store:
        run_id = fill(store, (CLEAN,))
        other = fill(store, (CLEAN,))
        holder = _start(HOLDER, location, run_id)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=f"run {run_id} is being written by another process"),
            store.lock_run(run_id),
        ):
            pass
        with pytest.raises(StoreError, match="is being written by another process"):
            store.delete_run(run_id)
        with store.lock_run(other):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        with store.lock_run(run_id):
            pass


def test_a_lock_keeps_this_process_out_too(tmp_path: Path):
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as store:
        run_id = fill(store, ())
        with (
            store.lock_run(run_id),
            pytest.raises(StoreError, match="is being written"),
            store.lock_run(run_id),
        ):
            pass


def test_readers_do_not_wait_for_a_writer(tmp_path: Path):
    location = str(tmp_path / "runs.sqlite")
    with open_store(location, write=True) as store, open_store(location) as reader:
        run_id = fill(store, (CLEAN,), finish=False)
        with store._writing() as connection:
            connection.exec_driver_sql("UPDATE runs SET finished_at = 'now'")
            begun = time.monotonic()
            assert reader.run(run_id).finished_at is None
            assert time.monotonic() - begun < 5


BEGINNER = """
import sys, time
from robustbench_gnl.errors import StoreError
from robustbench_gnl.store import open_store
from tests.store.samples import make_image_set, make_model, make_protocol
images = make_image_set()
known = None if sys.argv[2] == "rerun" else ()
with open_store(sys.argv[1], write=True) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        begun = store.begin_run(
            make_model(), make_protocol(images), images, known=known, block_size=8
        )
        with begun as run_id:
            print("begun", run_id, flush=True)
            sys.stdin.readline()
    except StoreError as error:
        print("refused", error.values["reason"], error, flush=True)
"""


def _begin_at_once(location: Path, how: str, n: int = 4) -> list[str]:
    """What each of the processes says that begin the same run at the same moment."""
    processes = [_start(BEGINNER, location, how) for _ in range(n)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.stdout.readline() for process in processes if process.stdout is not None]
    for process in processes:
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    return said


@pytest.mark.parametrize("trial", range(3))
def test_of_processes_that_begin_the_same_run_one_does(tmp_path: Path, trial: int):
    location = tmp_path / "runs.sqlite"
    said = _begin_at_once(location, "")
    (begun,) = (line.split()[1] for line in said if line.startswith("begun"))
    refused = [line for line in said if line.startswith("refused")]
    assert len(refused) == 3
    for line in refused:
        assert f"refused busy run {begun} is being written by another process" in line
    with open_store(str(location)) as store:
        assert [run.id for run in store.runs()] == [begun]


def test_reruns_begun_at_once_are_runs_of_their_own(tmp_path: Path):
    location = tmp_path / "runs.sqlite"
    said = _begin_at_once(location, "rerun", n=2)
    assert all(line.startswith("begun") for line in said), said
    with open_store(str(location)) as store:
        assert len(store.runs()) == 2


def test_a_run_begun_meanwhile_by_a_process_that_ended_is_told(tmp_path: Path):
    images = make_image_set()
    what = (make_model(), make_protocol(images), images)
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as store:
        with store.begin_run(*what, known=(), block_size=8) as first:
            pass
        with (
            pytest.raises(StoreError, match=f"run {first} .*was begun by another process"),
            store.begin_run(*what, known=(), block_size=8),
        ):
            pass
        with store.begin_run(*what, known=[first], block_size=8) as second:
            assert [run.id for run in store.runs()] == [second, first]


def test_the_lock_is_held_before_the_run_can_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    images = make_image_set()
    location = str(tmp_path / "runs.sqlite")
    with open_store(location, write=True) as store, open_store(location, write=True) as other:
        seen = []
        lock = store._lock

        def looking(run_id: str):
            seen.extend(other.runs())
            return lock(run_id)

        monkeypatch.setattr(store, "_lock", looking)
        begun = store.begin_run(make_model(), make_protocol(images), images, known=(), block_size=8)
        with begun as run_id:
            assert seen == []
            with pytest.raises(StoreError, match="is being written"), other.lock_run(run_id):
                pass
            store.delete_run(run_id)  # by the holder of the lock
        assert other.runs() == []


def test_a_run_deleted_until_the_lock_was_ours_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    location = str(tmp_path / "runs.sqlite")
    with open_store(location, write=True) as store, open_store(location, write=True) as other:
        run_id = fill(store, (CLEAN,))
        lock = store._lock

        def too_late(run_id: str):
            other.delete_run(run_id)
            return lock(run_id)

        monkeypatch.setattr(store, "_lock", too_late)
        gone = rf"run {run_id} is not in the store: .*another process has deleted it"
        with pytest.raises(StoreError, match=gone), store.lock_run(run_id):
            pass


def test_what_fails_under_a_lock_is_not_blamed_on_the_store(tmp_path: Path):
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as store:
        run_id = fill(store, ())
        with pytest.raises(FileNotFoundError, match="of the work"), store.lock_run(run_id):
            raise FileNotFoundError("of the work")


def test_a_run_deleted_while_it_is_used_is_told(tmp_path: Path):
    location = str(tmp_path / "runs.sqlite")
    with open_store(location, write=True) as store, open_store(location, write=True) as other:
        run_id = fill(store, (CLEAN,))
        fingerprint = store.run(run_id).protocol.image_set
        piece = next(store.pieces(run_id))
        store.add_piece(run_id, replace(piece, condition=Condition("fog", 1)))
        other.delete_run(run_id)
        uses = [
            lambda: store.run(run_id),
            lambda: store.stored_pieces(run_id),
            lambda: list(store.pieces(run_id)),
            lambda: store.export_run(run_id),
            lambda: store.image_set(fingerprint),
            lambda: store.add_piece(run_id, replace(piece, condition=Condition("fog", 2))),
            lambda: store.add_tags(run_id, ["paper"]),
            lambda: store.change_tags(run_id, remove=["paper"]),
            lambda: store.note_resumed(run_id, {}),
            lambda: store.finish_run(run_id),
            lambda: store.delete_run(run_id),
        ]
        for use in uses:
            with pytest.raises(StoreError, match="another process has deleted") as caught:
                use()
            assert "did you mean" not in str(caught.value)
            assert caught.value.reason == "deleted"


def test_readings_at_one_moment_agree(tmp_path: Path):
    location = str(tmp_path / "runs.sqlite")
    with open_store(location, write=True) as store, open_store(location) as reader:
        run_id = fill(store, (CLEAN,), tags=("paper",))
        with reader.snapshot():
            assert reader.named("paper") == [run_id]
            store.delete_run(run_id)
            fill(store, (CLEAN,), tags=("paper",))
            assert reader.named("paper") == [run_id]
            run = reader.run(run_id)
            assert len(list(reader.pieces(run_id))) == 3
            assert reader.image_set(run.protocol.image_set).n_images == 20
        assert reader.named("paper") != [run_id]


@pytest.mark.parametrize("reads", [False, True])
def test_the_main_file_alone_holds_all_after_closing(tmp_path: Path, reads: bool):
    location, copy = tmp_path / "runs.sqlite", tmp_path / "copy" / "runs.sqlite"
    copy.parent.mkdir()
    with open_store(str(location), write=True) as first:
        fill(first, ())
        with open_store(str(location), write=True) as store:
            run_id = fill(store, (CLEAN,))
        shutil.copy(location, copy)
        with open_store(str(copy)) as copied:
            assert copied.runs()[0].id == run_id
            assert list(copied.runs()[0].cells) == [CLEAN]
        if reads:  # A reader in the middle of a transaction is not waited for, nor disturbed.
            with first.snapshot():
                first.runs()
                begun = time.monotonic()
                with open_store(str(location), write=True) as store:
                    fill(store, (CLEAN,))
                assert time.monotonic() - begun < 10
                assert len(first.runs()) == 2
            assert len(first.runs()) == 3
