"""Runs against a baseline: what changed, how sure it is, and a mark that says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.chance import chance_lines, is_run_near_chance
from robustbench_gnl.reports.comparison_rows import (
    CELL_COLUMNS,
    CELLS_TITLE,
    NUMBER_COLUMNS,
    cell_row,
    cell_texts,
    number_rows,
    number_texts,
    surely,
)
from robustbench_gnl.reports.comparison_words import (
    answer,
    fell_without_gain,
    notes_of,
    run_line,
    same_checkpoint_lines,
)
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.run_parts import reference_sentence
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import Comparison

CSV_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "baseline_run",
        "candidate_run",
        "reference",
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

    def title(self, one: Compared) -> str:
        return f"{one.name} against {self.baseline_name}"

    def answer(self, one: Compared) -> str:
        runs = ((self.baseline, self.baseline_name), (one.run, one.name))
        near_chance = [line for run, name in runs for line in chance_lines(run, name)]
        return " ".join([answer(one.name, self.baseline_name, one.comparison), *near_chance])

    def who(self, one: Compared) -> list[str]:
        """Which two runs, and whether they are of one file."""
        return [
            run_line("baseline", self.baseline),
            run_line("candidate", one.run),
            *same_checkpoint_lines(self.baseline, one.run),
        ]

    def notes(self, one: Compared) -> list[str]:
        return notes_of(one.comparison, self.protocol, self.reference)


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
                "same_checkpoint": one.run.model.checkpoint_sha256
                == report.baseline.model.checkpoint_sha256,
                "level": one.comparison.level,
                "n_cells": len(one.comparison.cells),
                "cells_left_out": [str(condition) for condition in one.comparison.left_out],
                "better": surely("better", one.comparison),
                "worse": surely("worse", one.comparison),
                "numbers": {
                    name: asdict(difference)
                    for name, difference in one.comparison.differences.items()
                },
                "cells": [cell_row(test) for test in one.comparison.cell_tests],
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
        "created_at": run.created_at,
        "near_chance": is_run_near_chance(run),
    }


def render_comparison(report: ComparisonReport, format: str, *, intervals: bool = True) -> str:
    """The comparison as json, csv, markdown or latex, without a final line break.

    csv has a row for each number and each cell, `kind` telling which.

    Args:
        intervals: Whether markdown and latex have a column of them.
    """
    if format == "json":
        return json_text(comparison_document(report))
    if format == "csv":
        return render(_csv_rows(report), CSV_COLUMNS, "csv")
    blocks = []
    columns = [one for one in NUMBER_COLUMNS if intervals or one.key != "interval"]
    for one in report.candidates:
        title, answer = report.title(one), report.answer(one)
        if format == "latex":  # a caption travels with its table
            reference = reference_sentence(report.reference)
            title = f"{title}, {report.protocol.name}: {answer} {reference}."
        rows = number_rows(one.comparison)
        no_gain = fell_without_gain(one.comparison)
        bold = {
            (i, "candidate" if row["mark"] == "better" else "baseline")
            for i, row in enumerate(rows)
            if row["mark"] in ("better", "worse") and row["key"] not in no_gain
        }
        texts = [number_texts(row) for row in rows]
        notes = [answer, *report.who(one), *report.notes(one)]
        blocks.append(render(texts, columns, format, title, bold=bold, notes=notes))
        blocks.append(render(cell_texts(one.comparison), CELL_COLUMNS, format, CELLS_TITLE))
    return "\n\n".join(blocks)


def _csv_rows(report: ComparisonReport) -> list[dict[str, Any]]:
    rows = []
    for one in report.candidates:
        who = {
            "baseline_run": report.baseline.id,
            "candidate_run": one.run.id,
            "reference": report.reference,
        }
        for row in number_rows(one.comparison):
            interval = row["interval"]
            ends = {"low": interval.low, "high": interval.high} if interval else {}
            rows.append({**who, **row, "kind": "number", **ends})
        rows += [
            {**who, **cell_row(test), "kind": "cell", "key": str(test.condition)}
            for test in one.comparison.cell_tests
        ]
    return rows


def comparison_parts(report: ComparisonReport, *, width: int) -> list[RenderableType]:
    """The comparison for a terminal of that width."""
    parts: list[RenderableType] = []
    for one in report.candidates:
        parts += [text_line()] if parts else []
        parts.append(text_line(report.title(one), style="bold"))
        parts.append(
            text_line(f"protocol {report.protocol.name} [{report.protocol.fingerprint[:8]}]")
        )
        parts += [text_line(line) for line in report.who(one)]
        parts += [text_line(report.answer(one)), text_line()]
        rows = [number_texts(row) for row in number_rows(one.comparison)]
        parts += rich_tables(rows, NUMBER_COLUMNS, width=width, n_fixed=1, section_by="section")
        cells = cell_texts(one.comparison)
        parts.append(text_line())
        parts += rich_tables(cells, CELL_COLUMNS, width=width, n_fixed=1, title=CELLS_TITLE)
        parts += [text_line(), *(text_line(note, style="dim") for note in report.notes(one))]
    return parts
