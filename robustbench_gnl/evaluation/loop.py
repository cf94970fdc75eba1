"""The evaluation loop: from batches of images to pieces, for one or more models."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

import torch
from torch import Tensor

from robustbench_gnl.contents import CORRUPTED_HERE, Contents
from robustbench_gnl.data import (
    BatchOfImages,
    ImageStream,
    Layout,
    Source,
    tasks_ahead,
)
from robustbench_gnl.errors import DataError, option
from robustbench_gnl.evaluation.accumulator import PieceAccumulator
from robustbench_gnl.evaluation.corrupting import corrupted_on_device, corrupting
from robustbench_gnl.evaluation.device import full_fp32
from robustbench_gnl.evaluation.inference_threads import inference_threads
from robustbench_gnl.evaluation.model import EvaluatedModel, StoredPieces
from robustbench_gnl.evaluation.network import check_finite
from robustbench_gnl.records import Condition, Piece


def evaluate_pieces(
    models: Sequence[EvaluatedModel],
    source: Source,
    conditions: Sequence[Condition],
    layout: Layout,
    executor: Executor,
    *,
    n_workers: int,
    input_size: int,
    on_piece: Callable[[EvaluatedModel, Piece], None],
    on_batch: Callable[[Condition, int], None] = lambda condition, n_images: None,
) -> None:
    """Make every piece that a model still needs; all models share the images.

    Args:
        models: On one device.
        executor: The `n_workers` workers that make the images.
        input_size: Side of the images in pixels.
        on_piece: Called with each finished piece, at once.
        on_batch: Told the condition and the number of images after each batch.

    Raises:
        DataError: An image cannot be used, or the images changed since the run began.
        ModelError: Outputs that are not finite.
    """
    stream = ImageStream(
        source,
        layout,
        remaining_work(models, conditions, layout),
        executor,
        input_size=input_size,
        ahead=tasks_ahead(n_workers, layout.batch_size),
        corrupted_on_device=corrupted_on_device(
            models[0].network.device, source.recipe, input_size
        ),
    )
    labels = [torch.tensor(each.image_set.labels) for each in models]
    subset = source.suite.labels.subset
    classes = None if subset is None else torch.tensor(subset)
    all_keys = tuple(source.files)
    unfinished: dict[int, PieceAccumulator] = {}
    clock = time.perf_counter()
    for batch, outputs in _forward(models, stream):
        now = time.perf_counter()
        # Models that shared the images of a batch share its time.
        seconds, clock = (now - clock) / len(outputs), now
        images = slice(batch.start, batch.start + len(batch.images))
        source.check_written(batch.condition, all_keys[images], batch.digests)
        for index, logits in outputs.items():
            first_key = models[index].image_set.keys[batch.start]
            check_finite(logits, models[index].model.name, batch.condition, first_key)
            accumulator = unfinished.setdefault(
                index, PieceAccumulator(batch.block, batch.condition, classes)
            )
            accumulator.add(logits, labels[index][images], batch.digests, seconds)
            if batch.ends_piece:
                piece = unfinished.pop(index).piece()
                block = layout.block(batch.block)
                keys = all_keys[block.start : block.stop]
                piece = replace(piece, made_from=source.made_from(batch.condition, keys))
                _check_unchanged(piece, models[index].stored, source)
                on_piece(models[index], piece)
        on_batch(batch.condition, len(batch.images))


def _forward(
    models: Sequence[EvaluatedModel], stream: Iterable[BatchOfImages]
) -> Iterator[tuple[BatchOfImages, dict[int, Tensor]]]:
    """Each batch with the logits of the models (by index) that need it, in order."""
    waiting: deque[tuple[BatchOfImages, dict[int, Future[Tensor]]]] = deque()
    with full_fp32(), inference_threads(models[0].network.device) as (executor, n_threads):
        for batch in stream:
            corrupt = corrupting(batch)  # one for all models, which share what it makes
            futures = {
                index: executor.submit(each.network.logits, batch.images, corrupt)
                for index, each in enumerate(models)
                if each.needs(batch.block, batch.condition)
            }
            waiting.append((batch, futures))
            # One more than run at once, so that no thread waits for the sums of a batch.
            if len(waiting) > n_threads:
                yield _results(*waiting.popleft())
        while waiting:
            yield _results(*waiting.popleft())


def _results(
    batch: BatchOfImages, futures: Mapping[int, Future[Tensor]]
) -> tuple[BatchOfImages, dict[int, Tensor]]:
    return batch, {index: future.result() for index, future in futures.items()}


def remaining_work(
    models: Sequence[EvaluatedModel], conditions: Sequence[Condition], layout: Layout
) -> dict[int, list[Condition]]:
    """Block to the conditions that some model still needs."""
    return {
        block: [c for c in conditions if any(each.needs(block, c) for each in models)]
        for block in range(layout.n_blocks)
    }


def _check_unchanged(piece: Piece, stored: StoredPieces, source: Source) -> None:
    """Pieces made from the same clean images must have read the same bytes."""
    made_here = source.is_made_here(piece.condition)
    contents = Contents(piece.digest, piece.digest if made_here else piece.made_from)
    known = {
        found.source
        for (block, condition), found in stored.items()
        if block == piece.block and _is_made_from_clean(condition, found, source)
    } - {None}
    if contents.source is not None and known and contents.source not in known:
        raise DataError(
            f"the images of {source.root} changed since this run began (block {piece.block}); "
            f"put them back, or start again with {option('rerun')}",
            block=piece.block,
        )


def _is_made_from_clean(condition: Condition, contents: Contents, source: Source) -> bool:
    """Whether the source of stored contents is the clean images. A released tree has files of its
    own for every condition but clean."""
    return condition.is_clean or source.kind in CORRUPTED_HERE
