"""The minimum detectable increase by the number of images, for someone who plans a gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import SCHEMA_VERSION
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.formats import as_count, as_fraction_percent, as_percent
from robustbench_gnl.reports.run_parts import reference_sentence
from robustbench_gnl.reports.tables import DASH, Column, render
from robustbench_gnl.reports.terminal_tables import rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import PlannedChange, PlannedNumber

FEW_IMAGES = 100
"""Fewer do not estimate the standard deviation reliably."""
NAMES = {
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "error": "mean error, pp",
    "clean_error": "clean error, pp",
}


@dataclass(frozen=True)
class PlanReport:
    """What a number of images detects, planned from one run or two."""

    run_id: str
    model: str
    n_images: int
    """Those it is planned from."""
    against: str | None
    """The other run; None: its answers were assumed."""
    correlation: float
    alpha: float
    power: float
    sizes: tuple[int, ...]
    numbers: tuple[PlannedNumber, ...]
    changes: tuple[PlannedChange, ...]
    n_cells: int
    seconds: dict[int, float | None]
    """How long that many images take, by the pace of the run; None where it is not known."""
    reference: str
    minutes: float | None = None
    """A time that was asked for."""
    n_images_in_time: int | None = None
    """How many images are evaluated in it."""


def plan_document(report: PlanReport) -> dict[str, Any]:
    """The plan as JSON: fractions for errors, percents for mCE."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run_id,
        "model": report.model,
        "against": report.against,
        "planned_from_n_images": report.n_images,
        "correlation": None if report.against else report.correlation,
        "alpha": report.alpha,
        "power": report.power,
        "n_cells": report.n_cells,
        "reference": report.reference,
        "numbers": [
            {
                "number": number.name,
                "unit": number.unit,
                "n_cells": number.n_cells,
                "sd": number.sd,
                "detectable": [
                    {"n_images": n, "change": change} for n, change in number.detectable.items()
                ],
            }
            for number in report.numbers
        ],
        "seconds": [{"n_images": n, "seconds": s} for n, s in report.seconds.items()],
        "minutes": report.minutes,
        "n_images_in_minutes": report.n_images_in_time,
        "changes": [
            {"change": one.rule.text, "sd": one.sd, "n_images": one.n_images}
            for one in report.changes
        ],
    }


def render_plan(report: PlanReport, format: str) -> str:
    """The plan as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json_text(plan_document(report))
    if format == "csv":
        return render(_csv_rows(report), CSV_COLUMNS, "csv")
    notes = [*change_lines(report), *notes_of(report)]
    return render(_rows(report), _columns(report), format, _title(report), notes=notes)


def plan_parts(report: PlanReport, *, width: int) -> list[RenderableType]:
    """The plan for a terminal of that width."""
    return [
        text_line(_title(report), style="bold"),
        *rich_tables(_rows(report), _columns(report), width=width, n_fixed=1),
        text_line(),
        *(text_line(line) for line in change_lines(report)),
        *(text_line(note, style="dim") for note in notes_of(report)),
    ]


def _title(report: PlanReport) -> str:
    return f"Minimum detectable increase with {_power(report)}, by the number of images"


def _power(report: PlanReport) -> str:
    return f"{100 * report.power:g} % power"


def change_lines(report: PlanReport) -> list[str]:
    """The answers to `--minutes` and `--change`."""
    lines = []
    if report.minutes is not None and report.n_images_in_time is not None:
        lines.append(
            f"{as_count(report.n_images_in_time)} images are evaluated in {report.minutes:g} "
            f"{'minute' if report.minutes == 1 else 'minutes'} at the pace of {report.model}"
        )
    for one in report.changes:
        increase = one.rule.text.partition(":")[2].strip().removeprefix("+")
        lines.append(
            f"an increase of {increase} in {one.rule.field_text} is detected with "
            f"{_power(report)} by {as_count(one.n_images)} images"
        )
    return lines


def notes_of(report: PlanReport) -> list[str]:
    """What the figures are computed from."""
    if report.against is not None:
        basis = f"from the differences of {report.model} and {report.against}, image by image"
    else:
        basis = (
            f"from {report.model} alone, assuming that its errors and those of the other run have "
            f"a correlation of {report.correlation:g}"
            + ("; conservative: real pairs need fewer images" if not report.correlation else "")
        )
    time = (
        f"time by the pace of {report.model}"
        if all(seconds is not None for seconds in report.seconds.values())
        else f"{report.model} does not say how long it took, so no time is given"
    )
    notes = [
        _what_detected_means(report),
        basis,
        f"one-sided paired test at level {report.alpha:g}; {report.n_cells} cells an image; "
        f"{time}; {reference_sentence(report.reference)}",
    ]
    if report.n_images < FEW_IMAGES:
        notes.append(f"planned from {report.n_images} images only, too few for a reliable estimate")
    return notes


def _what_detected_means(report: PlanReport) -> str:
    """A rule fails a rise of just what it allows half the time: the estimate is as often below."""
    text = "detected: significantly above 0, as by a rule that allows no increase (mCE:+0)"
    if not report.changes:
        return text
    rules = ", ".join(one.rule.text for one in report.changes)
    gate = f"the rule {rules} fails" if len(report.changes) == 1 else f"the rules {rules} fail"
    return f"{text}; {gate} such an increase one time in two at most"


def _columns(report: PlanReport) -> list[Column]:
    return [
        Column("number", "images", "left"),
        *(Column(f"images_{n}", as_count(n)) for n in report.sizes),
    ]


def _rows(report: PlanReport) -> Sequence[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in report.numbers:
        format = as_percent if number.unit == "percent" else as_fraction_percent
        changes = {f"images_{n}": format(change) for n, change in number.detectable.items()}
        rows.append({"number": NAMES[number.name], **changes})
    minutes = {f"images_{n}": _time(seconds) for n, seconds in report.seconds.items()}
    return [*rows, {"number": "time", **minutes}]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return DASH
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _csv_rows(report: PlanReport) -> list[dict[str, Any]]:
    return [
        {
            "number": number.name,
            "unit": number.unit,
            "n_images": n,
            "detectable": change,
            "sd": number.sd,
            "seconds": report.seconds[n],
            "reference": report.reference,
        }
        for number in report.numbers
        for n, change in number.detectable.items()
    ]


CSV_COLUMNS = tuple(
    Column(key, key)
    for key in ("number", "unit", "n_images", "detectable", "sd", "seconds", "reference")
)
