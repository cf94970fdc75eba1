"""A pool of worker processes that fails at once when one of them dies.

The workers of `concurrent.futures.ProcessPoolExecutor` share one pipe for their results. If one is
killed while it sends, the pool waits for the rest of the message forever. Here each worker has its
own pipe and thread, so the pipe reports the end of the file as soon as the worker dies.
"""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from robustbench_gnl.errors import GnlbenchError

P = ParamSpec("P")
T = TypeVar("T")


class WorkerPool(Executor):
    """Worker processes that are started with the first task.

    When one dies, every task that is not done fails with `BrokenProcessPool`, the other workers
    are killed, and the pool takes no more tasks.
    """

    def __init__(
        self, n_workers: int, context: BaseContext, prepare: Callable[..., None], *arguments: Any
    ) -> None:
        """`prepare(*arguments)` is called in each worker before its first task."""
        self._n_workers = n_workers
        self._context = context
        self._prepare = prepare, arguments
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._processes: list[BaseProcess] = []
        self._lock = threading.RLock()  # what is done with a future may hand over another task
        self._is_broken = self._is_closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand over a task, which must be picklable as its result.

        Raises:
            BrokenProcessPool: A worker has died.
            RuntimeError: The pool was shut down.
        """
        with self._lock:
            if self._is_broken:
                raise BrokenProcessPool("a worker process died")
            if self._is_closed:
                raise RuntimeError("the pool was shut down")
            task = _Task(Future(), (fn, args, kwargs))
            self._tasks.put(task)
            if not self._threads:
                # A thread starts its worker itself: starting one waits until it has loaded.
                self._threads = [
                    threading.Thread(target=self._serve, daemon=True)
                    for _ in range(self._n_workers)
                ]
                for thread in self._threads:
                    thread.start()
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when their tasks are done; `cancel_futures` drops those not begun."""
        with self._lock:
            self._is_closed = True
            if cancel_futures:
                for task in self._taken_back():
                    task.future.cancel()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def worker_pids(self) -> list[int]:
        """The process ids of the workers that have started."""
        with self._lock:
            return [process.pid for process in self._processes if process.pid is not None]

    def _serve(self) -> None:
        """In a thread of this process: start a worker, and give it task after task."""
        here, there = self._context.Pipe()
        prepare, arguments = self._prepare
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_work, args=(there, prepare, arguments), daemon=True
        )
        try:
            process.start()
        except Exception:  # too many processes, or no memory for another
            self._break()
            return
        there.close()  # or the worker's death would not be the end of the file
        with self._lock:
            self._processes.append(process)
            is_broken = self._is_broken
        if is_broken:
            process.kill()
        while (task := self._tasks.get()) is not None:
            if not task.future.set_running_or_notify_cancel():
                continue
            try:
                task.run_in(here)
            except (EOFError, OSError):
                self._fail(task)
                self._break()
                break
        here.close()  # the end of the file ends the worker
        process.join()

    def _break(self) -> None:
        with self._lock:
            self._is_broken = True
            for task in self._taken_back():
                if task.future.set_running_or_notify_cancel():
                    self._fail(task)
            for process in self._processes:
                process.kill()
            for _ in self._threads:
                self._tasks.put(None)

    @staticmethod
    def _fail(task: _Task) -> None:
        task.future.set_exception(BrokenProcessPool("a worker process died"))

    def _taken_back(self) -> list[_Task]:
        """The tasks that no worker has been given."""
        found = []
        with suppress(Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    found.append(task)
        return found


class _Task:
    """A function with its arguments, and the future of its result."""

    def __init__(self, future: Future[Any], call: tuple[Any, ...]) -> None:
        self.future = future
        self._call = call

    def run_in(self, worker: Connection) -> None:
        """Send the task to an idle worker, and wait for the result.

        Raises:
            EOFError, OSError: The worker died.
        """
        try:
            message = pickle.dumps(self._call)
        except Exception as error:  # whatever the arguments raise when they are pickled
            self.future.set_exception(error)
            return
        worker.send_bytes(message)
        answer = worker.recv_bytes()
        try:
            is_result, value = pickle.loads(answer)
        except Exception as error:  # likewise
            is_result, value = False, error
        if is_result:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


def _work(pool: Connection, prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """In a worker: do task after task, until the pool closes the pipe."""
    prepare(*arguments)
    while True:
        try:
            message = pool.recv_bytes()
        except (EOFError, OSError):
            return
        answer = _answer(message)
        del message  # not kept while the next task is waited for
        try:
            pool.send_bytes(answer)
        except OSError:
            return
        del answer


def _answer(message: bytes) -> bytes:
    """The pickled result of a task, or what it raised."""
    try:
        function, args, kwargs = pickle.loads(message)
        return pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        if not isinstance(error, GnlbenchError):
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            return pickle.dumps((False, error))
        except Exception:  # it holds something that cannot be sent
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
