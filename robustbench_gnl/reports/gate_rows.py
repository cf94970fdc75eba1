"""One rule held against two runs, as programs and people read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.reports.formats import (
    as_fraction_percent,
    as_number,
    as_p_value,
    as_percent,
    as_signed,
)
from robustbench_gnl.reports.tables import Column
from robustbench_gnl.statistics.rules import RATIOS

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Verdict

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
        "reference",
        "same_checkpoint",
    )
)


def columns_of(n_rules: int) -> Sequence[Column]:
    """The columns that people see; the p of a single rule needs no correction."""
    p_title, p_head = ("p", "") if n_rules == 1 else ("p (Holm)", "p\n(Holm)")
    return (
        Column("rule", "rule", "left"),
        Column("baseline", "baseline"),
        Column("run", "run"),
        Column("difference", "difference"),
        Column("allowed", "allowed"),
        Column("lower_bound", "lower bound", head="lower\nbound"),
        Column("p_holm", p_title, format=as_p_value, droppable="p", head=p_head),
        Column("verdict", "verdict", "left", fold_at=7),
    )


def sentence(verdict: Verdict, *, strict: bool) -> str:
    """One rule, in words."""
    unit = unit_of(verdict)
    text = (
        f"{verdict.rule.text}: {unit.number(verdict.candidate)} against "
        f"{unit.number(verdict.baseline)}, {unit.change(verdict.difference)} where "
        f"{unit.change(verdict.allowed)} is allowed"
    )
    if verdict.lower_bound is not None and not strict:
        text += f"; lower bound of the rise {unit.change(verdict.lower_bound)}"
    return text


def name_of(verdict: Verdict) -> str:
    """`error[fog]`: the rule without what it allows."""
    return verdict.rule.text.split(":", 1)[0]


def seen(verdict: Verdict) -> str:
    """What rise would have failed the rule; it must be known."""
    unit = unit_of(verdict)
    return (
        f"a rise of {unit.number(verdict.detectable)}{unit.name} in {name_of(verdict)} would have "
        "been seen 4 times in 5"
    )


def change_to_plan(verdict: Verdict) -> str | None:
    """The rule for `gnlbench plan`, which cannot plan for what is kept by block nor for cells
    that are not there. Where no rise is allowed, it is the rise that was found."""
    rule = verdict.rule
    if rule.field not in (*RATIOS, "error", "clean_error"):
        return None
    if rule.selection is not None and verdict.n_cells < len(rule.selection):
        return None
    if rule.threshold > 0:
        return rule.text
    unit = unit_of(verdict)
    hundredths = max(0.01, round(float(unit.number(verdict.difference)), 2))
    return f"{name_of(verdict)}:+{hundredths:g}{unit.name.strip()}"


def inside_noise(verdict: Verdict) -> bool:
    """Whether a rise was over what is allowed, and let pass all the same."""
    return verdict.passed and verdict.is_over


@dataclass(frozen=True)
class Unit:
    """How people see the number of a rule."""

    number: Callable[[Any], str]
    name: str

    def change(self, value: float) -> str:
        return as_signed(self.number)(value) + self.name


def unit_of(verdict: Verdict) -> Unit:
    if verdict.rule.field in RATIOS:
        return Unit(as_percent, "")
    if verdict.rule.field == "nll":
        return Unit(as_number, " nats")
    return Unit(as_fraction_percent, " pp")


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """One rule, raw."""
    return {
        "rule": verdict.rule.text,
        "passed": verdict.passed,
        "inside_noise": inside_noise(verdict),
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


def verdict_texts(verdict: Verdict) -> dict[str, Any]:
    """One rule as people see it, in its own unit."""
    unit = unit_of(verdict)
    noise = " (noise)" if inside_noise(verdict) else ""
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
