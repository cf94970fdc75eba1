"""Many processes write one file, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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
