"""Bootstrap replicates of stored runs: from the cache in the store, else computed and cached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from robustbench_gnl.errors import StoreError

if TYPE_CHECKING:
    from robustbench_gnl.records import Run
    from robustbench_gnl.statistics import Outcomes, Replicates
    from robustbench_gnl.store import Store

RUNS_A_COMMIT = 32
"""How many are written together: opening a store for that takes longer than computing few."""


def each_replicates(
    store: Store,
    runs: Iterable[Run],
    db: str,
) -> Iterator[tuple[Run, Replicates]]:
    """The replicates of each run that has a complete cell, one run at a time: of 1,000 runs
    they take 600 MB. As `replicates_of` one by one."""
    new: list[tuple[Run, Replicates]] = []
    for run in runs:
        if not run.cells:
            continue
        found = _kept(store, run)
        if found is None:
            found = _computed(store, run)
            new.append((run, found))
        yield run, found
        if len(new) == RUNS_A_COMMIT:
            _keep(db, new)
            new.clear()
    _keep(db, new)


def replicates_of(
    store: Store,
    run: Run,
    db: str,
    *,
    outcomes: Outcomes | None = None,
) -> Replicates:
    """The replicates of a run that has a complete cell.

    Args:
        store: Open for reading.
        db: What names the store: computed replicates are kept there, if it can be written.
        outcomes: The run's, where it was read already; else it is read when it is needed.
    """
    found = _kept(store, run)
    if found is None:
        found = _computed(store, run, outcomes)
        _keep(db, [(run, found)])
    return found


def _kept(store: Store, run: Run) -> Replicates | None:
    from robustbench_gnl.statistics import DRAWS, N_RESAMPLES, SEED, from_bytes

    content = store.replicates(run, draws=DRAWS, seed=SEED, n_resamples=N_RESAMPLES)
    if content is None:
        return None
    return from_bytes(content, run.cells, n_resamples=N_RESAMPLES, seed=SEED)


def _computed(store: Store, run: Run, outcomes: Outcomes | None = None) -> Replicates:
    from robustbench_gnl.statistics import bootstrap, outcomes_of

    if outcomes is None:
        outcomes = outcomes_of(store.pieces(run.id), run.protocol.n_images)
    # Another process may have added cells since the run was read.
    return bootstrap(outcomes.only(run.cells))


def _keep(db: str, new: Sequence[tuple[Run, Replicates]]) -> None:
    from robustbench_gnl.statistics import DRAWS, N_RESAMPLES, SEED, to_bytes
    from robustbench_gnl.store import open_store

    if not new:
        return
    # Without the cache they are computed again the next time.
    with suppress(StoreError), open_store(db, write=True) as writing:
        writing.keep_replicates(
            [(run, to_bytes(replicates)) for run, replicates in new],
            draws=DRAWS, seed=SEED, n_resamples=N_RESAMPLES,
        )  # fmt: skip
