"""What is said of one run beside its table: which it is, its headline, its intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import Interval, Summary, worst_corruption
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Run
from robustbench_gnl.reports.formatting import (
    as_count,
    as_fraction_percent,
    as_millions,
    as_share,
    or_dash,
    with_interval,
)
from robustbench_gnl.reports.metric_labels import (
    FURTHER,
    HEADLINE,
    full_label,
    metric_label,
    unit_of,
    with_unit,
)
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    progress_phrase,
    protocol_warnings,
    subset_sentence,
)

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics


def worst_of_all(summary: Summary) -> str | None:
    """The worst corruption, where all 15 are complete: another may hide among the missing."""
    return worst_corruption(summary) if summary.is_complete else None


def n_skipped(run: Run) -> int:
    """How many images were left out because they could not be read."""
    return max(len(run.skipped), run.protocol.skipped_images)


def about_run(run: Run) -> list[str]:
    """Which network was evaluated on what, a sentence a line; the first names the model."""
    model, protocol = run.model, run.protocol
    images = f"{as_count(protocol.n_images)} images"
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
    """The four numbers, each with its name, and the mean over 19 where there is one."""
    intervals = details.numbers.intervals if details else {}
    lines = []
    for path in HEADLINE:
        value, label = getattr(summary, path), with_unit(full_label(path), unit_of(path))
        if path in ("mce", "relative_mce") and reference.is_defined:
            label += f", {reference.name} = 100"
        if value is not None or path != "mean_error_19":
            lines.append(f"{label}: {_shown(path, value, intervals)}")
    return lines


def _shown(path: str, value: float | None, intervals: Mapping[str, Interval]) -> str:
    format = unit_of(path).format
    return with_interval(or_dash(value, format), intervals.get(path), format)


def number_lines(
    summary: Summary, reference: Reference, details: RunStatistics | None
) -> list[str]:
    """The headline, and below it what the details add."""
    lines = headline(summary, reference, details)
    if details is None:
        return lines
    if summary.mce is not None:
        lines += filter(None, [subset_sentence(reference, details.n_image_classes)])
    return [*lines, *further_numbers(details, summary), *interval_notes(details)]


def further_numbers(details: RunStatistics, summary: Summary) -> list[str]:
    """The numbers below the headline, one a line."""
    numbers = details.numbers
    lines = []
    for path in (path for path in FURTHER if path in numbers.values):
        label = with_unit(full_label(path), unit_of(path))
        if path == "effective_robustness":
            label += " below the line"
        text = f"{label}: {_shown(path, numbers.values[path], numbers.intervals)}"
        lines.append("; ".join(filter(None, (text, details.remarks.get(path)))))
    if (worst := worst_of_all(summary)) is not None:
        lines.append(f"worst corruption: {worst}")
    if (one := details.worst_class) is not None:
        lines.append(
            f"worst class: {one.name}, mean error {as_fraction_percent(one.error)} % of "
            f"{as_count(one.n_images)} images"
        )
    return lines


def interval_notes(details: RunStatistics) -> list[str]:
    """What the intervals are, and why a number has none."""
    lines = []
    share = as_share(details.level)
    if details.numbers.intervals:
        lines.append(
            f"in brackets: {share} intervals: Wilson's of the clean error and "
            "clean top-5 error; of mean top-5 error, likelihood and calibration by leaving out "
            "blocks of images; of all others by resampling the images"
        )
    reach = _reach_of_cells(details)
    if reach is not None:
        lines.append(
            f"the error of a single cell has a {share} interval (Wilson's) that reaches "
            f"{as_fraction_percent(reach)} points to a side at most; csv and json have each"
        )
    by_reason: dict[str, list[str]] = {}
    for path, reason in details.numbers.reasons.items():
        if "." not in path:  # of the whole run, not of a corruption
            by_reason.setdefault(reason, []).append(full_label(path))
    lines += [f"no interval of {', '.join(labels)}: {why}" for why, labels in by_reason.items()]
    why = details.reasons.get("effective_robustness")
    if why is not None and {"mce", "clean_error"} <= set(details.numbers.values):
        lines.append(f"no effective robustness: {why}")
    if details.trend is not None:
        lines.append(f"the line of effective robustness: {details.trend}")
    return lines


def _reach_of_cells(details: RunStatistics) -> float | None:
    """How far the end of an interval of one corrupted cell is from its error, at most."""
    numbers, reaches = details.numbers, []
    for name in corruptions.names("all"):
        for severity in corruptions.SEVERITIES:
            path = f"corruptions.{name}.severities.{severity}"
            value, interval = numbers.values.get(path), numbers.intervals.get(path)
            if value is not None and interval is not None:
                reaches.append(max(value - interval.low, interval.high - value))
    return max(reaches, default=None)


def remarks(run: Run, summary: Summary) -> list[str]:
    """Why a number is a dash, and which means stand on fewer than five severities."""
    by_reason: dict[str, list[str]] = {}
    for path in (path for path in HEADLINE if path != "mean_error_19"):
        if path in summary.reasons:
            by_reason.setdefault(summary.reasons[path], []).append(metric_label(path))
    lines = [f"no {' and no '.join(labels)}: {reason}" for reason, labels in by_reason.items()]
    partial = [
        name
        for name, one in summary.corruptions.items()
        if one.error is not None and None in one.severities
    ]
    if partial:
        lines.append(
            f"the mean of {', '.join(partial)} is over the severities shown, "
            "not comparable with one over five"
        )
    if not summary.is_complete:
        how = "" if run.n_unfinished_cells else ", with `--corruptions common --severities 1-5`,"
        lines.append(
            f"{progress_phrase(summary)} complete: the same command{how} adds the others, "
            "where the data has them"
        )
    return lines


def origin(run: Run, n_pieces: int) -> list[str]:
    """How a run was made: what the store knows of it beyond the results."""
    block_size, n_unfinished = min(run.block_size, run.protocol.n_images), run.n_unfinished_cells
    stored = [
        f"pieces stored: {n_pieces}, of up to {block_size} images of a cell, each with its digest",
        *([f"cells begun and not complete: {n_unfinished}"] if n_unfinished else []),
        f"{run.seconds:.1f} s of work",
    ]
    # The commit is that of the user's experiment: of the folder in which the command ran.
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
    """A fact of the environment: packages as `numpy 2.1.0, torch 2.8.0`, what is unknown left
    out."""
    if isinstance(value, Mapping):
        known = {name: one for name, one in value.items() if one is not None}
        return ", ".join(f"{name} {_environment_text(one)}" for name, one in known.items())
    if isinstance(value, list):
        return "; ".join(_environment_text(one) for one in value)
    return str(value)
