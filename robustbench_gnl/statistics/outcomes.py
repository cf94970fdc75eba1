"""The outcomes of a run as arrays: one bit for each image and cell, and sums by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import Condition, Piece
from robustbench_gnl.suites import condition_order

Bits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The complete cells of one run. Axes: cells as in `conditions`, images in key order."""

    conditions: tuple[Condition, ...]
    wrong: Bits
    """(n_cells, n_images): True where the top-1 prediction is wrong."""
    n_images_by_block: Counts
    """(n_blocks,)"""
    n_top1: Counts
    """(n_cells, n_blocks)"""
    n_top5: Counts
    """(n_cells, n_blocks)"""
    negative_log_likelihood: Floats
    """(n_cells, n_blocks), sums in nats."""
    calibration: Floats
    """(n_cells, n_blocks, 3, 15): images, right answers, sum of the confidences by bin."""

    @property
    def n_cells(self) -> int:
        return len(self.conditions)

    @property
    def n_images(self) -> int:
        return int(self.wrong.shape[1])

    @property
    def n_blocks(self) -> int:
        return len(self.n_images_by_block)

    @property
    def n_wrong(self) -> Counts:
        """(n_cells,)"""
        return np.asarray(self.wrong.sum(axis=1), np.int64)

    @property
    def errors(self) -> Floats:
        """(n_cells,): top-1 errors in [0, 1]."""
        return self.n_wrong / self.n_images

    def only(self, conditions: Iterable[Condition]) -> Outcomes:
        """The outcomes of these cells, in the order given.

        Raises:
            UsageError: One of them is not among the complete cells.
        """
        wanted = tuple(conditions)
        if wanted == self.conditions:
            return self
        place = {condition: i for i, condition in enumerate(self.conditions)}
        missing = [str(condition) for condition in wanted if condition not in place]
        if missing:
            raise UsageError(
                f"expected cells that the run has, got {', '.join(missing)}; "
                "run `gnlbench eval` again with these corruptions and severities",
                missing=tuple(missing),
            )
        rows = [place[condition] for condition in wanted]
        return Outcomes(
            conditions=wanted,
            wrong=self.wrong[rows],
            n_images_by_block=self.n_images_by_block,
            n_top1=self.n_top1[rows],
            n_top5=self.n_top5[rows],
            negative_log_likelihood=self.negative_log_likelihood[rows],
            calibration=self.calibration[rows],
        )


def outcomes_of(pieces: Iterable[Piece], n_images: int) -> Outcomes:
    """The outcomes in a run's pieces, given in any order.

    Args:
        pieces: Checked ones, as a store gives them.
        n_images: Of the protocol. A cell is complete when its blocks hold that many.
    """
    by_condition: dict[Condition, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_condition[piece.condition].append(piece)
    complete = {
        condition: sorted(by_condition[condition], key=lambda piece: piece.block)
        # In one order for all runs: paired tests and cached replicates go by position.
        for condition in sorted(by_condition, key=condition_order)
        # Compared by images, because the block size is the run's and not known here.
        if sum(piece.n_images for piece in by_condition[condition]) == n_images
    }
    cells = list(complete.values())
    sizes = [piece.n_images for piece in cells[0]] if cells else []
    shape = (len(cells), len(sizes))
    return Outcomes(
        conditions=tuple(complete),
        wrong=np.array([_wrong(cell) for cell in cells], np.bool_).reshape(len(cells), n_images),
        n_images_by_block=np.array(sizes, np.int64),
        n_top1=_table([[piece.n_top1 for piece in cell] for cell in cells]).reshape(shape),
        n_top5=_table([[piece.n_top5 for piece in cell] for cell in cells]).reshape(shape),
        negative_log_likelihood=np.array(
            [[piece.negative_log_likelihood_sum for piece in cell] for cell in cells], np.float64
        ).reshape(shape),
        calibration=np.array(
            [[_bins(piece) for piece in cell] for cell in cells], np.float64
        ).reshape(*shape, 3, -1 if cells else 0),
    )


def common_cells(*runs: Outcomes) -> tuple[Condition, ...]:
    """The conditions that all of them have, in the order of the first."""
    shared = set.intersection(*(set(run.conditions) for run in runs))
    return tuple(condition for condition in runs[0].conditions if condition in shared)


def _wrong(cell: Sequence[Piece]) -> Bits:
    """(n_images,) of one cell."""
    right = [
        np.unpackbits(np.frombuffer(piece.correct, np.uint8), count=piece.n_images)
        for piece in cell
    ]
    return np.asarray(np.concatenate(right) == 0, np.bool_)


def _table(rows: list[list[int]]) -> Counts:
    return np.array(rows, np.int64)


def _bins(piece: Piece) -> tuple[Sequence[float], ...]:
    bins = piece.calibration
    return bins.n_images, bins.n_top1, bins.confidence_sum
