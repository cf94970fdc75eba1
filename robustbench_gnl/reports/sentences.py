"""Sentences that several reports share: what must be known beside their numbers."""

from __future__ import annotations

from robustbench_gnl.leaderboard import is_run_near_chance
from robustbench_gnl.metrics import Summary
from robustbench_gnl.metrics.reference import NO_REFERENCE, Reference
from robustbench_gnl.records import CLEAN, COMMON_CONDITIONS, Protocol, Run
from robustbench_gnl.reports.formatting import as_count, as_fraction_percent
from robustbench_gnl.text import counted

UNVERIFIED = (
    "The tree has the layout of ImageNet-C, but not its images: where it comes from is unverified."
)
"""What stands beside every number of such a tree."""


def demonstration_sentence(n_images: int) -> str:
    """What stands beside every number of the built-in sample."""
    return (
        f"{as_count(n_images)} images are a demonstration: they show how the program works "
        "and do not measure the model."
    )


def protocol_warnings(protocol: Protocol) -> list[str]:
    """What must never be left out beside numbers of a protocol."""
    warnings = []
    if protocol.is_demonstration:
        warnings.append(demonstration_sentence(protocol.n_images))
    if protocol.is_unverified:
        warnings.append(UNVERIFIED)
    return warnings


def chance_sentences(run: Run, name: str | None = None) -> list[str]:
    """A sentence of a network that is near chance on clean images, else nothing."""
    if not is_run_near_chance(run):
        return []
    accuracy = as_fraction_percent(1 - run.cells[CLEAN].error)
    return [
        f"{name or run.model.name} is right on {accuracy} % of the clean images, which is near "
        f"chance ({as_fraction_percent(1 / run.model.n_classes)} %)."
    ]


def reference_sentence(reference: str) -> str:
    """What stands beside every CE and mean of CEs; `reference` is a name."""
    if reference == NO_REFERENCE:
        return "CE is not defined for images of these classes"
    return f"CE divides by the errors of {reference}"


def subset_sentence(reference: Reference, n_image_classes: int) -> str | None:
    """What must be known where the images have fewer classes than those of the reference."""
    if reference.n_classes is None or n_image_classes >= reference.n_classes:
        return None
    return (
        f"CE divides the errors on images of {counted(n_image_classes, 'class', 'classes')} by "
        f"{reference.name}'s on all {as_count(reference.n_classes)}, of which these need not be "
        "typical"
    )


def progress_phrase(summary: Summary) -> str:
    """How far a run is, as `31/75 cells`."""
    return f"{summary.n_common_cells}/{len(COMMON_CONDITIONS)} cells"
