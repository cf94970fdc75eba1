"""The statistics of a stored run, for the commands that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_gnl.cli._replicates import replicates_of
from robustbench_gnl.levels import LEVEL

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference
    from robustbench_gnl.records import Run
    from robustbench_gnl.statistics import Outcomes, RunStatistics
    from robustbench_gnl.store import Store


def stored_outcomes(store: Store, run: Run) -> tuple[Outcomes, tuple[str, ...]]:
    """The outcomes of a run, image by image, and the keys of its images."""
    from robustbench_gnl.statistics import outcomes_of

    with store.snapshot():
        outcomes = outcomes_of(store.pieces(run.id), run.protocol.n_images)
        return outcomes, store.image_set(run.protocol.image_set).keys


def details_of(
    store: Store,
    run: Run,
    db: str,
    reference: Reference,
    *,
    level: float = LEVEL,
    read: tuple[Outcomes, tuple[str, ...]] | None = None,
) -> RunStatistics:
    """The statistics of a run, with intervals from cached replicates where there are any.

    Args:
        read: What `stored_outcomes` gave at the moment at which the run was read.
    """
    from robustbench_gnl.statistics import run_statistics

    outcomes, keys = read or stored_outcomes(store, run)
    return run_statistics(
        outcomes,
        keys,
        reference.for_protocol(run.protocol),
        replicates=replicates_of(store, run, db, outcomes=outcomes) if run.cells else None,
        level=level,
        n_classes=run.model.n_classes,
    )
