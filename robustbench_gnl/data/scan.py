"""Finding images that cannot be read before a run begins.

All cells then skip the same images, and the image set is known from the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

from robustbench_gnl.data.pixels import BadImageError, read_image
from robustbench_gnl.data.sources import Source
from robustbench_gnl.data.workers import result_of, submit
from robustbench_gnl.records import CLEAN, Condition

SCAN_BATCH = 256  # files a task: long enough to hide the cost of handing it over


def find_bad_images(
    source: Source,
    conditions: Sequence[Condition],
    executor: Executor,
    *,
    ahead: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, str]:
    """The reason why an image must be skipped, by image key.

    Every file that the conditions would read is decoded once, by the function that reads it
    later, and at an eighth of its size where the format allows it.
    """
    keys = tuple(source.files)
    folders = {CLEAN if source.is_made_here(condition) else condition for condition in conditions}
    tasks = [
        (condition, keys[start : start + SCAN_BATCH])
        for condition in sorted(folders)
        for start in range(0, len(keys), SCAN_BATCH)
    ]
    bad: dict[str, str] = {}
    done = 0
    for batch, reasons in _in_order(source, tasks, executor, ahead):
        for key, reason in zip(batch, reasons, strict=True):
            if reason is not None:
                # One reason an image is enough: it leaves all conditions.
                bad.setdefault(key, reason)
        done += len(batch)
        on_progress(done, len(keys) * len(folders))
    return dict(sorted(bad.items()))


def _in_order(
    source: Source,
    tasks: Sequence[tuple[Condition, tuple[str, ...]]],
    executor: Executor,
    ahead: int,
) -> Iterator[tuple[tuple[str, ...], list[str | None]]]:
    waiting: deque[tuple[tuple[str, ...], Future[list[str | None]]]] = deque()
    for condition, batch in tasks:
        minimum_side = 1 if source.is_made_here(condition) else source.suite.input.crop
        future = submit(executor, why_unusable, source.paths(condition, batch), minimum_side)
        waiting.append((batch, future))
        if len(waiting) >= ahead:
            done, result = waiting.popleft()
            yield done, result_of(result)
    for done, result in waiting:
        yield done, result_of(result)


def why_unusable(paths: Sequence[Path], minimum_side: int) -> list[str | None]:
    """For each file the reason why it is no usable image, None when it is one."""
    return [_why_unusable(path, minimum_side) for path in paths]


def _why_unusable(path: Path, minimum_side: int) -> str | None:
    try:
        read_image(path, minimum_side, only_check=True)
    except BadImageError as error:
        return f"{path}: {error.reason}"
    return None
