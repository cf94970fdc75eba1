"""Replicates of stored runs: those kept in the store, and the others computed and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from robustbench_gnl.errors import StoreError

if TYPE_CHECKING:
    from robustbench_gnl.records import Run
    from robustbench_gnl.statistics import Evidence, Replicates
    from robustbench_gnl.store import Store


def each_replicates(
    store: Store,
    runs: Iterable[Run],
    db: str,
    *,
    n_resamples: int | None = None,
    seed: int | None = None,
) -> Iterator[tuple[Run, Replicates]]:
    """The replicates of each run that has a complete cell, one run at a time: of 1,000 runs
    they take 600 MB. As `replicates_of` one by one."""
    for run in runs:
        if run.cells:
            yield run, replicates_of(store, run, db, n_resamples=n_resamples, seed=seed)


def replicates_of(
    store: Store,
    run: Run,
    db: str,
    *,
    evidence: Evidence | None = None,
    n_resamples: int | None = None,
    seed: int | None = None,
) -> Replicates:
    """The replicates of a run that has a complete cell.

    Args:
        store: Open for reading.
        db: What names the store: computed replicates are kept there, if it can be written.
        evidence: The run's, where it was read already; else it is read when it is needed.
    """
    from robustbench_gnl.statistics import (
        DRAWS,
        N_RESAMPLES,
        SEED,
        bootstrap,
        evidence_of,
        from_bytes,
        to_bytes,
    )

    n_resamples = N_RESAMPLES if n_resamples is None else n_resamples
    seed = SEED if seed is None else seed
    content = store.replicates(run, draws=DRAWS, seed=seed, n_resamples=n_resamples)
    if content is not None:
        kept = from_bytes(content, run.cells, n_resamples=n_resamples, seed=seed)
        if kept is not None:
            return kept
    if evidence is None:
        evidence = evidence_of(store.pieces(run.id), run.protocol.n_images)
    computed = bootstrap(evidence, n_resamples=n_resamples, seed=seed)
    _keep(db, run, to_bytes(computed), n_resamples=n_resamples, seed=seed)
    return computed


def _keep(db: str, run: Run, content: bytes, *, n_resamples: int, seed: int) -> None:
    from robustbench_gnl.statistics import DRAWS
    from robustbench_gnl.store import open_store

    # A store that cannot be written costs time, not the answer.
    with suppress(StoreError), open_store(db, write=True) as writing:
        writing.keep_replicates([(run, content)], draws=DRAWS, seed=seed, n_resamples=n_resamples)
