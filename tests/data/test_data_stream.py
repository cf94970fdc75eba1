"""Batches in the order of the work, the same bits however the work is cut and shared."""

from __future__ import annotations

import hashlib
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from robustbench_gnl.data import (
    BadImageError,
    ImageStream,
    Layout,
    Recipe,
    Source,
    clean_crop,
    open_source,
    start_workers,
)
from robustbench_gnl.data.pixels import load_clean, open_regular, read_image
from robustbench_gnl.data.workers import InlineExecutor
from robustbench_gnl.records import CLEAN, Condition
from tests.trees import make_clean_tree

FOG, SNOW = Condition("fog", 1), Condition("snow", 3)
# One of each generator: NumPy's, scikit-image's and numba's.
DRAWN = (Condition("gaussian_noise", 1), Condition("impulse_noise", 3), Condition("glass_blur", 2))
CONDITIONS = (CLEAN, *DRAWN)


def stream_of(
    source: Source,
    executor: Executor,
    conditions: Sequence[Condition] = CONDITIONS,
    *,
    block_size: int = 4,
    batch_size: int = 3,
    ahead: int = 1,
) -> ImageStream:
    layout = Layout(source.n_images, block_size, batch_size)
    work = dict.fromkeys(range(layout.n_blocks), conditions)
    return ImageStream(source, layout, work, executor, input_size=224, ahead=ahead)


def hashes_of(stream: ImageStream) -> dict[tuple[Condition, int], tuple[str, bytes]]:
    """For each condition and image the sha256 of its pixels, and the digest of its file."""
    return {
        (batch.condition, batch.start + index): (
            hashlib.sha256(image.tobytes()).hexdigest(),
            digest,
        )
        for batch in stream
        for index, (image, digest) in enumerate(zip(batch.images, batch.digests, strict=True))
    }


@pytest.fixture(scope="module")
def source(clean_tree: Path) -> Source:
    return open_source(clean_tree)


@pytest.fixture(scope="module")
def expected(source: Source) -> dict[tuple[Condition, int], tuple[str, bytes]]:
    """In one block and batches of one image, in this process."""
    return hashes_of(stream_of(source, start_workers(0), block_size=6, batch_size=1))


@pytest.mark.parametrize("ahead", [1, 2, 100])
def test_batches_come_block_by_block_then_condition_by_condition(
    source: Source, executor: Executor, ahead: int
) -> None:
    batches = list(stream_of(source, executor, (CLEAN, DRAWN[0]), ahead=ahead))

    assert [(b.block, str(b.condition), b.start, len(b.images), b.ends_piece) for b in batches] == [
        (0, "clean", 0, 3, False),
        (0, "clean", 3, 1, True),
        (0, "gaussian_noise/1", 0, 3, False),
        (0, "gaussian_noise/1", 3, 1, True),
        (1, "clean", 4, 2, True),
        (1, "gaussian_noise/1", 4, 2, True),
    ]
    assert all(len(b.digests) == len(b.images) for b in batches)


def test_only_the_work_that_is_left_is_done(source: Source, executor: Executor) -> None:
    layout = Layout(source.n_images, 2, 2)
    work = {0: [], 1: [DRAWN[0]], 2: [CLEAN]}
    stream = ImageStream(source, layout, work, executor, input_size=224, ahead=3)

    assert [(b.block, b.condition) for b in stream] == [(1, DRAWN[0]), (2, CLEAN)]


@pytest.mark.parametrize(("block_size", "batch_size", "ahead"), [(6, 6, 1), (4, 3, 7), (1, 512, 2)])
def test_the_same_bits_however_the_work_is_cut(
    source: Source,
    executor: Executor,
    expected: dict[Any, Any],
    block_size: int,
    batch_size: int,
    ahead: int,
) -> None:
    stream = stream_of(source, executor, block_size=block_size, batch_size=batch_size, ahead=ahead)

    assert hashes_of(stream) == expected


def test_the_first_images_and_the_order_of_conditions_leave_the_bits_alone(
    source: Source, expected: dict[Any, Any]
) -> None:
    stream = stream_of(source.first(3), start_workers(0), CONDITIONS[::-1])
    found = hashes_of(stream)

    assert len(found) == 3 * len(CONDITIONS)
    assert found == {what: expected[what] for what in found}


def test_clean_batches_hold_the_crops_in_the_order_of_the_keys(source: Source) -> None:
    paths = source.paths(CLEAN, tuple(source.files))
    for batch in stream_of(source, start_workers(0), (CLEAN,)):
        for image, path in zip(batch.images, paths[batch.start :], strict=False):
            assert np.array_equal(image, np.asarray(clean_crop(read_image(path)[0])))


def test_another_seed_makes_other_images_of_the_same_files(clean_tree: Path) -> None:
    sources = [open_source(clean_tree, recipe=Recipe(seed=seed)) for seed in (0, 1)]
    first, second = (hashes_of(stream_of(each, start_workers(0))) for each in sources)

    for (condition, index), (pixels, digest) in first.items():
        assert (pixels == second[condition, index][0]) == condition.is_clean
        assert digest == second[condition, index][1]


def test_made_images_come_from_their_tree_as_they_are(
    released_tree: Path, clean_tree: Path, executor: Executor
) -> None:
    source = open_source(released_tree, clean_root=clean_tree)
    for batch in stream_of(source, executor, (CLEAN, FOG, SNOW)):
        keys = tuple(source.files)[batch.start : batch.start + len(batch.images)]
        for image, digest, path in zip(
            batch.images, batch.digests, source.paths(batch.condition, keys), strict=True
        ):
            decoded, file_digest = read_image(path)
            assert np.array_equal(image, np.asarray(clean_crop(decoded) if
                                  batch.condition.is_clean else decoded))  # fmt: skip
            assert digest == file_digest


def test_a_clean_image_is_read_once_for_all_its_conditions(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[Path] = Counter()

    def counting(path: Path) -> AbstractContextManager[BinaryIO]:
        reads[path] += 1
        return open_regular(path)

    monkeypatch.setattr("robustbench_gnl.data.pixels.open_regular", counting)
    for _ in stream_of(source, start_workers(0), (CLEAN, FOG, SNOW)):
        pass

    assert set(reads.values()) == {1}
    assert len(reads) == source.n_images


class WatchingExecutor(InlineExecutor):
    """Remembers, without holding them, the crops that it decoded."""

    def __init__(self) -> None:
        self._crops: list[weakref.ref[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        if fn is load_clean:
            self._crops.append(weakref.ref(future.result()[0]))
        return future

    def n_alive(self) -> int:
        return sum(len(crops) for ref in self._crops if (crops := ref()) is not None)


def test_at_most_two_blocks_of_crops_are_in_memory(tmp_path: Path) -> None:
    source = open_source(make_clean_tree(tmp_path / "val", 3, 4))
    executor = WatchingExecutor()
    alive = []
    conditions = (CLEAN, Condition("pixelate", 1))
    for batch in stream_of(source, executor, conditions, block_size=2, batch_size=1):
        del batch
        alive.append(executor.n_alive())

    assert len(alive) == 24
    assert max(alive) <= 4
    assert executor.n_alive() == 0


@pytest.mark.parametrize("conditions", [(CLEAN,), (FOG, CLEAN)])
def test_a_bad_image_arrives_with_its_path(
    tmp_path: Path, executor: Executor, conditions: tuple[Condition, ...]
) -> None:
    root = make_clean_tree(tmp_path / "val", 2, 2)
    bad = sorted(root.glob("*/*"))[2]
    bad.write_bytes(bad.read_bytes()[:500])

    with pytest.raises(BadImageError) as caught:
        list(stream_of(open_source(root), executor, conditions, block_size=2))
    assert caught.value.path == bad


class LazyFuture(Future[Any]):
    """Runs when it is asked for its result."""

    def __init__(self, run: Callable[[], Any]) -> None:
        super().__init__()
        self._run = run

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.set_result(self._run())
        return super().result(timeout)


class LazyExecutor(Executor):
    def __init__(self) -> None:
        self.futures: list[LazyFuture] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(LazyFuture(partial(fn, *args, **kwargs)))
        return self.futures[-1]


@pytest.mark.parametrize("ahead", [1, 4])
def test_what_waits_is_cancelled_when_the_stream_is_left(source: Source, ahead: int) -> None:
    executor = LazyExecutor()
    batches = iter(stream_of(source, executor, block_size=6, batch_size=1, ahead=ahead))
    next(batches)
    batches.close()  # type: ignore[attr-defined]

    # Six decoding tasks and as many others as were asked for ahead of time.
    assert len(executor.futures) == 6 + ahead
    assert sum(future.cancelled() for future in executor.futures) == 6 - ahead + (ahead - 1)
    assert all(future.done() for future in executor.futures)


def test_batches_never_cross_blocks() -> None:
    layout = Layout(n_images=11, block_size=4, batch_size=3)
    batches = [layout.batches(block) for block in range(layout.n_blocks)]

    assert batches == [
        [range(0, 3), range(3, 4)],
        [range(4, 7), range(7, 8)],
        [range(8, 11)],
    ]
    assert [len(layout.block(block)) for block in range(3)] == [4, 4, 3]
    assert Layout(8, 4, 4).n_blocks == 2
    assert Layout(0, 4, 4).n_blocks == 0
