"""Runs against a baseline: what changed, how sure it is, and a mark that says so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_number,
    as_p_value,
    as_percent,
    as_share,
    as_signed,
)
from robustbench_gnl.reports.run_parts import warning_lines
from robustbench_gnl.reports.tables import Column, Row, render, rich_tables

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import CellTest, Comparison, Difference

OVERALL = {
    "clean_error": "clean error %",
    "mean_corruption_error": "mean corruption error %",
    "mean_error_19": "mean error over 19 %",
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "robustness_gap": "error lost to corruption %",
    "clean_top5_error": "clean top-5 error %",
    "mean_top5_error": "mean top-5 error %",
    "clean_negative_log_likelihood": "clean log likelihood, -nats",
    "mean_negative_log_likelihood": "mean log likelihood, -nats",
    "clean_calibration_error": "clean calibration error %",
    "mean_calibration_error": "mean calibration error %",
}
"""The numbers of a whole run, as a table calls them."""


@dataclass(frozen=True)
class Compared:
    """A candidate, and how it compares with the baseline."""

    name: str
    run: Run
    comparison: Comparison


@dataclass(frozen=True)
class ComparisonReport:
    """Candidates against one baseline."""

    baseline_name: str
    baseline: Run
    candidates: tuple[Compared, ...]
    reference: str
    """Whose errors CE divides by."""

    @property
    def protocol(self) -> Protocol:
        return self.baseline.protocol


def comparison_document(report: ComparisonReport) -> dict[str, Any]:
    """The comparison as JSON: raw numbers; a difference is candidate less baseline."""
    return {
        "schema_version": SCHEMA_VERSION,
        "protocol": {"name": report.protocol.name, "fingerprint": report.protocol.fingerprint},
        "n_images": report.protocol.n_images,
        "reference": report.reference,
        "baseline": _who(report.baseline_name, report.baseline),
        "comparisons": [
            {
                "candidate": _who(one.name, one.run),
                "level": one.comparison.level,
                "n_cells": len(one.comparison.cells),
                "cells_left_out": [str(condition) for condition in one.comparison.left_out],
                "numbers": {
                    name: asdict(difference)
                    for name, difference in one.comparison.differences.items()
                },
                "cells": [_cell_row(test) for test in one.comparison.cell_tests],
            }
            for one in report.candidates
        ],
    }


def _who(name: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "run_id": run.id,
        "model": run.model.name,
        "checkpoint_sha256": run.model.checkpoint_sha256,
        "tags": list(run.tags),
    }


def _cell_row(test: CellTest) -> dict[str, Any]:
    return {
        "corruption": test.condition.corruption,
        "severity": test.condition.severity,
        "baseline": test.baseline,
        "candidate": test.candidate,
        "difference": test.candidate - test.baseline,
        "only_baseline_wrong": test.only_baseline,
        "only_candidate_wrong": test.only_candidate,
        "p_value": test.p_value,
        "p_holm": test.p_holm,
        "mark": test.mark,
    }


def render_comparison(report: ComparisonReport, format: str) -> str:
    """The comparison as json, csv, markdown or latex, without a final line break.

    csv has a row for each number and each cell, `kind` telling which.
    """
    if format == "json":
        return json.dumps(comparison_document(report), indent=2)
    if format == "csv":
        return render(_csv_rows(report), CSV_COLUMNS, "csv")
    blocks = []
    for one in report.candidates:
        rows = number_rows(one.comparison)
        title = f"{one.name} against {report.baseline_name}"
        if format == "latex":  # a caption travels with its table
            title = f"{title}, {report.protocol.name}: {sentence(report, one)}"
        bold = {
            (i, "candidate" if row["mark"] == "better" else "baseline")
            for i, row in enumerate(rows)
            if row["mark"] != "~"
        }
        texts = [_as_texts(row) for row in rows]
        notes = [sentence(report, one), *notes_of(report, one)]
        blocks.append(render(texts, NUMBER_COLUMNS, format, title, bold=bold, notes=notes))
        blocks.append(render(cell_table(one.comparison), CELL_COLUMNS, format, CELLS_TITLE))
    return "\n\n".join(blocks)


def comparison_parts(report: ComparisonReport, *, width: int) -> list[RenderableType]:
    """The comparison for a terminal of that width."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for one in report.candidates:
        parts += [Text()] if parts else []
        parts.append(Text(f"{one.name} against {report.baseline_name}", style="bold"))
        parts.append(Text(f"protocol {report.protocol.name} [{report.protocol.fingerprint[:8]}]"))
        parts += [Text(sentence(report, one)), Text()]
        rows = [_as_texts(row) for row in number_rows(one.comparison)]
        parts += rich_tables(rows, NUMBER_COLUMNS, width=width, n_fixed=1, section_by="section")
        parts += [Text(), *rich_tables(
            cell_table(one.comparison), CELL_COLUMNS, width=width, n_fixed=1, title=CELLS_TITLE
        )]  # fmt: skip
        parts += [Text(), *(Text(note, style="dim") for note in notes_of(report, one))]
    return parts


def sentence(report: ComparisonReport, one: Compared) -> str:
    """The answer in one sentence, by mCE, or by the mean error of what was run."""
    found = one.comparison.differences
    for key, label, format in (
        ("mce", "mCE", as_percent),
        ("mean_corruption_error", "mean corruption error", as_fraction_percent),
    ):
        if key in found:
            return _verdict(one.name, report.baseline_name, found[key], label, format)
    return "The runs share too few cells for an mCE; see the corruptions one by one."


def _verdict(name: str, baseline: str, found: Difference, label: str, format: Any) -> str:
    how = {
        "better": f"{name} is better than {baseline}",
        "worse": f"{name} is worse than {baseline}",
        "~": f"{name} and {baseline} cannot be told apart",
    }[found.mark]
    signed = as_signed(format)
    ends = f" ({as_interval(signed)(found.interval)})" if found.interval else ""
    return (
        f"{how}: {label} {format(found.candidate)} against {format(found.baseline)}, "
        f"{signed(found.difference)}{ends}."
    )


def notes_of(report: ComparisonReport, one: Compared) -> list[str]:
    """How to read the tables."""
    comparison = one.comparison
    tests = comparison.cell_tests
    share = as_share(comparison.level)
    notes = [
        f"{as_count(report.protocol.n_images)} images, {len(comparison.cells)} cells; difference "
        f"is candidate less baseline, with its paired {share} interval",
        "better, worse: the interval leaves out 0; ~: inside the noise",
        f"cells: McNemar's exact test, with Holm's correction for {len(tests)} cells at "
        f"{as_share(1 - comparison.level)}",
        f"CE divides by the errors of {report.reference}",
    ]
    clean = next((test for test in tests if test.condition.is_clean), None)
    if clean is not None:
        notes.append(f"of the clean cell p is {as_p_value(clean.p_holm)}")
    if comparison.left_out:
        notes.append(f"{len(comparison.left_out)} cells that only one of the runs has are left out")
    reasons = {one.reason for one in comparison.differences.values() if one.reason}
    notes += [f"no interval of top-5, likelihood and calibration: {r}" for r in sorted(reasons)]
    return [*notes, *warning_lines(report.protocol)]


def number_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each number: the whole run, the groups, the corruptions."""
    sections = [("overall", OVERALL)]
    groups = {f"groups.{group}": f"{group} CE" for group in GROUPS}
    names = {
        f"corruptions.{name}.{key}": name + (" CE" if key == "ce" else " error %")
        for name in corruptions.names("all")
        for key in ("ce" if f"corruptions.{name}.ce" in comparison.differences else "error",)
    }
    sections += [("groups", groups), ("corruptions", names)]
    return [
        {
            "section": section,
            "key": key,
            "number": label,
            **asdict(comparison.differences[key]),
            "interval": comparison.differences[key].interval,
            "format": _format_of(key),
        }
        for section, labels in sections
        for key, label in labels.items()
        if key in comparison.differences
    ]


def _format_of(key: str) -> Any:
    if key.endswith("negative_log_likelihood"):
        return as_number
    is_percent = key.endswith(("mce", ".ce")) or key.startswith("groups.")
    return as_percent if is_percent else as_fraction_percent


def _as_texts(row: Row) -> dict[str, Any]:
    """The numbers of a row as people see them, each in its own unit."""
    format = row["format"]
    signed = as_signed(format)
    interval = row["interval"]
    return {
        **row,
        "baseline": format(row["baseline"]),
        "candidate": format(row["candidate"]),
        "difference": signed(row["difference"]),
        "interval": as_interval(signed)(interval) if interval is not None else None,
    }


def cell_table(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each corruption, the cells by severity."""
    rows: dict[str, dict[str, Any]] = {}
    for test in comparison.cell_tests:
        if test.condition.is_clean:
            continue  # It stands among the numbers, and its p in the notes.
        name = test.condition.corruption
        row = rows.setdefault(name, {"corruption": name})
        difference = as_signed(as_fraction_percent)(test.candidate - test.baseline)
        row[f"severity_{test.condition.severity}"] = f"{difference} {test.mark}"
        row["p_holm"] = min(row.get("p_holm", 1.0), test.p_holm)
    return list(rows.values())


def _csv_rows(report: ComparisonReport) -> list[dict[str, Any]]:
    rows = []
    for one in report.candidates:
        who = {"baseline_run": report.baseline.id, "candidate_run": one.run.id}
        for row in number_rows(one.comparison):
            interval = row["interval"]
            rows.append(
                {
                    **who,
                    **row,
                    "kind": "number",
                    "low": interval and interval.low,
                    "high": interval and interval.high,
                }
            )
        rows += [
            {**who, **_cell_row(test), "kind": "cell", "key": str(test.condition)}
            for test in one.comparison.cell_tests
        ]
    return rows


CELLS_TITLE = "Difference of the error by severity, percentage points"
NUMBER_COLUMNS = (
    Column("number", "", "left"),
    Column("baseline", "baseline"),
    Column("candidate", "candidate"),
    Column("difference", "difference"),
    Column("interval", "interval"),
    Column("mark", "", "left"),
)
CELL_COLUMNS = (
    Column("corruption", "corruption", "left"),
    *(Column(f"severity_{severity}", str(severity), "left") for severity in corruptions.SEVERITIES),
    Column("p_holm", "smallest p", format=as_p_value, droppable="p"),
)
CSV_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "baseline_run",
        "candidate_run",
        "kind",
        "key",
        "baseline",
        "candidate",
        "difference",
        "low",
        "high",
        "n_differing",
        "only_baseline_wrong",
        "only_candidate_wrong",
        "p_value",
        "p_holm",
        "mark",
    )
)
