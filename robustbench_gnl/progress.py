"""Progress of a long task on stderr: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from robustbench_gnl.text import printable

SECONDS_BETWEEN_LINES = 10.0


class _RateColumn(ProgressColumn):
    """Images (or files) a second, over the last half minute."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "")


def write_line(message: str) -> None:
    """A line to stderr, without characters that would change the terminal."""
    sys.stderr.write(printable(message) + "\n")


class ProgressBar:
    """Counts what is done, and shows what is being worked on, the rate and the time left."""

    def __init__(
        self,
        total: int,
        console: Console | None = None,
        label: str = "",
        unit: str = "images",
        write: Callable[[str], None] = write_line,
    ) -> None:
        """`write` prints the lines that replace the bar if stderr is no terminal."""
        self._total = total
        self._unit = unit
        self._done = 0
        self._label = label
        self._write = write
        self._console = console or Console(stderr=True)
        self._started = self._last_line = time.monotonic()
        self._live: Progress | None = None
        if self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description:<20}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                _RateColumn(unit),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._console,
                speed_estimate_period=30.0,
            )
            self._task = self._live.add_task(label, total=total)

    def __enter__(self) -> ProgressBar:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None and self._done:
            self._line("done")

    def advance(self, what: object, n_images: int) -> None:
        """`n_images` more are done, of the condition `what`."""
        self._done += n_images
        if self._live is not None:
            self._live.update(self._task, advance=n_images, description=str(what))
            return
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._line(str(what))

    def show(self, n_done: int, n_total: int) -> None:
        """`n_done` of `n_total` are done: for work whose size is found on the way."""
        self._total = n_total
        if self._live is not None:
            self._live.update(self._task, total=n_total)
        self.advance(self._label, n_done - self._done)

    def _line(self, what: str) -> None:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / elapsed
        left = (self._total - self._done) / rate if rate else 0.0
        self._write(
            f"{what:<20} {self._done:,}/{self._total:,} {self._unit}  "
            f"{rate:,.1f} {self._unit}/s  "
            f"{duration(left)} left"
        )


def duration(seconds: float) -> str:
    """`1:02:03`, `2:03` or `3 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
