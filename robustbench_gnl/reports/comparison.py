"""The comparison of runs with a baseline: what changed, and what is significant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics import (
    FRACTION,
    METRICS,
    MetricId,
    Scope,
    is_run_near_chance,
    metric_id,
)
from robustbench_gnl.metrics.catalogue import GROUP_CE, MEAN_ERROR
from robustbench_gnl.metrics.metric import with_unit
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.comparison_answer import (
    answer,
    ce_or_error,
    fell_without_gain,
    significant,
)
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Heading,
    Notes,
    Paragraph,
    Records,
    Row,
    Table,
)
from robustbench_gnl.reports.formatting import as_count, as_interval, as_p_value, as_share
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    protocol_warnings,
    reference_sentences,
)
from robustbench_gnl.statistics.differences import fewest_changed
from robustbench_gnl.suites import Suite
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import CellTest, Comparison

SHOWN_MARKS = {"untested": "?"}
"""Marks that tables abbreviate."""
CELLS_TITLE = "Difference of the error by severity, percentage points"
NUMBER_COLUMNS = (
    Column("number", "", "left", fold_at=20, is_key=True),
    Column("baseline", "baseline"),
    Column("candidate", "candidate"),
    Column("difference", "difference", "left"),
)
"""Labels may fold, so that `[-150.00, -100.00]` fits into 80 characters."""
INTERVAL = Column("interval", "interval")
RECORD_COLUMNS = (
    *("baseline_run", "candidate_run", "reference", "kind", "key", "baseline", "candidate"),
    *("difference", "low", "high", "n_differing", "only_baseline_wrong", "only_candidate_wrong"),
    *("p_value", "p_holm", "mark"),
)


@dataclass(frozen=True)
class Compared:
    """A candidate and its comparison with the baseline."""

    name: str
    run: Run
    comparison: Comparison


@dataclass(frozen=True)
class ComparisonReport:
    """Candidates compared with one baseline."""

    baseline_name: str
    baseline: Run
    candidates: tuple[Compared, ...]
    reference: str
    """Name of the reference, whose errors CE divides by."""


def comparison_document(report: ComparisonReport, *, intervals: bool = True) -> Document:
    """The comparisons of all candidates; a difference is candidate minus baseline.

    The records have one row for each metric and one for each cell, marked by `kind`.

    Args:
        intervals: Whether the tables have a column of intervals.
    """
    protocol = report.baseline.protocol
    return Document(
        f"Comparison with {report.baseline_name}",
        tuple(block for one in report.candidates for block in _blocks(report, one, intervals)),
        {
            "schema_version": SCHEMA_VERSION,
            "protocol": {"name": protocol.name, "fingerprint": protocol.fingerprint},
            "n_images": protocol.n_images,
            "reference": report.reference,
            "baseline": _run_data(report.baseline_name, report.baseline),
            "comparisons": [_data(report.baseline, one) for one in report.candidates],
        },
        Records(
            RECORD_COLUMNS, [row for one in report.candidates for row in _records(report, one)]
        ),
    )


def _data(baseline: Run, one: Compared) -> dict[str, Any]:
    comparison = one.comparison
    return {
        "candidate": _run_data(one.name, one.run),
        "same_checkpoint": one.run.model.checkpoint_sha256 == baseline.model.checkpoint_sha256,
        "level": comparison.level,
        "n_cells": len(comparison.cells),
        "cells_left_out": [str(condition) for condition in comparison.left_out],
        "better": significant("better", comparison),
        "worse": significant("worse", comparison),
        "numbers": {path: asdict(one) for path, one in comparison.differences.items()},
        "cells": [_cell_row(test) for test in comparison.cell_tests],
    }


def _run_data(name: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "run_id": run.id,
        "model": run.model.name,
        "checkpoint_sha256": run.model.checkpoint_sha256,
        "tags": list(run.tags),
        "created_at": run.created_at,
        "near_chance": is_run_near_chance(run),
    }


def _records(report: ComparisonReport, one: Compared) -> list[Row]:
    about = {
        "baseline_run": report.baseline.id,
        "candidate_run": one.run.id,
        "reference": report.reference,
    }
    rows = []
    for row in number_rows(one.comparison):
        interval = row["interval"]
        ends = {"low": interval.low, "high": interval.high} if interval else {}
        rows.append({**about, **row, "kind": "number", **ends})
    return rows + [
        {**about, **_cell_row(test), "kind": "cell", "key": str(test.condition)}
        for test in one.comparison.cell_tests
    ]


def _blocks(report: ComparisonReport, one: Compared, intervals: bool) -> list[Block]:
    comparison, protocol = one.comparison, report.baseline.protocol
    title = f"{one.name} compared with {report.baseline_name}"
    runs = ((report.baseline, report.baseline_name), (one.run, one.name))
    # Part of the conclusion: beside a model that guesses, any comparison is meaningless.
    near_chance = [line for run, name in runs for line in chance_sentences(run, name)]
    said = " ".join([answer(one.name, report.baseline_name, comparison), *near_chance])
    about = [
        f"protocol {protocol.name} [{protocol.fingerprint[:8]}]",
        *(_run_line(*pair) for pair in (("baseline", report.baseline), ("candidate", one.run))),
        *_same_checkpoint(report.baseline, one.run),
    ]
    divisor = [f"{sentence}." for sentence in reference_sentences(report.reference)]
    numbers = Table(
        (*NUMBER_COLUMNS, INTERVAL) if intervals else NUMBER_COLUMNS,
        tuple(_number_texts(row, comparison.suite) for row in number_rows(comparison)),
        # Complete by itself, since a table may be copied without the text around it.
        caption=" ".join([f"{title}, {protocol.name}: {said}", *divisor]),
        bold=_better_numbers(comparison),
        section_by="section",
    )
    notes = Notes(tuple(comparison_notes(report, one)), is_aside=True)
    blocks: list[Block] = [Heading(title), Notes(tuple(about)), Paragraph(said), numbers]
    if comparison.suite.has_severities:
        cells = tuple(_cell_texts(comparison))
        blocks.append(Table(cell_columns(comparison.suite), cells, CELLS_TITLE))
    return [*blocks, notes]


def cell_columns(suite: Suite) -> tuple[Column, ...]:
    return (
        Column("corruption", "corruption", "left", is_key=True),
        *(
            Column(f"severity_{severity}", str(severity), "left", fold_at=8)
            for severity in suite.severities
        ),
        Column(
            "p_holm",
            "smallest p (Holm)",
            format=as_p_value,
            droppable="p",
            head="smallest\np (Holm)",
        ),
    )


def _better_numbers(comparison: Comparison) -> frozenset[tuple[int, str]]:
    """The significantly better value of each row, unless its decrease is no improvement."""
    no_gain = fell_without_gain(comparison)
    return frozenset(
        (i, "candidate" if row["mark"] == "better" else "baseline")
        for i, row in enumerate(number_rows(comparison))
        if row["mark"] in ("better", "worse") and row["key"] not in no_gain
    )


def number_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row for each metric: overall, of the groups, of the corruptions."""
    suite = comparison.suite
    # The whole catalogue: metrics that the suite does not define have no difference.
    overall = (MetricId(one) for one in METRICS if one.scope is Scope.OVERALL)
    sections = {
        "overall": overall,
        "groups": (MetricId(GROUP_CE, group) for group in suite.groups),
        "corruptions": (ce_or_error(name, comparison) for name in suite.all_corruptions),
    }
    return [
        {
            "section": section,
            "key": one.path,
            "number": _number_title(one),
            **asdict(comparison.differences[one.path]),
            "interval": comparison.differences[one.path].interval,
        }
        for section, ids in sections.items()
        for one in ids
        if one.path in comparison.differences
    ]


def _number_title(one: MetricId) -> str:
    """The label of a metric in the table, with its unit."""
    if one.metric is MEAN_ERROR:
        return with_unit(f"{one.metric.label} of shared cells", one.metric.unit.symbol)
    return one.column_title


def _number_texts(row: dict[str, Any], suite: Suite) -> Row:
    """The texts of a row: values in their own units, and the mark behind the difference."""
    unit, mark = metric_id(row["key"], suite).metric.unit, SHOWN_MARKS.get(row["mark"], row["mark"])
    return {
        **row,
        "baseline": unit.number(row["baseline"]),
        "candidate": unit.number(row["candidate"]),
        "difference": f"{unit.signed(row['difference']):>6} {mark}",
        "interval": row["interval"] and as_interval(unit.signed)(row["interval"]),
    }


def _cell_row(test: CellTest) -> dict[str, Any]:
    """The raw values of one cell and its test."""
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


def _cell_texts(comparison: Comparison) -> list[Row]:
    """The texts of one row for each corruption, with its cells by severity."""
    rows: dict[str, dict[str, Any]] = {}
    for test in comparison.cell_tests:
        if test.condition.is_clean:
            continue  # It stands among the numbers, and its p in the notes.
        name = test.condition.corruption
        row = rows.setdefault(name, {"corruption": name})
        difference = FRACTION.signed(test.candidate - test.baseline)
        row[f"severity_{test.condition.severity}"] = f"{difference} {test.mark}"
        row["p_holm"] = min(row.get("p_holm", 1.0), test.p_holm)
    return list(rows.values())


def _run_line(role: str, run: Run) -> str:
    """The run, its checkpoint and its tags, since model names may repeat."""
    tags = f", tags {', '.join(run.tags)}" if run.tags else ""
    return (
        f"{role}: run {run.id}, checkpoint {run.model.checkpoint_sha256[:8]}, "
        f"begun {run.created_at[:10]}{tags}"
    )


def _same_checkpoint(baseline: Run, candidate: Run) -> list[str]:
    """A sentence if both runs have the same checkpoint file."""
    one, other = baseline.model, candidate.model
    if one.checkpoint_sha256 != other.checkpoint_sha256:
        return []
    entries = "" if one.weights == other.weights else f", entries {one.weights} and {other.weights}"
    return [f"Both runs are of the same checkpoint file, {one.checkpoint_sha256[:8]}{entries}."]


def comparison_notes(report: ComparisonReport, one: Compared) -> list[str]:
    """Notes on how to read the tables."""
    comparison, protocol = one.comparison, report.baseline.protocol
    tests, differences = comparison.cell_tests, comparison.differences
    share, chance = as_share(comparison.level), as_share(1 - comparison.level)
    notes = [
        f"{counted(protocol.n_images, 'image')}, {counted(len(comparison.cells), 'cell')}; "
        f"difference is candidate minus baseline, with its paired {share} interval",
        "metrics: better or worse if the interval excludes 0 and at least "
        f"{as_count(fewest_changed(comparison.level))} images changed (top-5, likelihood and "
        "calibration: the interval alone); ~: not significant",
        f"these marks are not corrected for multiple testing: by chance alone, {chance} of the "
        "metrics that did not change are marked; other changes named in the conclusion are "
        "corrected (paired tests, Holm)",
        f"cells: better or worse by McNemar's exact test at {chance}, with Holm's correction for "
        f"{counted(len(tests), 'cell')}; ~: not significant",
        *reference_sentences(report.reference),
    ]
    notes += [
        f"p of the {test.condition} cell (Holm): {as_p_value(test.p_holm)}"
        for test in tests
        if test.condition.severity == 0  # the table of cells has all others
    ]
    if comparison.left_out:
        notes.append(f"{len(comparison.left_out)} cells that only one of the runs has are left out")
    reasons = {one.reason for one in differences.values() if one.reason}
    notes += [
        f"?: not tested, because there is no interval: {reason}" for reason in sorted(reasons)
    ]
    return [*notes, *protocol_warnings(protocol)]
