"""The result of a gate: its table and its documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.gate_rows import (
    CSV_COLUMNS,
    columns_of,
    verdict_row,
    verdict_texts,
)
from robustbench_gnl.reports.gate_words import has_ratios, headline, notes_of
from robustbench_gnl.reports.run_parts import reference_sentence
from robustbench_gnl.reports.tables import render
from robustbench_gnl.reports.terminal_tables import rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import Verdict
    from robustbench_gnl.statistics.gate import Status


@dataclass(frozen=True)
class GateReport:
    """Rules tested on a run, and on its baseline if there is one."""

    name: str
    run: Run
    baseline_name: str | None
    baseline: Run | None
    """None where every rule is a limit."""
    verdicts: tuple[Verdict, ...]
    alpha: float
    strict: bool
    reference: str
    """Whose errors CE divides by."""
    answers_alike: bool
    """Whether the two runs are right and wrong on the same images everywhere."""
    left_out: tuple[str, ...] = ()
    """Cells that only one of the runs has, where they were to be left out."""
    plan_words: tuple[str, ...] = ("gnlbench", "plan")
    """The command that plans from these two runs."""
    fail_inconclusive: bool = False
    """Whether an inconclusive rule is no pass."""

    @property
    def is_the_baseline(self) -> bool:
        """Whether both are one run, as a first release and its baseline may be."""
        return self.baseline is not None and self.run.id == self.baseline.id

    @property
    def same_checkpoint(self) -> bool:
        checkpoint = self.run.model.checkpoint_sha256
        return self.baseline is not None and checkpoint == self.baseline.model.checkpoint_sha256

    @property
    def has_limits(self) -> bool:
        return any(verdict.rule.is_limit for verdict in self.verdicts)

    def count(self, status: Status) -> int:
        """How many rules have that verdict."""
        return sum(verdict.status == status for verdict in self.verdicts)

    @property
    def status(self) -> Status:
        """A failed rule counts before an inconclusive one."""
        if self.count("failed"):
            return "failed"
        return "inconclusive" if self.count("inconclusive") else "passed"

    @property
    def passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.status == "passed" or (
            self.status == "inconclusive" and not self.fail_inconclusive
        )

    @property
    def protocol(self) -> Protocol:
        return self.run.protocol


def gate_document(report: GateReport) -> dict[str, Any]:
    """The gate as JSON: raw numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "passed": report.passed,
        "alpha": report.alpha,
        "strict": report.strict,
        "run": {"name": report.name, "run_id": report.run.id},
        "baseline": report.baseline
        and {"name": report.baseline_name, "run_id": report.baseline.id},
        "protocol": {"name": report.protocol.name, "fingerprint": report.protocol.fingerprint},
        "n_images": report.protocol.n_images,
        "reference": report.reference,
        "same_checkpoint": report.same_checkpoint,
        "cells_left_out": list(report.left_out),
        "rules": [verdict_row(verdict) for verdict in report.verdicts],
        "notes": notes_of(report),
        "verdict": report.status,
        "fail_inconclusive": report.fail_inconclusive,
    }


def render_gate(report: GateReport, format: str) -> str:
    """The gate as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json_text(gate_document(report))
    if format == "csv":
        both = {"reference": report.reference, "same_checkpoint": report.same_checkpoint}
        raw = [{**verdict_row(verdict), **both} for verdict in report.verdicts]
        return render(raw, CSV_COLUMNS, "csv")
    rows = [verdict_texts(verdict) for verdict in report.verdicts]
    columns = columns_of(report.verdicts, strict=report.strict)
    title = headline(report)
    if format == "latex" and has_ratios(report):  # a caption travels with its table
        title = f"{title}. {reference_sentence(report.reference)}"
    return render(rows, columns, format, title, notes=notes_of(report))


def gate_parts(report: GateReport, *, width: int) -> list[RenderableType]:
    """The gate for a terminal of that width."""
    rows = [verdict_texts(verdict) for verdict in report.verdicts]
    columns = columns_of(report.verdicts, strict=report.strict)
    return [
        text_line(headline(report), style=f"bold {_colour(report)}"),
        text_line(),
        *rich_tables(rows, columns, width=width, n_fixed=1),
        text_line(),
        *(text_line(note) for note in notes_of(report)),
    ]


def _colour(report: GateReport) -> str:
    return {"failed": "red", "inconclusive": "yellow", "passed": "green"}[report.status]
