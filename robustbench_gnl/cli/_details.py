"""What the stored pieces of a run say, for the commands that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_gnl.cli._replicates import each_replicates

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

    replicates = next((one for _, one in each_replicates(store, [run], db)), None)
    return run_details(
        evidence_of(store.pieces(run.id), run.protocol.n_images),
        store.image_set(run.protocol.image_set).keys,
        reference,
        replicates=replicates,
        level=LEVEL if level is None else level,
    )
