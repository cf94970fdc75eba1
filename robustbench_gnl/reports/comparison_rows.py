"""The rows that every view of a comparison is made of: one a number, one a corruption."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.reports.formats import (
    TO,
    as_fraction_percent,
    as_interval,
    as_number,
    as_p_value,
    as_percent,
    as_signed,
)
from robustbench_gnl.reports.run_details import KINDS
from robustbench_gnl.reports.tables import Column, Row
from robustbench_gnl.statistics.comparison import OVERALL, SHARED
from robustbench_gnl.statistics.paired_tests import holm

if TYPE_CHECKING:
    from robustbench_gnl.statistics import CellTest, Comparison

LABELS = {
    "clean_error": "clean error %",
    SHARED: "mean error of shared cells %",
    "mean_corruption_error": "mean corruption error %",
    "mean_error_19": "mean error over all 19 %",
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "robustness_gap": "robustness gap %",
    "clean_top5_error": "clean top-5 error %",
    "mean_top5_error": "mean top-5 error %",
    "clean_negative_log_likelihood": "clean negative log likelihood, nats",
    "mean_negative_log_likelihood": "mean negative log likelihood, nats",
    "clean_calibration_error": "clean expected calibration error %",
    "mean_calibration_error": "mean expected calibration error %",
}
"""What a table calls the numbers of a whole run."""

SHOWN_MARKS = {"untested": "?"}
"""Marks that people see as a sign."""
CELLS_TITLE = "Difference of the error by severity, percentage points"
NUMBER_COLUMNS = (
    Column("number", "", "left", fold_at=20),
    Column("baseline", "baseline"),
    Column("candidate", "candidate"),
    Column("difference", "difference", "left"),
    Column("interval", "interval"),
)
"""At 80 characters there is room for `-150.00 to -100.00`: labels fold before a column leaves."""
CELL_COLUMNS = (
    Column("corruption", "corruption", "left"),
    *(
        Column(f"severity_{severity}", str(severity), "left", fold_at=8)
        for severity in corruptions.SEVERITIES
    ),
    Column(
        "p_holm",
        "smallest p (Holm)",
        format=as_p_value,
        droppable="p",
        head="smallest\np (Holm)",
    ),
)


def number_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each number: the whole run, the groups, the corruptions."""
    return [
        {
            "section": section,
            "key": key,
            "number": label,
            **asdict(comparison.differences[key]),
            "interval": comparison.differences[key].interval,
        }
        for section, labels in _sections(comparison).items()
        for key, label in labels.items()
        if key in comparison.differences
    ]


def _sections(comparison: Comparison) -> dict[str, dict[str, str]]:
    """What may be compared, by its name in `statistics`, with its label."""
    overall = (*OVERALL, *(f"{which}_{kind}" for kind in KINDS for which in ("clean", "mean")))
    return {
        "overall": {key: LABELS[key] for key in overall},
        "groups": {f"groups.{group}": f"{group} CE" for group in GROUPS},
        "corruptions": dict(_of_corruption(name, comparison) for name in corruptions.names("all")),
    }


def _of_corruption(name: str, comparison: Comparison) -> tuple[str, str]:
    """Its CE, or its error where there is none."""
    ce = f"corruptions.{name}.ce"
    if ce in comparison.differences:
        return ce, f"{name} CE"
    return f"corruptions.{name}.error", f"{name} error %"


def number_texts(row: Row) -> dict[str, Any]:
    """The numbers of a row as people see them, each in its own unit, the mark beside its
    difference."""
    format = _format_of(row["key"])
    signed = as_signed(format)
    interval = row["interval"]
    return {
        **row,
        "baseline": format(row["baseline"]),
        "candidate": format(row["candidate"]),
        "difference": f"{signed(row['difference']):>6} {SHOWN_MARKS.get(row['mark'], row['mark'])}",
        "interval": as_interval(signed, TO)(interval) if interval is not None else None,
    }


def _format_of(key: str) -> Any:
    if key.endswith("negative_log_likelihood"):
        return as_number
    is_percent = key.endswith(("mce", ".ce")) or key.startswith("groups.")
    return as_percent if is_percent else as_fraction_percent


def surely(mark: str, comparison: Comparison) -> list[str]:
    """What surely is so of the clean images, as `clean`, and the corruptions: by their paired
    tests, with Holm's correction for how many they are."""
    keys = {"clean_error": "clean"}
    keys |= {_of_corruption(name, comparison)[0]: name for name in corruptions.names("all")}
    found = comparison.differences
    names = {key: name for key, name in keys.items() if key in found}
    p_values = holm([found[key].p_value or 0.0 for key in names])
    return [
        name
        for (key, name), p in zip(names.items(), p_values, strict=True)
        if found[key].mark == mark and p <= 1 - comparison.level + 1e-12
    ]


def cell_row(test: CellTest) -> dict[str, Any]:
    """One cell with its test, raw."""
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


def cell_texts(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each corruption, the cells by severity, as people see them."""
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
