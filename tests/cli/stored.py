"""A store of runs whose answers are made up, image by image: nothing is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.records import Condition
from robustbench_gnl.store import open_store
from robustbench_gnl.store.stored_run import RunHead, StoredRun
from tests.statistics.samples import ALL_CELLS, chances, draw, pieces_of
from tests.store.samples import make_image_set, make_model, make_protocol

N_IMAGES, BLOCK_SIZE = 128, 32
FIRST_THREE = ALL_CELLS[:16]
"""Clean, and three corruptions at all severities."""


@dataclass
class Stored:
    """A store, and what was put into it by the name of the model."""

    db: Path
    ids: dict[str, str] = field(default_factory=dict)
    """The newest run of each model."""
    wrong: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """(n_cells, n_images), a row for each of ALL_CELLS."""
    n_runs: int = 0

    def add(
        self,
        model: str,
        wrong: NDArray[np.bool_],
        conditions: Sequence[Condition] = ALL_CELLS,
        *,
        tags: tuple[str, ...] = (),
        **protocol: object,
    ) -> None:
        """A finished run, begun a second after the one before."""
        images = make_image_set(wrong.shape[1])
        second = f"{self.n_runs:02d}"
        head = RunHead(
            id=f"20261123-1425{second}-{self.n_runs:06x}",
            block_size=BLOCK_SIZE,
            created_at=f"2026-11-23T14:25:{second}+00:00",
            finished_at="2026-11-23T14:27:00+00:00",
            tags=tags,
            environment={"device": "cpu"},
            skipped={},
        )
        pieces = pieces_of(wrong[: len(conditions)], conditions, block_size=BLOCK_SIZE)
        run = StoredRun(
            head,
            make_model(model, head.id),
            make_protocol(images, **protocol),
            images,
            tuple(pieces),
        )
        with open_store(str(self.db), write=True) as store:
            store.import_stored([run])
        self.n_runs += 1
        self.ids[model], self.wrong[model] = head.id, wrong


def make_stored(db: Path) -> Stored:
    """One baseline, and runs that differ from it in each way that matters."""
    rng = np.random.default_rng(4)
    stored = Stored(db)
    wrong = draw(rng, chances(rng, N_IMAGES))
    nearly = wrong.copy()
    nearly[:, :5], nearly[:, 5:8] = True, False  # eight images change, most of them to wrong
    stored.add("base_net", draw(rng, chances(rng, N_IMAGES)), tags=("v0",))
    stored.add("base_net", wrong, tags=("release", "v1"))
    stored.add("twin_net", wrong)
    stored.add("near_net", nearly)
    stored.add("worse_net", wrong | (rng.random(N_IMAGES) < 0.3), tags=("release",))
    stored.add("part_net", nearly, FIRST_THREE)
    stored.add("other_net", wrong, name="resized-128", crop="centre 224 of 256")
    return stored
