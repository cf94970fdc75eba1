"""The raw data of one run for programs: its JSON object and the rows of its CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics import (
    Interval,
    MetricId,
    Summary,
    headline_metrics,
    is_run_near_chance,
    overall_metrics,
)
from robustbench_gnl.metrics.catalogue import (
    CE,
    CLEAN_ERROR,
    CORRUPTION_ERROR,
    MCE,
    MEAN_CORRUPTION_ERROR,
    METRICS,
    RELATIVE_CE,
    RELATIVE_MCE,
)
from robustbench_gnl.metrics.metric import Metric, Scope
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import CLEAN, SCHEMA_VERSION, Condition, Run
from robustbench_gnl.reports.document import (
    Row,
)
from robustbench_gnl.reports.run_summary import (
    n_skipped,
    worst_of_all,
)
from robustbench_gnl.reports.sentences import (
    demonstration_sentence,
)
from robustbench_gnl.suites import DEFAULT_SUITE, Suite

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

MEANS = {CORRUPTION_ERROR: MEAN_CORRUPTION_ERROR, CE: MCE, RELATIVE_CE: RELATIVE_MCE}
"""Metrics of corruptions, and the overall metric that is the mean of each."""


def run_data(
    run: Run, summary: Summary, reference: Reference, details: RunStatistics | None
) -> dict[str, Any]:
    """The JSON object of a run; undefined values are None, with a reason."""
    model, protocol, suite = run.model, run.protocol, summary.suite
    # Readers rely on the headline keys of the default suite, so other suites have them as null.
    headline = dict.fromkeys((*headline_metrics(DEFAULT_SUITE), *headline_metrics(suite)))
    elsewhere = {
        one.key: f"{one.label} is not defined for {suite.title}"
        for one in headline
        if one.key not in suite.metrics
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.id,
        "model": {
            "name": model.name,
            "checkpoint_sha256": model.checkpoint_sha256,
            "weights": model.weights,
            "n_params": model.n_params,
            "n_classes": model.n_classes,
            "mean": list(model.mean),
            "std": list(model.std),
            "fingerprint": model.fingerprint,
        },
        "protocol": {
            "name": protocol.name,
            "fingerprint": protocol.fingerprint,
            "verified": not protocol.is_unverified,
            **protocol.fields(),
        },
        "n_images": protocol.n_images,
        "n_image_classes": details.n_image_classes if details else None,
        "n_skipped": n_skipped(run),
        # The key is older than suites: these are the main cells of any suite.
        "n_common_cells": summary.n_main_cells,
        **{one.key: summary.values.get(one.key) for one in headline},
        "groups": dict(summary.groups),
        "corruptions": {
            name: _corruption_data(summary, details, name) for name in summary.corruptions
        },
        **(_details_data(details, summary) if details else {}),
        "reasons": {**elsewhere, **summary.reasons, **_further_reasons(details, summary)},
        "reference": {"name": reference.name, "protocol": reference.protocol},
        "near_chance": is_run_near_chance(run),
        "demonstration": (
            demonstration_sentence(protocol.n_images) if protocol.is_demonstration else None
        ),
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _details_data(details: RunStatistics, summary: Summary) -> dict[str, Any]:
    """Metrics that need the pieces of a run, and all intervals."""
    numbers = details.numbers
    further = [one.key for one in overall_metrics(summary.suite) if not one.is_headline]
    return {
        **{path: numbers.values.get(path) for path in further},
        "effective_robustness_line": str(details.trend) if details.trend else None,
        "worst_corruption": worst_of_all(summary),
        "worst_class": asdict(details.worst_class) if details.worst_class else None,
        "intervals": {path: asdict(interval) for path, interval in numbers.intervals.items()},
        "interval_reasons": dict(numbers.reasons),
        "remarks": dict(details.remarks),
    }


def _further_reasons(details: RunStatistics | None, summary: Summary) -> dict[str, str]:
    if details is None:
        return {}
    why = summary.reasons.get(MEAN_CORRUPTION_ERROR.key)
    return {**details.reasons, **({"worst_corruption": why} if why else {})}


def _of_corruptions(*, by_block: bool) -> list[Metric]:
    """The metrics of corruptions that are computed from errors, or from sums over blocks."""
    metrics = (one for one in METRICS if one.scope is Scope.CORRUPTION)
    return [one for one in metrics if (one.quantity is not None) == by_block]


def _corruption_data(summary: Summary, details: RunStatistics | None, name: str) -> dict[str, Any]:
    conditions = summary.suite.conditions_of(name)
    data: dict[str, Any] = {
        **_values(summary, details, name),
        "severities": [summary.errors.get(condition) for condition in conditions],
    }
    for metric in _of_corruptions(by_block=True) if details else ():
        data[f"{metric.key}_severities"] = [
            details and details.numbers.values.get(MetricId(metric, name, one.severity).path)
            for one in conditions
        ]
    return data


def _values(summary: Summary, details: RunStatistics | None, name: str) -> dict[str, Any]:
    """The metrics of one corruption; those stored by block only if there are details."""
    values = {
        one.key: summary.value(MetricId(one, name)) for one in _of_corruptions(by_block=False)
    }
    if details is not None:
        for one in _of_corruptions(by_block=True):
            values[one.key] = details.numbers.values.get(MetricId(one, name).path)
    return values


def _quantities(summary: Summary, details: RunStatistics | None, cells: Sequence[Condition]) -> Row:
    """Metrics stored by block, over these cells."""
    values = details.numbers.values if details else {}
    return {
        one.quantity.key: values.get(one.key)
        for one in overall_metrics(summary.suite)
        if one.quantity is not None and MetricId(one).cells(summary.suite) == tuple(cells)
    }


def _ends(key: str, interval: Interval | None) -> Row:
    return {f"{key}_low": interval and interval.low, f"{key}_high": interval and interval.high}


def severity_keys(suite: Suite) -> dict[str, int]:
    """Column keys of errors by severity, with the severity of each."""
    return {f"severity_{one}": one for one in suite.severities} if suite.has_severities else {}


def record_columns(suite: Suite) -> tuple[str, ...]:
    """The columns of the CSV file; they identify the run, so that files can be concatenated."""
    errors = [one.key for one in _of_corruptions(by_block=False)]
    severities = severity_keys(suite)
    return (
        *("run_id", "model", "protocol", "reference", "corruption", "group", *severities),
        *errors,
        *(f"{key}_{end}" for key in errors for end in ("low", "high")),
        *(one.key for one in _of_corruptions(by_block=True)),
        *(f"{key}_{end}" for key in severities for end in ("low", "high")),
    )


def corruption_rows(summary: Summary, details: RunStatistics | None) -> list[Row]:
    """One row for each evaluated corruption, in the order of the suite."""
    suite, intervals = summary.suite, details.numbers.intervals if details else {}
    rows: list[Row] = []
    for name, one in summary.corruptions.items():
        # JSON has it as null with a reason, for which a row of CSV has no room.
        if one.error is None:
            continue
        row: dict[str, Any] = {
            "corruption": name,
            "group": suite.group_of(name),
            **_values(summary, details, name),
            "ce_interval": intervals.get(MetricId(CE, name).path),
        }
        for metric in _of_corruptions(by_block=False):
            row |= _ends(metric.key, intervals.get(MetricId(metric, name).path))
        for key, severity in severity_keys(suite).items():
            error = summary.errors.get(Condition(name, severity))
            interval = intervals.get(MetricId(CORRUPTION_ERROR, name, severity).path)
            row |= {key: error, **_ends(key, interval)}
        rows.append(row)
    return rows


def total_rows(summary: Summary, details: RunStatistics | None) -> list[Row]:
    """Rows of the clean images and of the means; of other suites, of their only condition."""
    suite, intervals = summary.suite, details.numbers.intervals if details else {}

    def row(name: str, metrics: dict[Metric, Metric], cells: Sequence[Condition]) -> Row:
        group = suite.group_of(name) if suite.groups else None
        found: dict[str, Any] = {"corruption": name, "group": group}
        for metric, overall in metrics.items():
            found[metric.key] = summary.values.get(overall.key)
            found |= _ends(metric.key, intervals.get(overall.key))
        return {**found, **_quantities(summary, details, cells)}

    if not suite.has_severities:
        (error,) = headline_metrics(suite)
        return [row(name, {CORRUPTION_ERROR: error}, suite.conditions_of(name))
                for name in suite.corruptions]  # fmt: skip
    rows = [row("mean", MEANS, suite.main_conditions)]
    if suite.has_clean:
        clean = row(CLEAN.corruption, {CORRUPTION_ERROR: CLEAN_ERROR}, [CLEAN])
        rows.insert(0, {**clean, "group": CLEAN.corruption})
    return rows
