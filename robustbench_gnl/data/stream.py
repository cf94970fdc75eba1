"""Batches of images, prefetched by worker processes.

The work is blocks, in a block conditions, in a condition batches. A block's clean images
are decoded and cropped once and then serve all its conditions; at most two blocks of clean
crops and a few batches are in memory at a time, however many images there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import corruptions
from robustbench_gnl.data.pixels import Pixels, Recipe, corrupt_crops, load_clean, load_made
from robustbench_gnl.data.sources import Source
from robustbench_gnl.data.workers import result_of, submit
from robustbench_gnl.records import Condition

Loaded = tuple[Pixels, list[bytes]]


@dataclass(frozen=True)
class BatchOfImages:
    """uint8 (N, S, S, 3) images of one block under one condition."""

    block: int
    condition: Condition
    start: int
    """Index of the first image in the image set."""
    images: Pixels
    digests: list[bytes]
    """sha256 of the file behind each image."""
    ends_piece: bool
    device_corruption: DeviceCorruption | None = None
    """Not None if `images` are clean crops that are corrupted on the device of the model."""


@dataclass(frozen=True)
class DeviceCorruption:
    """What `corruptions.corrupt_batch` still has to do to a batch."""

    seeds: tuple[int, ...]
    jpeg_quality: int | None


@dataclass(frozen=True)
class Layout:
    """How the images of a set are cut: batches never cross blocks."""

    n_images: int
    block_size: int
    batch_size: int

    @property
    def n_blocks(self) -> int:
        return -(-self.n_images // self.block_size)

    def block(self, block: int) -> range:
        start = block * self.block_size
        return range(start, min(start + self.block_size, self.n_images))

    def batches(self, block: int) -> list[range]:
        images = self.block(block)
        return [
            range(start, min(start + self.batch_size, images.stop))
            for start in range(images.start, images.stop, self.batch_size)
        ]


Work = Mapping[int, Sequence[Condition]]
"""Block to the conditions still to be evaluated in it."""


class ImageStream:
    """Iterates over batches, and prefetches `ahead` of them."""

    def __init__(
        self,
        source: Source,
        layout: Layout,
        work: Work,
        executor: Executor,
        *,
        input_size: int,
        ahead: int,
        corrupted_on_device: Collection[str] = (),
    ) -> None:
        """`corrupted_on_device` names the corruptions that are not to be made here."""
        self._source = source
        self._layout = layout
        self._work = [(block, conditions) for block, conditions in work.items() if conditions]
        self._executor = executor
        self._input_size = input_size
        self._ahead = max(1, ahead)
        self._keys = tuple(source.files)
        self._corrupted_on_device = frozenset(corrupted_on_device)

    def __iter__(self) -> Iterator[BatchOfImages]:
        waiting: deque[_Waiting] = deque()
        try:
            for task in self._tasks():
                waiting.append(task)
                if len(waiting) >= self._ahead:
                    yield waiting.popleft().batch()
            while waiting:
                yield waiting.popleft().batch()
        finally:
            for task in waiting:
                task.future.cancel()

    def _tasks(self) -> Iterator[_Waiting]:
        crops: dict[range, Future[Loaded]] = {}
        clean = self._decode_ahead(0)
        try:
            for position, (block, conditions) in enumerate(self._work):
                # Drops the crops of the block before: at most two blocks are in memory.
                crops, clean = clean, {}
                for index, condition in enumerate(conditions):
                    if index == len(conditions) - 1:
                        # The next block is decoded while this one's last condition is computed.
                        clean = self._decode_ahead(position + 1)
                    batches = self._layout.batches(block)
                    for batch in batches:
                        yield self._task(block, condition, batch, batches[-1] is batch, crops)
        finally:
            for decoding in (*crops.values(), *clean.values()):
                decoding.cancel()

    def _decode_ahead(self, position: int) -> dict[range, Future[Loaded]]:
        if position >= len(self._work):
            return {}
        block, conditions = self._work[position]
        made_here = [c for c in conditions if self._source.is_made_here(c)]
        if not made_here:
            return {}
        return {
            batch: submit(
                self._executor,
                load_clean,
                self._source.paths(made_here[0], self._keys_of(batch)),
                self._source.suite.input,
            )
            for batch in self._layout.batches(block)
        }

    def _task(
        self,
        block: int,
        condition: Condition,
        batch: range,
        ends_piece: bool,
        clean: Mapping[range, Future[Loaded]],
    ) -> _Waiting:
        keys = self._keys_of(batch)
        digests: list[bytes] | None = None
        future: Future[Any]
        if self._source.is_made_here(condition):
            crops, digests = result_of(clean[batch])
            recipe = self._source.recipe or Recipe()
            if condition.corruption in self._corrupted_on_device:
                return _Waiting(
                    block, condition, batch, ends_piece, clean[batch], digests,
                    DeviceCorruption(_seeds(recipe, keys, condition), recipe.jpeg_quality),
                )  # fmt: skip
            future = submit(
                self._executor, corrupt_crops, crops, keys, condition, recipe, self._input_size
            )
        else:
            paths = self._source.paths(condition, keys)
            future = submit(
                self._executor, load_made, paths, self._input_size, self._source.suite.input
            )
        return _Waiting(block, condition, batch, ends_piece, future, digests)

    def _keys_of(self, batch: range) -> tuple[str, ...]:
        return self._keys[batch.start : batch.stop]


@dataclass(frozen=True)
class _Waiting:
    """A batch that a worker is making."""

    block: int
    condition: Condition
    images: range
    ends_piece: bool
    future: Future[Any]
    digests: list[bytes] | None
    device_corruption: DeviceCorruption | None = None

    def batch(self) -> BatchOfImages:
        result = result_of(self.future)
        images, digests = result if isinstance(result, tuple) else (result, self.digests or [])
        return BatchOfImages(
            self.block, self.condition, self.images.start, images, digests, self.ends_piece,
            self.device_corruption,
        )  # fmt: skip


def _seeds(recipe: Recipe, keys: Sequence[str], condition: Condition) -> tuple[int, ...]:
    name, severity = condition.corruption, condition.severity
    return tuple(corruptions.image_seed(recipe.seed, key, name, severity) for key in keys)
