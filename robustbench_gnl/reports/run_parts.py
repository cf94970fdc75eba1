"""The rows and sentences that every view of one run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import Interval, Summary
from robustbench_gnl.metrics.reference import NO_REFERENCE, Reference
from robustbench_gnl.records import COMMON_CONDITIONS, Protocol, Run
from robustbench_gnl.reports.chance import chance_lines
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_millions,
    as_percent,
)
from robustbench_gnl.reports.run_details import (
    KINDS,
    behind,
    further_lines,
    interval_lines,
    interval_of_cell,
    joint_below,
    kinds_of,
)
from robustbench_gnl.reports.tables import DASH, Column, Row

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

SEVERITY_COLUMNS = tuple(
    Column(f"severity_{severity}", str(severity), format=as_fraction_percent)
    for severity in corruptions.SEVERITIES
)
COLUMNS = (
    Column("corruption", "corruption", "left"),
    Column("group", "group", "left", droppable="group"),
    *SEVERITY_COLUMNS,
    Column("error", "mean", format=as_fraction_percent),
    Column("ce", "CE", format=as_percent),
)
CE_INTERVAL = Column("ce_interval", "interval", format=as_interval(as_percent))


def demonstration_sentence(n_images: int) -> str:
    """What stands beside every number of the built-in sample."""
    return (
        f"{as_count(n_images)} images are a demonstration: they show how the program works "
        "and do not measure the model."
    )


def reference_sentence(reference: str) -> str:
    """What stands beside every CE and mean of CEs; `reference` is a name."""
    if reference == NO_REFERENCE:
        return "CE is not defined for images of these classes"
    return f"CE divides by the errors of {reference}"


def subset_sentence(reference: Reference, n_image_classes: int) -> str | None:
    """What must be known where the images have fewer classes than those of the reference."""
    if reference.n_classes is None or n_image_classes >= reference.n_classes:
        return None
    classes = f"{n_image_classes} class" + ("" if n_image_classes == 1 else "es")
    return (
        f"CE divides the errors on images of {classes} by {reference.name}'s on all "
        f"{as_count(reference.n_classes)}, of which these need not be typical"
    )


UNVERIFIED = (
    "The tree has the layout of ImageNet-C, but not its images: where it comes from is unverified."
)
"""What stands beside every number of such a tree."""


def corruption_rows(summary: Summary, details: RunStatistics | None = None) -> list[Row]:
    """A row for each corruption that was evaluated, in the order of the paper."""
    return [
        {
            **(_details_of(details, name) if details else {}),
            "corruption": name,
            "group": corruptions.group_of(name),
            "error": one.error,
            "ce": one.ce,
            "relative_ce": one.relative_ce,
        }
        | {
            column.key: value
            for column, value in zip(SEVERITY_COLUMNS, one.severities, strict=True)
        }
        for name, one in summary.corruptions.items()
        if one.error is not None
    ]


def _details_of(details: RunStatistics, name: str) -> Row:
    """Intervals, and the kinds of numbers besides the top-1 error, of one corruption."""
    row: dict[str, Any] = kinds_of(details, name)
    for key in ("error", "ce"):
        interval = details.numbers.intervals.get(f"corruptions.{name}.{key}")
        row[f"{key}_interval"] = interval
        row |= _ends(key, interval)
    for column, severity in zip(SEVERITY_COLUMNS, corruptions.SEVERITIES, strict=True):
        row |= _ends(column.key, interval_of_cell(details, name, severity))
    return row


def _ends(key: str, interval: Interval | None) -> Row:
    return {f"{key}_low": interval and interval.low, f"{key}_high": interval and interval.high}


def common_and_extra(
    summary: Summary, details: RunStatistics | None = None
) -> tuple[list[Row], list[Row]]:
    rows = corruption_rows(summary, details)
    return (
        [row for row in rows if row["group"] != "extra"],
        [row for row in rows if row["group"] == "extra"],
    )


def total_rows(summary: Summary, details: RunStatistics | None = None) -> list[Row]:
    def interval_of(key: str, name: str) -> Row:
        interval = details.numbers.intervals.get(name) if details else None
        return _ends(key, interval)

    def totals_of(which: str) -> Row:
        values = details.numbers.values if details else {}
        return {kind: values.get(f"{which}_{kind}") for kind in KINDS}

    return [
        {
            "corruption": "clean",
            "group": "clean",
            "error": summary.clean_error,
            **interval_of("error", "clean_error"),
            **totals_of("clean"),
        },
        {
            "corruption": "mean",
            "group": "common",
            "error": summary.mean_corruption_error,
            "ce": summary.mce,
            "relative_ce": summary.relative_mce,
            **interval_of("error", "mean_corruption_error"),
            **interval_of("ce", "mce"),
            **totals_of("mean"),
        },
    ]


def head_lines(run: Run) -> list[str]:
    model, protocol = run.model, run.protocol
    images = f"{as_count(protocol.n_images)} images"
    if run.skipped or protocol.skipped_images:
        skipped = max(len(run.skipped), protocol.skipped_images)
        images += f", {as_count(skipped)} left out because they could not be read"
    lines = [
        f"{model.name} ({as_millions(model.n_params)} parameters)",
        f"checkpoint {model.checkpoint_sha256[:12]} ({model.weights})",
        f"normalised by mean {_triple(model.mean)} std {_triple(model.std)}",
        f"protocol {protocol.name} [{protocol.fingerprint[:8]}], {images}",
        *([f"tags: {', '.join(run.tags)}"] if run.tags else []),
    ]
    return [*lines, *chance_lines(run), *warning_lines(protocol)]


def warning_lines(protocol: Protocol) -> list[str]:
    """What must never be left out beside numbers of a protocol."""
    lines = []
    if protocol.is_demonstration:
        lines.append(demonstration_sentence(protocol.n_images))
    if protocol.is_unverified:
        lines.append(UNVERIFIED)
    return lines


def _triple(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.4g}" for value in values)


def _headline(reference: Reference) -> dict[str, tuple[str, Any]]:
    """The numbers under the table: label with unit, and how people see it."""
    ratio = f", {reference.name} = 100" if reference.is_defined else ""
    return {
        "clean_error": ("clean error, %", as_fraction_percent),
        "mean_corruption_error": (
            "mean corruption error over the 15, %, not normalised",
            as_fraction_percent,
        ),
        "mce": (f"mCE{ratio}", as_percent),
        "relative_mce": (f"relative mCE{ratio}", as_percent),
        "mean_error_19": ("mean error over all 19, %, not normalised", as_fraction_percent),
    }


def foot_lines(
    summary: Summary, reference: Reference, details: RunStatistics | None = None
) -> list[str]:
    """The headline, and below it what the details add."""
    lines = headline_lines(summary, reference, details)
    if details is not None:
        if summary.mce is not None:
            lines += filter(None, [subset_sentence(reference, details.n_image_classes)])
        lines += [*further_lines(details, summary), *interval_lines(details)]
    return lines


def headline_lines(
    summary: Summary, reference: Reference, details: RunStatistics | None = None
) -> list[str]:
    """The four numbers, each with its name, and the mean over 19 where there is one."""
    intervals = details.numbers.intervals if details else {}
    joint = joint_below(details) if details else ""
    lines = []
    for key, (label, format_value) in _headline(reference).items():
        value = getattr(summary, key)
        if value is not None or key != "mean_error_19":
            text = DASH if value is None else format_value(value)
            lines.append(f"{label}: {text}{behind(intervals.get(key), format_value, joint)}")
    return lines


def remark_lines(run: Run, summary: Summary) -> list[str]:
    """Why a number is a dash, and which means stand on fewer than five severities."""
    by_reason: dict[str, list[str]] = {}
    for key in ("clean_error", "mean_corruption_error", "mce", "relative_mce"):
        if key in summary.reasons:
            by_reason.setdefault(summary.reasons[key], []).append(_LABELS[key])
    lines = [f"no {' and no '.join(fields)}: {reason}" for reason, fields in by_reason.items()]
    partial_means = [
        name
        for name, one in summary.corruptions.items()
        if one.error is not None and None in one.severities
    ]
    if partial_means:
        lines.append(
            f"the mean of {', '.join(partial_means)} is over the severities shown, "
            "not comparable with one over five"
        )
    if not summary.is_complete:
        how = "" if run.n_unfinished_cells else ", with `--corruptions common --severities 1-5`,"
        lines.append(
            f"{cells_phrase(summary)} complete: the same command{how} adds the others, "
            "where the data has them"
        )
    return lines


def cells_phrase(summary: Summary) -> str:
    """How far a run is, as `31/75 cells`."""
    return f"{summary.n_common_cells}/{len(COMMON_CONDITIONS)} cells"


_LABELS: Mapping[str, str] = {
    "clean_error": "clean error",
    "mean_corruption_error": "mean corruption error",
    "mce": "mCE",
    "relative_mce": "relative mCE",
}
