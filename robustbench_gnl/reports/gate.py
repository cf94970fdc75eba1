"""What a gate found: a table, JSON, JUnit XML and the sentences that someone decides by."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.formats import as_count
from robustbench_gnl.reports.gate_rows import (
    CSV_COLUMNS,
    columns_of,
    inside_noise,
    name_of,
    sentence,
    unit_of,
    verdict_row,
    verdict_texts,
)
from robustbench_gnl.reports.run_parts import reference_sentence, warning_lines
from robustbench_gnl.reports.tables import render, rich_tables
from robustbench_gnl.statistics.rules import RATIOS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import Verdict


@dataclass(frozen=True)
class GateReport:
    """Rules held against a run and its baseline."""

    name: str
    run: Run
    baseline_name: str
    baseline: Run
    verdicts: tuple[Verdict, ...]
    alpha: float
    strict: bool
    reference: str
    """Whose errors CE divides by."""
    answers_alike: bool
    """Whether the two runs are right and wrong on the same images everywhere."""
    left_out: tuple[str, ...] = ()
    """Cells that only one of the runs has, where they were to be left out."""

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def protocol(self) -> Protocol:
        return self.baseline.protocol


def gate_document(report: GateReport) -> dict[str, Any]:
    """The gate as JSON: raw numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "passed": report.passed,
        "alpha": report.alpha,
        "strict": report.strict,
        "run": {"name": report.name, "run_id": report.run.id},
        "baseline": {"name": report.baseline_name, "run_id": report.baseline.id},
        "protocol": {"name": report.protocol.name, "fingerprint": report.protocol.fingerprint},
        "n_images": report.protocol.n_images,
        "reference": report.reference,
        "cells_left_out": list(report.left_out),
        "rules": [verdict_row(verdict) for verdict in report.verdicts],
        "notes": notes_of(report),
    }


def render_gate(report: GateReport, format: str) -> str:
    """The gate as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json.dumps(gate_document(report), indent=2)
    if format == "csv":
        raw = [
            {**verdict_row(verdict), "reference": report.reference} for verdict in report.verdicts
        ]
        return render(raw, CSV_COLUMNS, "csv")
    rows = [verdict_texts(verdict) for verdict in report.verdicts]
    columns = columns_of(len(rows))
    return render(rows, columns, format, headline(report), notes=notes_of(report))


def gate_parts(report: GateReport, *, width: int) -> list[RenderableType]:
    """The gate for a terminal of that width."""
    from rich.text import Text

    rows = [verdict_texts(verdict) for verdict in report.verdicts]
    return [
        Text(headline(report), style="bold green" if report.passed else "bold red"),
        Text(),
        *rich_tables(rows, columns_of(len(rows)), width=width, n_fixed=1),
        Text(),
        *(Text(note) for note in notes_of(report)),
    ]


def junit_xml(report: GateReport) -> str:
    """One test case a rule, as CI servers read it."""
    failed = [verdict for verdict in report.verdicts if not verdict.passed]
    counts = {"tests": str(len(report.verdicts)), "failures": str(len(failed)), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    name = _xml_text(f"{report.name} against {report.baseline_name}")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for verdict in report.verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "gnlbench.check", "name": verdict.rule.text}
        )
        text = sentence(verdict, strict=report.strict)
        if not verdict.passed:
            ElementTree.SubElement(case, "failure", {"type": "regression", "message": text})
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


_NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def _xml_text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def headline(report: GateReport) -> str:
    """The answer."""
    n_rules = len(report.verdicts)
    n_failed = sum(not verdict.passed for verdict in report.verdicts)
    broken, kept = (
        ("its rule", "its rule")
        if n_rules == 1
        else (f"{n_failed} of {n_rules} rules", f"its {n_rules} rules")
    )
    what = f"{report.name} against {report.baseline_name}"
    return f"FAILED: {what} breaks {broken}" if n_failed else f"PASSED: {what} keeps {kept}"


def notes_of(report: GateReport) -> list[str]:
    """What the table does not say: the way it was decided, and what it could have seen."""
    n_images = as_count(report.protocol.n_images)
    notes = []
    if report.strict:
        notes.append("A rule fails when the estimate is over what it allows, noise or not.")
    else:
        notes.append(
            "A rule fails when the estimate is over what it allows and the lower bound of the "
            f"rise is above 0, at level {report.alpha:g}"
            + (" for all rules together." if len(report.verdicts) > 1 else ".")
        )
    noisy = [verdict for verdict in report.verdicts if inside_noise(verdict)]
    if noisy:
        names = ", ".join(verdict.rule.text for verdict in noisy)
        notes.append(f"Over what is allowed, but inside the noise, so not failed: {names}.")
    if report.answers_alike:
        notes.append("The two runs answer alike on every image.")
    for verdict in report.verdicts:
        if verdict.detectable is not None:
            unit = unit_of(verdict)
            notes.append(
                f"With these {n_images} images a rise of {unit.number(verdict.detectable)}"
                f"{unit.name} in {name_of(verdict)} would have been seen 4 times in 5."
            )
    untold = [name_of(verdict) for verdict in report.verdicts if verdict.detectable is None]
    if untold and not report.answers_alike:
        notes.append(
            f"What rise in {', '.join(untold)} would have been seen, these images do not tell."
        )
    if report.left_out:
        notes.append(
            f"Left out, because only one of the runs has them: {len(report.left_out)} cells."
        )
    if any(verdict.rule.field in RATIOS for verdict in report.verdicts):
        notes.append(f"{reference_sentence(report.reference)}.")
    return [*notes, *warning_lines(report.protocol)]
