"""The cache of bootstrap replicates in a store.

A row that is missing, or that belongs to other cells than the run now has, is computed again.
Exports do not contain it.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from robustbench_gnl.fingerprints import fingerprint_of
from robustbench_gnl.records import Run
from robustbench_gnl.store import schema

_table = schema.replicates


def load_replicates(
    connection: Connection, run: Run, *, draws: str, seed: int, n_resamples: int
) -> bytes | None:
    """The counts of the run's complete cells; None where none of exactly these are kept."""
    query = (
        select(_table.c.counts)
        .join(schema.runs, schema.runs.c.key == _table.c.run)
        .where(
            schema.runs.c.id == run.id,
            _table.c.seed == seed,
            _table.c.n_resamples == n_resamples,
            _table.c.cells == cells_fingerprint(run, draws),
        )
    )
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)


def replace_replicates(
    connection: Connection, run: Run, counts: bytes, *, draws: str, seed: int, n_resamples: int
) -> None:
    """Keep the counts instead of those of other cells. A run deleted meanwhile keeps none."""
    key = connection.execute(select(schema.runs.c.key).where(schema.runs.c.id == run.id)).scalar()
    if key is None:
        return
    place = {"run": key, "seed": seed, "n_resamples": n_resamples}
    connection.execute(delete(_table).where(*(_table.c[k] == v for k, v in place.items())))
    values = {**place, "cells": cells_fingerprint(run, draws), "counts": counts}
    connection.execute(insert(_table), [values])


def cells_fingerprint(run: Run, draws: str) -> str:
    """What replicates depend on besides seed and number: cells, and the way to draw."""
    cells = {str(condition): [cell.n_images, cell.n_top1] for condition, cell in run.cells.items()}
    return fingerprint_of("gnlbench-replicates-1", {"draws": draws, "cells": cells})
