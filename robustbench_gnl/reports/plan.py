"""The report of a plan: the minimum detectable increase by number of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics import UNITS, metric_id
from robustbench_gnl.metrics.quantities import ERROR
from robustbench_gnl.records import SCHEMA_VERSION
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Heading,
    Notes,
    Records,
    Row,
    Table,
)
from robustbench_gnl.reports.formatting import as_count, as_share, or_dash
from robustbench_gnl.reports.sentences import reference_sentences
from robustbench_gnl.suites import DEFAULT_SUITE
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import PlannedChange, PlannedNumber

FEW_IMAGES = 100
"""Fewer images do not give a reliable estimate of the standard deviation."""
RECORD_COLUMNS = ("number", "unit", "n_images", "detectable", "sd", "seconds", "reference")


@dataclass(frozen=True)
class PlanReport:
    """Minimum detectable increases, estimated from one or two runs."""

    run_id: str
    model: str
    n_images: int
    """Number of images of these runs."""
    against: str | None
    """The second run; None: a correlation was assumed instead."""
    correlation: float
    alpha: float
    power: float
    sizes: tuple[int, ...]
    numbers: tuple[PlannedNumber, ...]
    changes: tuple[PlannedChange, ...]
    n_cells: int
    seconds: dict[int, float | None]
    """Evaluation time by number of images, at the speed of the run; None if it is unknown."""
    reference: str
    minutes: float | None = None
    """The time limit that was given."""
    n_images_in_time: int | None = None
    """How many images can be evaluated within it."""


def plan_document(plan: PlanReport) -> Document:
    """The report; raw errors are fractions and raw mCEs percentages."""
    title = f"Minimum detectable increase with {_power(plan)}, by the number of images"
    columns = (
        Column("number", "images", "left", is_key=True),
        *(Column(f"images_{n}", as_count(n)) for n in plan.sizes),
    )
    changes = change_lines(plan)
    blocks: tuple[Block, ...] = (
        Heading(title),
        Table(columns, tuple(_rows(plan)), caption=title),
        *([Notes(tuple(changes))] if changes else []),
        Notes(tuple(notes_of(plan)), is_aside=True),
    )
    return Document(title, blocks, _data(plan), _records(plan))


def _data(plan: PlanReport) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": plan.run_id,
        "model": plan.model,
        "against": plan.against,
        "planned_from_n_images": plan.n_images,
        "correlation": None if plan.against else plan.correlation,
        "alpha": plan.alpha,
        "power": plan.power,
        "n_cells": plan.n_cells,
        "reference": plan.reference,
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
            for number in plan.numbers
        ],
        "seconds": [{"n_images": n, "seconds": s} for n, s in plan.seconds.items()],
        "minutes": plan.minutes,
        "n_images_in_minutes": plan.n_images_in_time,
        "changes": [
            {"change": one.rule.text, "sd": one.sd, "n_images": one.n_images}
            for one in plan.changes
        ],
    }


def _records(plan: PlanReport) -> Records:
    rows = [
        {
            "number": number.name,
            "unit": number.unit,
            "n_images": n,
            "detectable": change,
            "sd": number.sd,
            "seconds": plan.seconds[n],
            "reference": plan.reference,
        }
        for number in plan.numbers
        for n, change in number.detectable.items()
    ]
    return Records(RECORD_COLUMNS, rows)


def _rows(plan: PlanReport) -> list[Row]:
    rows: list[Row] = []
    for number in plan.numbers:
        format, metric = UNITS[number.unit].number, metric_id(number.name, DEFAULT_SUITE).metric
        changes = {f"images_{n}": format(one) for n, one in number.detectable.items()}
        rows.append({"number": metric.change_title, **changes})
    times = {f"images_{n}": or_dash(seconds, _time) for n, seconds in plan.seconds.items()}
    return [*rows, {"number": "time", **times}]


def _time(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _power(plan: PlanReport) -> str:
    return f"{as_share(plan.power)} power"


def change_lines(plan: PlanReport) -> list[str]:
    """Sentences about `--minutes` and `--change`."""
    lines = []
    if plan.minutes is not None and plan.n_images_in_time is not None:
        lines.append(
            f"{as_count(plan.n_images_in_time)} images are evaluated in {plan.minutes:g} "
            f"{'minute' if plan.minutes == 1 else 'minutes'} at the speed of {plan.model}"
        )
    for one in plan.changes:
        # A rule names what it allows; a plan detects it as an increase.
        increase = one.rule.text.partition(":")[2].strip().removeprefix("+")
        lines.append(
            f"an increase of {increase} in {one.rule.subject_text} is detected with "
            f"{_power(plan)} by {counted(one.n_images, 'image')}"
        )
    return lines


def notes_of(plan: PlanReport) -> list[str]:
    """Notes on how the plan was computed."""
    if plan.against is not None:
        basis = f"from the differences of {plan.model} and {plan.against}, image by image"
    else:
        basis = (
            f"from {plan.model} alone, assuming that its errors and those of the other run have "
            f"a correlation of {plan.correlation:g}"
            + ("; conservative: real pairs need fewer images" if not plan.correlation else "")
        )
    time = (
        f"time at the speed of {plan.model}"
        if all(seconds is not None for seconds in plan.seconds.values())
        else f"{plan.model} does not say how long it took, so no time is given"
    )
    how = (
        f"one-sided paired test at level {plan.alpha:g}",
        f"{counted(plan.n_cells, 'cell')} per image",
        time,
        *reference_sentences(plan.reference),
    )
    notes = [_meaning_of_detected(plan), basis, "; ".join(how)]
    if plan.n_images < FEW_IMAGES:
        notes.append(
            f"planned from {counted(plan.n_images, 'image')} only, too few for a reliable estimate"
        )
    return notes


def _meaning_of_detected(plan: PlanReport) -> str:
    """What detecting means, and how often a rule fails for an increase of just what it allows."""
    first = metric_id(plan.numbers[0].name, DEFAULT_SUITE).metric
    rule = f"{first.rule or ERROR.rule}:+0{first.unit.rule_unit}"
    text = f"detected: significantly above 0, as by a rule that allows no increase ({rule})"
    if not plan.changes:
        return text
    rules = ", ".join(one.rule.text for one in plan.changes)
    gate = f"the rule {rules} fails" if len(plan.changes) == 1 else f"the rules {rules} fail"
    return f"{text}; {gate} for such an increase in at most half of the cases"
