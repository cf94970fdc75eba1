"""What the stored pieces of a run say, for the commands that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_gnl.cli._replicates import replicates_of

if TYPE_CHECKING:
    from robustbench_gnl.records import Run
    from robustbench_gnl.reference import Reference
    from robustbench_gnl.statistics import Details
    from robustbench_gnl.store import Store


def details_of(
    store: Store, run: Run, db: str, reference: Reference, *, level: float | None = None
) -> Details:
    """All that is known of a run, its intervals from kept replicates where there are any."""
    from robustbench_gnl.statistics import LEVEL, evidence_of, run_details

    evidence = evidence_of(store.pieces(run.id), run.protocol.n_images)
    return run_details(
        evidence,
        store.image_set(run.protocol.image_set).keys,
        reference.for_protocol(run.protocol),
        replicates=replicates_of(store, run, db, evidence=evidence) if run.cells else None,
        level=LEVEL if level is None else level,
        n_classes=run.model.n_classes,
    )
