"""What a gate found: a table, JSON, JUnit XML and the sentences that someone decides by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_number,
    as_p_value,
    as_percent,
    as_signed,
)
from robustbench_gnl.reports.run_parts import warning_lines
from robustbench_gnl.reports.tables import Column, render, rich_tables

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
        "rules": [_row(verdict) for verdict in report.verdicts],
        "notes": notes_of(report),
    }


def render_gate(report: GateReport, format: str) -> str:
    """The gate as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json.dumps(gate_document(report), indent=2)
    if format == "csv":
        return render([_row(verdict) for verdict in report.verdicts], CSV_COLUMNS, "csv")
    rows = [_as_texts(verdict) for verdict in report.verdicts]
    return render(rows, COLUMNS, format, headline(report), notes=notes_of(report))


def gate_parts(report: GateReport, *, width: int) -> list[RenderableType]:
    """The gate for a terminal of that width."""
    from rich.text import Text

    rows = [_as_texts(verdict) for verdict in report.verdicts]
    return [
        Text(headline(report), style="bold green" if report.passed else "bold red"),
        Text(),
        *rich_tables(rows, COLUMNS, width=width, n_fixed=1),
        Text(),
        *(Text(note) for note in notes_of(report)),
    ]


def junit_xml(report: GateReport) -> str:
    """One test case a rule, as CI servers read it."""
    failed = [verdict for verdict in report.verdicts if not verdict.passed]
    counts = {"tests": str(len(report.verdicts)), "failures": str(len(failed)), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    name = f"{report.name} against {report.baseline_name}"
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for verdict in report.verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "gnlbench.check", "name": verdict.rule.text}
        )
        if not verdict.passed:
            ElementTree.SubElement(
                case, "failure", {"type": "regression", "message": sentence(report, verdict)}
            )
        else:
            ElementTree.SubElement(case, "system-out").text = sentence(report, verdict)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def headline(report: GateReport) -> str:
    """The answer."""
    n_failed = sum(not verdict.passed for verdict in report.verdicts)
    what = f"{report.name} against {report.baseline_name}"
    if n_failed:
        return f"FAILED: {what} breaks {n_failed} of {_rules(len(report.verdicts))}"
    return f"PASSED: {what} keeps {_rules(len(report.verdicts))}"


def _rules(n: int) -> str:
    return f"{n} {'rule' if n == 1 else 'rules'}"


def sentence(report: GateReport, verdict: Verdict) -> str:
    """One rule, in words."""
    unit = _unit(verdict)
    text = (
        f"{verdict.rule.text}: {unit.number(verdict.candidate)} against "
        f"{unit.number(verdict.baseline)}, {unit.change(verdict.difference)} where "
        f"{unit.change(verdict.allowed)} is allowed"
    )
    if verdict.lower_bound is not None and not report.strict:
        text += f"; lower bound {unit.change(verdict.lower_bound)}"
    return text


def notes_of(report: GateReport) -> list[str]:
    """What the table does not say: the way it was decided, and what it could have seen."""
    n_images = as_count(report.protocol.n_images)
    notes = []
    if report.strict:
        notes.append("A rule fails when the estimate is over what it allows, noise or not.")
    else:
        notes.append(
            "A rule fails when the estimate is over what it allows and the lower bound of the "
            f"rise is above 0, at level {report.alpha:g} for all rules together."
        )
    noisy = [verdict for verdict in report.verdicts if _inside_noise(verdict)]
    if noisy:
        names = ", ".join(verdict.rule.text for verdict in noisy)
        notes.append(f"Over what is allowed, but inside the noise, so not failed: {names}.")
    if report.answers_alike:
        notes.append("The two runs answer alike on every image.")
    for verdict in report.verdicts:
        if verdict.detectable is not None:
            unit = _unit(verdict)
            notes.append(
                f"With these {n_images} images a change of {unit.number(verdict.detectable)}"
                f"{unit.name} of {_named(verdict)} would have been seen 4 times in 5."
            )
    if report.left_out:
        notes.append(
            f"Left out, because only one of the runs has them: {len(report.left_out)} cells."
        )
    if any(verdict.rule.field in ("mce", "relative_mce", "ce") for verdict in report.verdicts):
        notes.append(f"CE divides by the errors of {report.reference}.")
    return [*notes, *warning_lines(report.protocol)]


def _named(verdict: Verdict) -> str:
    return verdict.rule.text.split(":", 1)[0]


def _inside_noise(verdict: Verdict) -> bool:
    return verdict.passed and verdict.difference > verdict.allowed


@dataclass(frozen=True)
class _Unit:
    """How people see the number of a rule."""

    number: Any
    name: str

    def change(self, value: float) -> str:
        return as_signed(self.number)(value) + self.name


def _unit(verdict: Verdict) -> _Unit:
    if verdict.rule.field in ("mce", "relative_mce", "ce"):
        return _Unit(as_percent, "")
    if verdict.rule.field == "nll":
        return _Unit(as_number, " nats")
    return _Unit(as_fraction_percent, " pp")


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "rule": verdict.rule.text,
        "passed": verdict.passed,
        "inside_noise": _inside_noise(verdict),
        "baseline": verdict.baseline,
        "run": verdict.candidate,
        "difference": verdict.difference,
        "allowed": verdict.allowed,
        "lower_bound": verdict.lower_bound,
        "p_value": verdict.p_value,
        "p_holm": verdict.p_holm,
        "detectable": verdict.detectable,
        "n_cells": verdict.n_cells,
        "n_images_differing": verdict.n_differing,
        "method": verdict.method,
    }


def _as_texts(verdict: Verdict) -> dict[str, Any]:
    unit = _unit(verdict)
    noise = " (noise)" if _inside_noise(verdict) else ""
    bound = verdict.lower_bound
    return {
        "rule": verdict.rule.text,
        "baseline": unit.number(verdict.baseline),
        "run": unit.number(verdict.candidate),
        "difference": unit.change(verdict.difference),
        "allowed": unit.change(verdict.allowed),
        "lower_bound": None if bound is None else unit.change(bound),
        "p_holm": verdict.p_holm,
        "verdict": f"pass{noise}" if verdict.passed else "FAIL",
    }


COLUMNS: Sequence[Column] = (
    Column("rule", "rule", "left"),
    Column("baseline", "baseline"),
    Column("run", "run"),
    Column("difference", "difference"),
    Column("allowed", "allowed"),
    Column("lower_bound", "lower bound"),
    Column("p_holm", "p", format=as_p_value, droppable="p"),
    Column("verdict", "", "left"),
)
CSV_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "rule",
        "passed",
        "inside_noise",
        "baseline",
        "run",
        "difference",
        "allowed",
        "lower_bound",
        "p_value",
        "p_holm",
        "detectable",
        "n_cells",
        "n_images_differing",
        "method",
    )
)
