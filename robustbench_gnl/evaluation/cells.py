"""Pieces to cells: adding up, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_gnl.records import Cell, Condition, Piece


def cells_of(pieces: Iterable[Piece], n_blocks: int) -> dict[Condition, Cell]:
    """The conditions of which all blocks are there, in the order of the pieces."""
    by_condition: dict[Condition, list[Piece]] = {}
    for piece in pieces:
        by_condition.setdefault(piece.condition, []).append(piece)
    return {
        condition: Cell(
            n_images=sum(piece.n_images for piece in found),
            n_top1=sum(piece.n_top1 for piece in found),
            n_top5=sum(piece.n_top5 for piece in found),
            negative_log_likelihood_sum=sum(p.negative_log_likelihood_sum for p in found),
        )
        for condition, found in by_condition.items()
        if len(found) == n_blocks
    }
