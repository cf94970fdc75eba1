"""What reports of one run show beyond its cells: intervals, calibration, the worst sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import Interval, Summary, worst_corruption
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_number,
    as_percent,
    as_share,
    joint_of,
)

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

KINDS = ("top5_error", "negative_log_likelihood", "calibration_error")
"""Numbers that every condition has besides its top-1 error."""

FURTHER: Mapping[str, tuple[str, Any]] = {
    "robustness_gap": (
        "robustness gap (mean corruption error less clean error), %",
        as_fraction_percent,
    ),
    "clean_top5_error": ("clean top-5 error, %", as_fraction_percent),
    "mean_top5_error": ("mean top-5 error over the 15, %", as_fraction_percent),
    "clean_negative_log_likelihood": ("clean negative log likelihood, nats", as_number),
    "mean_negative_log_likelihood": (
        "mean negative log likelihood over the 15, nats",
        as_number,
    ),
    "clean_calibration_error": (
        "clean expected calibration error (15 bins), %",
        as_fraction_percent,
    ),
    "mean_calibration_error": (
        "mean expected calibration error over the 15, %",
        as_fraction_percent,
    ),
    "effective_robustness": ("effective robustness, points of mCE below the line", as_percent),
}
"""Numbers below the headline: label with unit, and how people see it."""


def further_document(details: RunStatistics, summary: Summary) -> dict[str, Any]:
    """The further numbers of a run, with the intervals of all of them."""
    numbers = details.numbers
    return {
        **{name: numbers.values.get(name) for name in FURTHER},
        "effective_robustness_line": str(details.trend) if details.trend else None,
        "worst_corruption": named_worst(summary),
        "worst_class": asdict(details.worst_class) if details.worst_class else None,
        "intervals": {name: asdict(interval) for name, interval in numbers.intervals.items()},
        "interval_reasons": dict(numbers.reasons),
        "remarks": dict(details.remarks),
    }


def further_reasons(details: RunStatistics, summary: Summary) -> dict[str, str]:
    """Why a further number is not there."""
    why = summary.reasons.get("mean_corruption_error")
    return {**details.reasons, **({"worst_corruption": why} if why else {})}


def named_worst(summary: Summary) -> str | None:
    """The worst corruption, where all 15 are complete: another may hide among the missing."""
    return worst_corruption(summary) if summary.is_complete else None


def kinds_of(details: RunStatistics, name: str) -> dict[str, Any]:
    """The further numbers of one corruption: means over its severities."""
    return {kind: details.numbers.values.get(f"corruptions.{name}.{kind}") for kind in KINDS}


def further_of_corruption(details: RunStatistics, name: str) -> dict[str, Any]:
    """The same, and each severity's."""
    return kinds_of(details, name) | {
        f"{kind}_severities": [
            details.numbers.values.get(f"corruptions.{name}.severities.{severity}.{kind}")
            for severity in corruptions.SEVERITIES
        ]
        for kind in KINDS
    }


def joint_below(details: RunStatistics) -> str:
    """What stands between the ends of all intervals below the table."""
    return joint_of(one for name, one in details.numbers.intervals.items() if "." not in name)


def behind(interval: Interval | None, format: Any, joint: str) -> str:
    """` (58.10-61.20)`, what stands behind a number; empty where there is no interval."""
    return "" if interval is None else f" ({as_interval(format, joint)(interval)})"


def further_lines(details: RunStatistics, summary: Summary) -> list[str]:
    """The further numbers, one a line, and what the intervals are."""
    numbers, joint = details.numbers, joint_below(details)
    lines = [
        f"{label}: {format(numbers.values[name])}"
        f"{behind(numbers.intervals.get(name), format, joint)}"
        f"{'; ' + details.remarks[name] if name in details.remarks else ''}"
        for name, (label, format) in FURTHER.items()
        if name in numbers.values
    ]
    worst = named_worst(summary)
    if worst is not None:
        lines.append(f"worst corruption: {worst}")
    if details.worst_class is not None:
        one = details.worst_class
        lines.append(
            f"worst class: {one.name}, mean error {as_fraction_percent(one.error)} % of "
            f"{as_count(one.n_images)} images"
        )
    return lines


def interval_lines(details: RunStatistics) -> list[str]:
    """What the intervals are, and why a number has none."""
    lines = []
    if details.numbers.intervals:
        lines.append(
            f"in brackets: {as_share(details.level)} intervals: Wilson's of the clean error and "
            "clean top-5 error; of mean top-5 error, likelihood and calibration by leaving out "
            "blocks of images; of all others by resampling the images"
        )
    reach = _reach_of_cells(details)
    if reach is not None:
        lines.append(
            f"the error of a single cell has a {as_share(details.level)} interval (Wilson's) that "
            f"reaches {as_fraction_percent(reach)} points to a side at most; csv and json have each"
        )
    by_reason: dict[str, list[str]] = {}
    for name, reason in details.numbers.reasons.items():
        if "." not in name:  # of the whole run, not of a corruption
            by_reason.setdefault(reason, []).append(_label_of(name))
    lines += [f"no interval of {', '.join(names)}: {why}" for why, names in by_reason.items()]
    why = details.reasons.get("effective_robustness")
    if why is not None and {"mce", "clean_error"} <= set(details.numbers.values):
        lines.append(f"no effective robustness: {why}")
    if details.trend is not None:
        lines.append(f"the line of effective robustness: {details.trend}")
    return lines


def interval_of_cell(details: RunStatistics, corruption: str, severity: int) -> Interval | None:
    """Of the error at one severity."""
    return details.numbers.intervals.get(f"corruptions.{corruption}.severities.{severity}")


def _reach_of_cells(details: RunStatistics) -> float | None:
    """How far the end of an interval of one corrupted cell is from its error, at most."""
    values = details.numbers.values
    found = (
        (values.get(f"corruptions.{name}.severities.{severity}"), interval)
        for name in corruptions.names("all")
        for severity in corruptions.SEVERITIES
        if (interval := interval_of_cell(details, name, severity)) is not None
    )
    reaches = [max(v - one.low, one.high - v) for v, one in found if v is not None]
    return max(reaches, default=None)


def _label_of(name: str) -> str:
    """What people call a number, without its unit."""
    if name in FURTHER:
        return FURTHER[name][0].rsplit(", ", 1)[0]
    return name.replace("_", " ")
