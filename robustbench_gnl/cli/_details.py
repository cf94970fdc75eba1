"""What the stored pieces of a run say, for the commands that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_gnl.cli._replicates import replicates_of

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference
    from robustbench_gnl.records import Run
    from robustbench_gnl.statistics import Details, Evidence
    from robustbench_gnl.store import Store


def stored_evidence(store: Store, run: Run) -> tuple[Evidence, tuple[str, ...]]:
    """What a run's pieces show, and the keys of its images."""
    from robustbench_gnl.statistics import evidence_of

    with store.at_one_moment():
        evidence = evidence_of(store.pieces(run.id), run.protocol.n_images)
        return evidence, store.image_set(run.protocol.image_set).keys


def details_of(
    store: Store,
    run: Run,
    db: str,
    reference: Reference,
    *,
    level: float | None = None,
    read: tuple[Evidence, tuple[str, ...]] | None = None,
) -> Details:
    """All that is known of a run, its intervals from kept replicates where there are any.

    Args:
        read: What `stored_evidence` gave at the moment at which the run was read.
    """
    from robustbench_gnl.statistics import LEVEL, run_details

    evidence, keys = read or stored_evidence(store, run)
    return run_details(
        evidence,
        keys,
        reference.for_protocol(run.protocol),
        replicates=replicates_of(store, run, db, evidence=evidence) if run.cells else None,
        level=LEVEL if level is None else level,
        n_classes=run.model.n_classes,
    )
