"""Worker processes that decode and corrupt images during the forward passes.

Zero workers means the calling process: slower, and friendly to notebooks and debuggers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

from robustbench_gnl.data.worker_pool import WorkerPool
from robustbench_gnl.errors import DataError, GnlbenchError, UsageError, option

P = ParamSpec("P")
T = TypeVar("T")

# Corruptions differ a hundredfold in cost: with this many images made ahead the cheap ones
# pay for the dear ones, and 77 MB stay 77 MB whatever the size of the data.
IMAGES_AHEAD = 512
TASKS_AHEAD_PER_WORKER = 2


def tasks_ahead(n_workers: int, batch_size: int) -> int:
    """Number of batches that are prefetched."""
    if n_workers == 0:
        return 1
    return max(TASKS_AHEAD_PER_WORKER * n_workers, IMAGES_AHEAD // batch_size)


def default_workers() -> int:
    """The processors this process may use."""
    # In a container or a batch job these may be fewer than os.cpu_count().
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class InlineExecutor(Executor):
    """Runs a task when it is submitted, in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


# What each engine takes to corrupt, loaded and compiled once before the workers part.
PRELOADS = {
    "gnlbench": "robustbench_gnl.data.preload",
    "imagecorruptions": "robustbench_gnl.data.preload_package",
}


def start_workers(n_workers: int, *, engine: str | None = None) -> Executor:
    """A pool of `n_workers` processes, or the calling process for 0.

    Args:
        engine: The engine with which they will corrupt, if they will. They come ready for it
            from a clean server process, never by forking this one, whose torch threads and
            CUDA context would not survive it.
    """
    if n_workers == 0:
        return InlineExecutor()
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # A worker that runs the caller's script again, which has no main guard: the process that
        # started it says so.
        os._exit(1)
    method = "forkserver" if sys.platform.startswith("linux") else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        preload = [PRELOADS[engine]] if engine in PRELOADS else []
        context.set_forkserver_preload(["robustbench_gnl.data.pixels", *preload])
    return WorkerPool(n_workers, context, _prepare_worker, engine)


def submit(
    executor: Executor, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> Future[T]:
    """Hand a task to the workers.

    Raises:
        DataError: A worker process died: the pool takes no more tasks.
        UsageError: It died since the calling script has no main guard.
    """
    try:
        return executor.submit(fn, *args, **kwargs)
    except BrokenProcessPool as error:
        raise _worker_died() from error


def result_of(future: Future[T]) -> T:
    """The result of a task.

    Raises:
        DataError: A worker process died (out of memory, most often); also what it raised.
        UsageError: It died since the calling script has no main guard.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _worker_died() from error


def _worker_died() -> GnlbenchError:
    if _lacks_main_guard():
        return UsageError(
            "a worker process ended before its work: it runs this script again, which would "
            "start workers of its own. Put what the script does under "
            '`if __name__ == "__main__":`, or give workers=0'
        )
    return DataError(
        "a worker process died, most likely for lack of memory; "
        f"repeat the command with fewer {option('workers')}: finished pieces are kept"
    )


def _lacks_main_guard() -> bool:
    """Whether the running script would do all its work again in a worker, which imports it."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is None or getattr(sys.modules["__main__"], "__spec__", None) is not None:
        return False  # a notebook, or `python -m`
    try:
        return "__name__" not in Path(script).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _prepare_worker(engine: str | None) -> None:
    # Ctrl-C reaches the whole group; the parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if engine == "imagecorruptions":
        with contextlib.suppress(ImportError):
            import cv2

            cv2.setNumThreads(0)  # one process a core already


def _die_with_parent() -> None:
    """A killed parent cannot tell its workers, which would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        # os._exit, because sys.exit would end this thread only.
        parent.join()
        os._exit(1)
