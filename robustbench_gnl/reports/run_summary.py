"""Text about one run: its model and protocol, its metrics, and notes on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics import (
    FRACTION,
    Interval,
    Metric,
    MetricId,
    Summary,
    headline_metrics,
    overall_metrics,
    worst_corruption,
)
from robustbench_gnl.metrics.catalogue import (
    CLEAN_ERROR,
    CORRUPTION_ERROR,
    EFFECTIVE_ROBUSTNESS,
    MCE,
)
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Run
from robustbench_gnl.reports.formatting import (
    as_count,
    as_millions,
    as_share,
    or_dash,
    with_interval,
)
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    interval_methods,
    progress_phrase,
    protocol_warnings,
    subset_sentence,
)
from robustbench_gnl.suites import Suite
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Numbers, RunStatistics


def worst_of_all(summary: Summary) -> str | None:
    """The worst corruption of a complete run; of others the worst may be a missing one."""
    return worst_corruption(summary) if summary.is_complete else None


def n_skipped(run: Run) -> int:
    """Number of images that could not be read and were left out."""
    return max(len(run.skipped), run.protocol.skipped_images)


def about_run(run: Run) -> list[str]:
    """The model and the protocol, one sentence a line; the first line is the model."""
    model, protocol = run.model, run.protocol
    images = f"{counted(protocol.n_images, 'image')}"
    if skipped := n_skipped(run):
        images += f", {as_count(skipped)} left out because they could not be read"
    mean, std = ("/".join(f"{value:.4g}" for value in one) for one in (model.mean, model.std))
    return [
        f"{model.name} ({as_millions(model.n_params)} parameters)",
        f"checkpoint {model.checkpoint_sha256[:12]} ({model.weights})",
        f"normalised by mean {mean} std {std}",
        f"protocol {protocol.name} [{protocol.fingerprint[:8]}], {images}",
        *([f"tags: {', '.join(run.tags)}"] if run.tags else []),
        *chance_sentences(run),
        *protocol_warnings(protocol),
    ]


def headline(
    summary: Summary, reference: Reference, details: RunStatistics | None = None
) -> list[str]:
    """The headline metrics with labels; optional ones only if they are defined."""
    intervals = details.numbers.intervals if details else {}
    lines = []
    for metric in headline_metrics(summary.suite):
        value, title = summary.values.get(metric.key), metric.full_title
        if metric.is_ratio and reference.is_defined:
            title += f", {reference.name} = 100"
        if value is not None or not metric.is_optional:
            lines.append(f"{title}: {_shown(metric, value, intervals)}")
    return lines


def _shown(metric: Metric, value: float | None, intervals: Mapping[str, Interval]) -> str:
    format = metric.unit.number
    return with_interval(or_dash(value, format), intervals.get(metric.key), format)


def number_lines(
    summary: Summary, reference: Reference, details: RunStatistics | None
) -> list[str]:
    """Lines of all overall metrics; of a suite with a single condition, the table has them
    already."""
    lines = headline(summary, reference, details) if summary.suite.has_severities else []
    if details is None:
        return lines
    # Only metrics that divide by the reference need this warning.
    if summary.values.get(MCE.key) is not None:
        lines += filter(None, [subset_sentence(reference, details.n_image_classes)])
    if summary.suite.has_severities:
        lines += further_numbers(details, summary)
    return [*lines, *worst_sides(details, summary), *interval_notes(details, summary.suite)]


def further_numbers(details: RunStatistics, summary: Summary) -> list[str]:
    """The metrics that are not headline metrics, one a line."""
    numbers = details.numbers
    lines = []
    for metric in overall_metrics(summary.suite):
        if metric.is_headline or metric.key not in numbers.values:
            continue
        shown = _shown(metric, numbers.values[metric.key], numbers.intervals)
        text = f"{metric.full_title}: {shown}"
        lines.append("; ".join(filter(None, (text, details.remarks.get(metric.key)))))
    return lines


def worst_sides(details: RunStatistics, summary: Summary) -> list[str]:
    """The worst corruption and the worst class, if they are defined."""
    lines = []
    if (worst := worst_of_all(summary)) is not None:
        lines.append(f"worst corruption: {worst}")
    if (one := details.worst_class) is not None:
        lines.append(
            f"worst class: {one.name}, mean error {FRACTION.value(one.error)} of "
            f"{counted(one.n_images, 'image')}"
        )
    return lines


def interval_notes(details: RunStatistics, suite: Suite) -> list[str]:
    """Notes on how intervals were computed, and on why metrics have none."""
    lines, numbers = [], details.numbers
    share = as_share(details.level)
    if numbers.intervals:
        shown = [
            (one.label, numbers.intervals[one.key])
            for one in overall_metrics(suite)
            if one.key in numbers.intervals
        ]
        lines.append(f"{share} intervals in brackets: {interval_methods(shown)}")
    reach = _reach_of_cells(numbers, suite)
    if reach is not None:
        lines.append(
            f"the error of a single cell has a {share} interval (Wilson's) that reaches "
            f"{FRACTION.number(reach)} points to a side at most; csv and json have each"
        )
    by_reason: dict[str, list[str]] = {}
    for metric in overall_metrics(suite):
        if metric.key in numbers.reasons:
            by_reason.setdefault(numbers.reasons[metric.key], []).append(metric.full_label)
    lines += [f"no interval of {', '.join(labels)}: {why}" for why, labels in by_reason.items()]
    why = details.reasons.get(EFFECTIVE_ROBUSTNESS.key)
    if why is not None and {MCE.key, CLEAN_ERROR.key} <= set(numbers.values):
        lines.append(f"no {EFFECTIVE_ROBUSTNESS.label}: {why}")
    if details.trend is not None:
        lines.append(f"the line of {EFFECTIVE_ROBUSTNESS.label}: {details.trend}")
    return lines


def _reach_of_cells(numbers: Numbers, suite: Suite) -> float | None:
    """The largest distance between the error of a single cell and the end of its interval."""
    # One number, where an interval for each of the cells would fill the screen.
    reaches = []
    for condition in suite.conditions if suite.has_severities else ():
        path = MetricId(CORRUPTION_ERROR, condition.corruption, condition.severity).path
        value, interval = numbers.values.get(path), numbers.intervals.get(path)
        if value is not None and interval is not None:
            reaches.append(max(value - interval.low, interval.high - value))
    return max(reaches, default=None)


def remarks(run: Run, summary: Summary) -> list[str]:
    """Why metrics are undefined, and which means lack severities."""
    suite = summary.suite
    by_reason: dict[str, list[str]] = {}
    for metric in headline_metrics(suite):
        if metric.key in summary.reasons and not metric.is_optional:
            by_reason.setdefault(summary.reasons[metric.key], []).append(metric.label)
    lines = [f"no {' and no '.join(labels)}: {reason}" for reason, labels in by_reason.items()]
    partial = [
        name
        for name, one in summary.corruptions.items()
        if one.error is not None and None in one.severities
    ]
    if partial:
        lines.append(
            f"the mean of {', '.join(partial)} is over the severities shown, "
            f"not comparable with one over all {len(suite.severities)}"
        )
    if not summary.is_complete and suite.has_severities:
        span = suite.severity_span("-")
        how = (
            "" if run.n_unfinished_cells else f", with `--corruptions common --severities {span}`,"
        )
        lines.append(
            f"{progress_phrase(summary)} complete: the same command{how} adds the others, "
            "where the data has them"
        )
    return lines


def origin(run: Run, n_pieces: int) -> list[str]:
    """The origin of a run: what the store records besides the results."""
    block_size, n_unfinished = min(run.block_size, run.protocol.n_images), run.n_unfinished_cells
    stored = [
        f"{counted(n_pieces, 'stored piece')} of up to {counted(block_size, 'image')} of a cell",
        *([f"cells begun and not complete: {n_unfinished}"] if n_unfinished else []),
        f"computing time {run.seconds:.1f} s",
    ]
    # It is the commit of the user's project, in whose folder the command ran, not ours.
    environment = {
        name.replace("git_commit", "git_commit of the working folder"): value
        for name, value in run.environment.items()
    }
    known = sorted((name, value) for name, value in environment.items() if value is not None)
    return [
        f"run: {run.id}, begun {run.created_at}, finished {run.finished_at or 'not yet'}",
        "; ".join(stored),
        *(f"{name}: {_environment_text(value)}" for name, value in known),
        *(f"skipped: {key}: {reason}" for key, reason in sorted(run.skipped.items())),
    ]


def _environment_text(value: Any) -> str:
    """A value of the environment as text: packages as `numpy 2.1.0, torch 2.8.0`; unknown values
    are left out."""
    if isinstance(value, Mapping):
        known = {name: one for name, one in value.items() if one is not None}
        return ", ".join(f"{name} {_environment_text(one)}" for name, one in known.items())
    if isinstance(value, list):
        return "; ".join(_environment_text(one) for one in value)
    return str(value)
