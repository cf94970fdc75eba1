"""The class `StoredRun`: a run with all its data, as copied between stores and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from robustbench_gnl.metrics import cells_of
from robustbench_gnl.records import Cell, Condition, ImageSet, Model, Piece, Protocol, Run


@dataclass(frozen=True)
class RunHead:
    """What a run is besides its model, protocol, images and pieces."""

    id: str
    block_size: int
    created_at: str
    finished_at: str | None
    tags: tuple[str, ...]
    environment: Mapping[str, Any]
    skipped: Mapping[str, Any]

    def run(
        self,
        model: Model,
        protocol: Protocol,
        cells: Mapping[Condition, Cell],
        *,
        n_unfinished_cells: int,
        seconds: float,
    ) -> Run:
        """The run with its complete cells."""
        return Run(
            id=self.id,
            model=model,
            protocol=protocol,
            block_size=self.block_size,
            created_at=self.created_at,
            cells=cells,
            n_unfinished_cells=n_unfinished_cells,
            finished_at=self.finished_at,
            tags=self.tags,
            environment=self.environment,
            skipped=self.skipped,
            seconds=seconds,
        )


@dataclass(frozen=True)
class StoredRun:
    """Everything that a store holds about one run."""

    head: RunHead
    model: Model
    protocol: Protocol
    image_set: ImageSet
    pieces: tuple[Piece, ...]

    @property
    def run(self) -> Run:
        """The run as a store would show it."""
        cells = cells_of(self.pieces, self.protocol.n_images)
        begun = {piece.condition for piece in self.pieces}
        return self.head.run(
            self.model,
            self.protocol,
            cells,
            n_unfinished_cells=len(begun) - len(cells),
            seconds=sum(piece.seconds for piece in self.pieces),
        )

    def is_same_run(self, other: StoredRun) -> bool:
        """Whether both are the same run: tags, and the names of protocol and image set, are given
        by people and are no facts."""
        return self._compared() == other._compared()

    def _compared(self) -> tuple[Any, ...]:
        return (
            replace(self.head, tags=()),
            self.model.fingerprint,
            self.protocol.fingerprint,
            self.image_set.fingerprint,
            sorted(self.pieces, key=lambda piece: (piece.condition, piece.block)),
        )
