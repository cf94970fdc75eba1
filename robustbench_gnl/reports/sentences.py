"""Sentences that several reports share."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_gnl.metrics import FRACTION, Interval, Summary, is_run_near_chance
from robustbench_gnl.metrics.chance import chance_cell, images_of, n_candidates
from robustbench_gnl.metrics.reference import NO_REFERENCE, NOT_DEFINED, Reference
from robustbench_gnl.records import Protocol, Run
from robustbench_gnl.reports.formatting import as_count
from robustbench_gnl.suites import Suite, suite_of
from robustbench_gnl.text import counted, some_of


def demonstration_sentence(n_images: int) -> str:
    """The warning about results on the built-in sample."""
    return (
        f"{as_count(n_images)} images are a demonstration: they show how the program works "
        "and do not measure the model."
    )


def unverified_sentence(suite: Suite) -> str:
    """The warning about a folder with the layout of a suite but other images."""
    return (
        f"The data has the layout of {suite.title}, but is not the complete published set of "
        "images: its origin is unverified."
    )


def protocol_warnings(protocol: Protocol) -> list[str]:
    """Warnings that must be shown with all results of a protocol."""
    warnings = []
    if protocol.is_demonstration:
        warnings.append(demonstration_sentence(protocol.n_images))
    if protocol.is_unverified:
        warnings.append(unverified_sentence(suite_of(protocol)))
    return warnings


def chance_sentences(run: Run, name: str | None = None) -> list[str]:
    """A sentence if the model is near chance."""
    cell = chance_cell(run)
    if cell is None or not is_run_near_chance(run):
        return []
    suite = suite_of(run.protocol)
    chance = 1 / n_candidates(suite, run.model.n_classes)
    return [
        f"{name or run.model.name} is right on {FRACTION.value(1 - cell.error)} of the "
        f"{images_of(suite)}, which is near chance ({FRACTION.value(chance)})."
    ]


def reference_sentences(reference: str) -> list[str]:
    """What CE divides by; empty for a suite without a reference.

    Args:
        reference: Name of the reference.
    """
    if reference == NOT_DEFINED:
        return []
    if reference == NO_REFERENCE:
        return ["CE is not defined for images of these classes"]
    return [f"CE divides by the errors of {reference}"]


def interval_methods(intervals: Iterable[tuple[str, Interval]]) -> str:
    """How the intervals of metrics were computed, with labels by method."""
    by_method: dict[str, dict[str, None]] = {}
    for label, interval in intervals:
        by_method.setdefault(interval.method, {})[label] = None
    named = {
        method: some_of(labels, most=len(labels), last=" and ")
        for method, labels in by_method.items()
    }
    # Most metrics are resampled, so the exceptions are named instead.
    others = " for all others" if len(named) > 1 else ""
    phrases = {
        "wilson": f"Wilson's for {named.get('wilson')}",
        "jackknife": f"by leaving out blocks of images for {named.get('jackknife')}",
        "bootstrap": f"by resampling the images{others}",
    }
    return "; ".join(phrase for method, phrase in phrases.items() if method in named)


def subset_sentence(reference: Reference, n_image_classes: int) -> str | None:
    """A warning if the images have fewer classes than those of the reference."""
    if reference.n_classes is None or n_image_classes >= reference.n_classes:
        return None
    return (
        f"CE divides the errors on images of {counted(n_image_classes, 'class', 'classes')} by "
        f"{reference.name}'s on all {as_count(reference.n_classes)}, of which these need not be "
        "typical"
    )


def progress_phrase(summary: Summary) -> str:
    """How many main cells a run has: `31/N cells`."""
    return f"{summary.n_main_cells}/{len(summary.suite.main_conditions)} cells"
