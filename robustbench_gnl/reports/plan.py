"""What a number of images can show, for someone who chooses how long a gate may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import SCHEMA_VERSION
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.formats import as_count, as_fraction_percent, as_percent
from robustbench_gnl.reports.run_parts import reference_sentence
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import PlannedChange, PlannedNumber

FEW_IMAGES = 100
"""Fewer say little of how scores spread."""
NAMES = {
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "error": "mean error, pp",
    "clean_error": "clean error, pp",
}


@dataclass(frozen=True)
class PlanReport:
    """What images can show, from one run or two."""

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
    seconds: dict[int, float]
    """What that many images took, by the pace of the run."""
    reference: str


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
    return f"The smallest rise that is seen {_times(report.power)}, by the number of images"


def _times(power: float) -> str:
    return "4 times in 5" if power == 0.8 else f"in {100 * power:g} % of the cases"


def change_lines(report: PlanReport) -> list[str]:
    """The answers to `--change`."""
    lines = []
    for one in report.changes:
        name, _, rise = one.rule.text.partition(":")
        lines.append(
            f"a rise of {rise.strip()} in {name} is seen {_times(report.power)} with "
            f"{as_count(one.n_images)} images"
        )
    return lines


def notes_of(report: PlanReport) -> list[str]:
    """What the figures stand on."""
    if report.against is not None:
        basis = f"from how {report.model} and {report.against} differ, image by image"
    else:
        basis = (
            f"from {report.model} alone, as if the other run's answers went with its own by a "
            f"correlation of {report.correlation:g}"
            + ("; cautious: real pairs need fewer images" if not report.correlation else "")
        )
    notes = [
        _what_seen_means(report),
        basis,
        f"one-sided paired test at {report.alpha:g}; {report.n_cells} cells an image; "
        f"time by the pace of {report.model}; {reference_sentence(report.reference)}",
    ]
    if report.n_images < FEW_IMAGES:
        notes.append(
            f"planned from {report.n_images} images only, which is thin ground: expect other "
            "figures from other images"
        )
    return notes


def _what_seen_means(report: PlanReport) -> str:
    """A rule fails a rise of just what it allows half the time: the estimate is as often below."""
    text = "seen: told from noise, as a gate that allows +0 does (such as mCE:+0)"
    if not report.changes:
        return text
    rules = ", ".join(one.rule.text for one in report.changes)
    gate = f"a gate with the rule {rules}" if len(report.changes) == 1 else f"gates with {rules}"
    verb = "fails" if len(report.changes) == 1 else "fail"
    return f"{text}; {gate} {verb} such a rise one time in two at most"


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


def _time(seconds: float) -> str:
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
