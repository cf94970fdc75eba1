"""The evaluation itself: batches in, pieces out, for one network or several at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import torch

from robustbench_gnl.data import (
    TASKS_AHEAD_PER_WORKER,
    ImageStream,
    Layout,
    Source,
)
from robustbench_gnl.errors import DataError
from robustbench_gnl.evaluation.facts import PieceFacts
from robustbench_gnl.evaluation.network import Network, check_finite
from robustbench_gnl.records import Condition, ImageSet, Piece

BATCH_SIZE = 64
BLOCK_SIZE = 512


@dataclass(frozen=True)
class Judged:
    """One network in an evaluation, and what is known of its run already."""

    network: Network
    image_set: ImageSet
    on_piece: Callable[[Piece], None]
    """Called with each finished piece, at once."""
    stored: Mapping[tuple[int, Condition], str] = field(default_factory=dict)
    """Block and condition of the pieces that need not be made again, with their digests."""

    def needs(self, block: int, condition: Condition) -> bool:
        return (block, condition) not in self.stored


def evaluate_pieces(
    judged: Sequence[Judged],
    source: Source,
    conditions: Sequence[Condition],
    layout: Layout,
    executor: Executor,
    *,
    n_workers: int,
    input_size: int,
    on_batch: Callable[[Condition, int], None] = lambda condition, n_images: None,
) -> None:
    """Make every piece that a network still needs; all networks share the images.

    Args:
        judged: The networks, each with its sink.
        on_batch: Told the condition and the number of images after each batch.

    Raises:
        DataError: An image cannot be used, or the images changed since the run began.
        ModelError: Outputs that are not finite.
    """
    work = remaining_work(judged, conditions, layout)
    ahead = max(1, n_workers * TASKS_AHEAD_PER_WORKER)
    stream = ImageStream(
        source, layout, work, executor, input_size=input_size, ahead=ahead
    )
    keys = judged[0].image_set.keys
    labels = [torch.tensor(each.image_set.labels) for each in judged]
    open_facts: dict[int, PieceFacts] = {}
    before = time.perf_counter()
    for batch in stream:
        stop = batch.start + len(batch.images)
        for index, each in enumerate(judged):
            if not each.needs(batch.block, batch.condition):
                continue
            facts = open_facts.setdefault(index, PieceFacts(batch.block, batch.condition))
            logits = each.network.logits(batch.images)
            check_finite(logits, batch.condition, keys[batch.start])
            now = time.perf_counter()
            facts.add(logits, labels[index][batch.start : stop], batch.digests, now - before)
            before = now
            if batch.ends_piece:
                piece = open_facts.pop(index).piece()
                _check_unchanged(piece, each.stored, source)
                each.on_piece(piece)
        on_batch(batch.condition, len(batch.images))


def remaining_work(
    judged: Sequence[Judged], conditions: Sequence[Condition], layout: Layout
) -> dict[int, list[Condition]]:
    """Block to the conditions that some network still needs."""
    return {
        block: [c for c in conditions if any(each.needs(block, c) for each in judged)]
        for block in range(layout.n_blocks)
    }


def _check_unchanged(
    piece: Piece, stored: Mapping[tuple[int, Condition], str], source: Source
) -> None:
    """Pieces made from the same clean images must have read the same bytes."""
    if not source.is_made_here(piece.condition):
        return
    for (block, condition), digest in stored.items():
        if block == piece.block and source.is_made_here(condition) and digest != piece.digest:
            raise DataError(
                f"the images of {source.root} changed since this run began (block {block}); "
                "put them back, or begin anew with --rerun",
                block=block,
            )
