"""Worker processes end when they should, and say so when they end too early."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from robustbench_gnl.data import (
    ImageStream,
    Layout,
    default_workers,
    find_bad_images,
    open_source,
    result_of,
    start_workers,
)
from robustbench_gnl.data.worker_pool import WorkerPool
from robustbench_gnl.data.workers import InlineExecutor
from robustbench_gnl.errors import DataError
from robustbench_gnl.records import CLEAN, Condition
from tests.conftest import CHECKOUT

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def stream_of(root: Path, executor: WorkerPool, ahead: int) -> ImageStream:
    source = open_source(root)
    layout = Layout(source.n_images, 2, 1)
    work = {block: (CLEAN, Condition("fog", 1)) for block in range(layout.n_blocks)}
    return ImageStream(source, layout, work, executor, input_size=224, ahead=ahead)


def start_two_workers() -> WorkerPool:
    executor = start_workers(2)
    assert isinstance(executor, WorkerPool)
    return executor


def both_pids(executor: WorkerPool) -> list[int]:
    until = time.monotonic() + 60
    while len(executor.worker_pids()) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return executor.worker_pids()


def kill(executor: WorkerPool) -> None:
    """SIGKILL to the workers, as the kernel does when memory is short."""
    task = executor.submit(time.sleep, 60)
    for pid in both_pids(executor):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        task.result(timeout=30)


def test_no_worker_is_left_when_the_work_is_left_half_way(clean_tree: Path) -> None:
    before = set(multiprocessing.active_children())
    with start_two_workers() as executor:
        batches = iter(stream_of(clean_tree, executor, ahead=6))
        next(batches)
        assert set(multiprocessing.active_children()) > before
        batches.close()  # type: ignore[attr-defined]
        executor.shutdown(wait=True, cancel_futures=True)

    assert set(multiprocessing.active_children()) == before


@on_linux
@pytest.mark.parametrize("ahead", [1, 6])
def test_a_killed_worker_is_an_error_of_the_data(clean_tree: Path, ahead: int) -> None:
    with start_two_workers() as executor:
        batches = iter(stream_of(clean_tree, executor, ahead))
        next(batches)
        kill(executor)

        with pytest.raises(DataError, match=r"a worker process died.* fewer workers"):
            list(batches)
        with pytest.raises(DataError, match="a worker process died"):
            find_bad_images(open_source(clean_tree), [CLEAN], executor, ahead=1)


@on_linux
def test_a_task_that_loses_its_worker_is_an_error_of_the_data() -> None:
    with start_two_workers() as executor:
        task = executor.submit(time.sleep, 60)
        kill(executor)

        with pytest.raises(DataError, match="a worker process died"):
            result_of(task)


def die_half_way_through_the_result() -> None:
    """In a worker: the next message is cut off by SIGKILL."""

    def send_half(connection: Connection, message: bytes) -> None:
        os.write(connection.fileno(), message[: len(message) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send = send_half  # type: ignore[attr-defined]


@on_linux
def test_a_worker_killed_while_it_sends_is_an_error_of_the_data() -> None:
    with start_two_workers() as executor:
        waiting = executor.submit(time.sleep, 60)
        cut_off = executor.submit(die_half_way_through_the_result)

        with pytest.raises(BrokenProcessPool):
            cut_off.result(timeout=30)
        with pytest.raises(DataError, match="a worker process died"):
            result_of(waiting)


START_AND_WAIT = """
import os, sys, time
from robustbench_gnl.data import start_workers

executor = start_workers(2)
tasks = [executor.submit(time.sleep, 300) for _ in range(2)]
while len(executor.worker_pids()) < 2:
    time.sleep(0.01)
print(*executor.worker_pids(), flush=True)
time.sleep(300)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@on_linux
def test_workers_die_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(is_alive, workers))

    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 15
    while any(map(is_alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)

    assert [pid for pid in workers if is_alive(pid)] == []


def test_workers_leave_interrupts_to_the_parent(two_workers: WorkerPool) -> None:
    assert two_workers.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_zero_workers_are_the_calling_process() -> None:
    executor = start_workers(0)

    assert isinstance(executor, InlineExecutor)
    assert executor.submit(os.getpid).result() == os.getpid()
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_by_default_there_is_a_worker_for_each_processor_at_hand() -> None:
    assert 1 <= default_workers() <= (os.cpu_count() or 1)


def test_tasks_that_cannot_be_sent_fail_alone(two_workers: WorkerPool) -> None:
    not_sent = two_workers.submit(len, lambda: None)  # type: ignore[arg-type]
    not_returned = two_workers.submit(eval, "lambda: None")
    raised = two_workers.submit(divmod, 1, 0)
    for task in (not_sent, not_returned):
        with pytest.raises(Exception, match=r"pickle|local object"):
            task.result(timeout=60)
    with pytest.raises(ZeroDivisionError) as caught:
        raised.result(timeout=60)
    assert "In a worker process" in "".join(caught.value.__notes__)
    assert two_workers.submit(len, "abc").result(timeout=60) == 3


def test_tasks_not_begun_can_be_cancelled() -> None:
    executor = start_two_workers()
    tasks = [executor.submit(time.sleep, 0.5) for _ in range(20)]
    tasks[0].result(timeout=60)
    executor.shutdown(wait=True, cancel_futures=True)
    assert sum(task.cancelled() for task in tasks) >= 10
    assert all(task.done() for task in tasks)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(len, "abc")
