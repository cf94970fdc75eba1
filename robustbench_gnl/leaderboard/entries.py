"""Entries of a board: runs, published results, and the reference.

Values are looked up by the path of the metric: `mce`, `groups.noise`, `corruptions.fog.ce`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from robustbench_gnl.metrics import (
    Interval,
    MetricId,
    Scope,
    Summary,
    column_ids,
    is_run_near_chance,
    mean,
)
from robustbench_gnl.metrics.catalogue import CE
from robustbench_gnl.metrics.reference import PUBLISHED_SUITE, Published, Reference
from robustbench_gnl.records import Protocol, Run

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RankRange

N_PARAMS = "n_params"
"""The number of parameters: not a metric, but entries can be sorted by it."""


@dataclass(frozen=True)
class Estimate:
    """The value of a metric, with its interval."""

    value: float
    interval: Interval | None = None
    reason: str | None = None
    """Why it has no interval, if intervals were computed."""


@dataclass(frozen=True)
class Entry:
    """A run, a published result, or the reference."""

    kind: Literal["run", "reported", "reference"]
    model: str
    numbers: Mapping[str, Estimate]
    """By metric path; undefined metrics are left out."""
    rank: int | None = None
    """1 is best; None if it is not ranked."""
    ranks: RankRange | None = None
    """The ranks that are consistent with the images; None if they were not computed."""
    has_intervals: bool = False
    """Whether intervals were computed."""
    run: Run | None = None
    published: Published | None = None
    reference: Reference | None = None
    checkpoint: str | None = None
    """The checkpoint, if several runs have a model of this name."""
    summary: Summary | None = None
    """The metrics of a run."""
    is_near_chance: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it is a run with all main cells of the suite."""
        return self.summary is not None and self.summary.is_complete

    def value(self, path: str) -> float | None:
        """The value of a metric by its path, or the number of parameters."""
        if path == N_PARAMS:
            return None if self.run is None else self.run.model.n_params
        found = self.numbers.get(path)
        return None if found is None else found.value


def _known(values: Mapping[str, float | None]) -> dict[str, Estimate]:
    return {path: Estimate(value) for path, value in values.items() if value is not None}


def run_entry(run: Run, summary: Summary) -> Entry:
    return Entry(
        kind="run",
        model=run.model.name,
        numbers=_known({one.path: summary.value(one) for one in column_ids(summary.suite)}),
        run=run,
        summary=summary,
        is_near_chance=is_run_near_chance(run),
    )


def told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with the checkpoint of runs whose models share a name, and the weights entry of
    those that share the checkpoint too."""
    models = [one.run.model for one in entries if one.run is not None]
    names = [model.name for model in models]
    files = [(model.name, model.checkpoint_sha256) for model in models]
    named = []
    for entry, model, file in zip(entries, models, files, strict=True):
        checkpoint = None
        if names.count(model.name) > 1:
            checkpoint = model.checkpoint_sha256[:8]
        if files.count(file) > 1:
            checkpoint = f"{checkpoint} {model.weights}"
        named.append(replace(entry, checkpoint=checkpoint))
    return named


def reference_entry(reference: Reference) -> Entry:
    """The entry of the reference model, whose errors CE divides by."""
    numbers: dict[str, float | None] = {}
    for one in column_ids(reference.suite):
        if one.metric.is_ratio:
            numbers[one.path] = 100.0
        elif (expression := one.expression(reference.suite, reference)) is not None:
            numbers[one.path] = expression.value(reference.cell_errors)
    return Entry(
        kind="reference", model=reference.name, numbers=_known(numbers), reference=reference
    )


def reported_entry(published: Published) -> Entry:
    """The entry of a published result, not yet ranked."""
    is_named = published.architecture in published.method  # the method's name says both
    return Entry(
        kind="reported",
        model=published.method if is_named else f"{published.method}, {published.architecture}",
        numbers=_known(
            {one.path: _reported(published, one) for one in column_ids(PUBLISHED_SUITE)}
        ),
        published=published,
    )


def _reported(published: Published, one: MetricId) -> float | None:
    """The published value of a metric, or the one that follows from published CEs."""
    if one.metric.scope is Scope.OVERALL:
        return getattr(published, one.metric.key, None)
    if one.metric.scope is Scope.GROUP:
        return mean(published.ce.get(name) for name in PUBLISHED_SUITE.groups[one.of])
    return published.ce.get(one.of) if one.metric is CE else None


def is_comparable(published: Published) -> bool:
    """Whether it was measured on all released images without resampling.

    A source that does not mention test-time adaptation is assumed not to adapt.
    """
    return (
        published.n_images == PUBLISHED_SUITE.n_published_images
        and published.resampling == "none"
        and published.test_time_adaptation in ("", "none")
    )


def takes_reported(protocol: Protocol) -> bool:
    """Whether comparable published results are ranked among the runs of this protocol."""
    return (
        protocol.suite == PUBLISHED_SUITE.name
        and protocol.source == "released"
        and protocol.n_images == PUBLISHED_SUITE.n_published_images
        and protocol.resampling == "none"
        and protocol.skipped_images == 0
    )


def stated_protocol(published: Published) -> str:
    """The protocol that a source states, as a phrase; results are grouped by it."""
    phrases = []
    if published.n_images is not None:
        phrases.append(f"{published.n_images:,} images")
    if published.resampling:
        phrases.append("not resampled" if published.resampling == "none" else published.resampling)
    if published.test_time_adaptation not in ("", "none"):
        phrases.append(f"adapted at test time ({published.test_time_adaptation})")
    if published.n_images is None and not published.resampling:
        phrases.insert(0, "protocol not stated")
    elif published.n_images is None:
        phrases.insert(0, "number of images not stated")
    elif not published.resampling:
        phrases.append("resampling not stated")
    return ", ".join(phrases)
