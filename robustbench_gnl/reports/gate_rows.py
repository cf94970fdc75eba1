"""One tested rule, as programs and people read it."""

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
from robustbench_gnl.statistics.rules import LIMIT, RATIOS
from robustbench_gnl.suites import DEFAULT_SUITE

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
        "verdict",
        "upper_bound",
        "limit",
    )
)
VERDICTS = {"passed": "pass", "inconclusive": "inconclusive", "failed": "FAIL"}
"""What people see of a verdict."""


def columns_of(verdicts: Sequence[Verdict], *, strict: bool) -> Sequence[Column]:
    """The columns that people see: those of changes where a rule is about one, and those of
    tests where there were any; the p of a single rule needs no correction."""
    changes = (Column("baseline", "baseline"),), (Column("difference", "difference"),)
    before, between = changes if any(one.limit is None for one in verdicts) else ((), ())
    p_title, p_head = ("p", "") if len(verdicts) == 1 else ("p (Holm)", "p\n(Holm)")
    tests = (
        Column("lower_bound", "lower bound", head="lower\nbound"),
        Column("p_holm", p_title, format=as_p_value, droppable="p", head=p_head),
    )
    return (
        Column("rule", "rule", "left"),
        *before,
        Column("run", "run"),
        *between,
        Column("allowed", "allowed"),
        *(() if strict else tests),
        Column("verdict", "verdict", "left"),
    )


def sentence(verdict: Verdict) -> str:
    """One rule, in words."""
    unit = unit_of(verdict)
    run, lower = unit.number(verdict.candidate), verdict.lower_bound
    text = verdict.rule.text
    if verdict.baseline is None or verdict.difference is None:
        text += f": {unit.value(verdict.candidate)} where at most {unit.value(verdict.bound)}"
        bound = "" if lower is None else f"; lower bound {unit.value(lower)}"
    else:
        text += (
            f": {run} compared with {unit.number(verdict.baseline)}, "
            f"{unit.change(verdict.difference)} where {unit.change(verdict.bound)}"
        )
        bound = "" if lower is None else f"; lower bound of the change {unit.change(lower)}"
    return f"{text} is {'required' if verdict.rule.is_gain else 'allowed'}{bound}"


def detectable_sentence(verdict: Verdict) -> str:
    """The least that fails the rule with 80 % power; it must be known."""
    unit, name, least = unit_of(verdict), verdict.rule.field_text, verdict.detectable
    assert least is not None
    if verdict.rule.is_limit:
        what = f"a value of {unit.value(least)} or more in {name}"
    elif verdict.rule.is_gain:
        what = f"a change of {unit.change(least)} or more in {name}"
    else:
        what = f"an increase of {unit.number(least)}{unit.name} in {name}"
    return f"{what} is detected with 80 % power"


def why_inconclusive(verdict: Verdict) -> str:
    """Why the images cannot decide a rule; it must be inconclusive."""
    if verdict.is_over:
        what = "misses the required gain" if verdict.rule.is_gain else "exceeds what is allowed"
        return f"the estimate {what}, but not significantly"
    if verdict.rule.is_limit:
        return "the confidence interval contains the limit"
    unit = unit_of(verdict)
    return f"too few images, the change may be up to {unit.change(verdict.upper_bound or 0.0)}"


def change_to_plan(verdict: Verdict) -> str | None:
    """The rule for `gnlbench plan`, which cannot plan limits, nor for what is kept by block nor
    for cells that are not there. Where no rise is allowed, it is the rise that was found; where a
    gain is required, a rise of that size, since a gain that is missing is as hard to detect."""
    rule = verdict.rule
    if rule.is_limit or rule.field not in (*RATIOS, "error", "clean_error"):
        return None
    selected = rule.selection(DEFAULT_SUITE)
    if selected is not None and verdict.n_cells < len(selected):
        return None
    if rule.threshold > 0:
        return rule.text
    if rule.threshold < 0:
        return rule.text.replace("-", "+", 1)
    unit = unit_of(verdict)
    hundredths = max(0.01, round(float(unit.number(verdict.estimate)), 2))
    return f"{rule.field_text}:+{hundredths:g}{unit.name.strip()}"


def inside_noise(verdict: Verdict) -> bool:
    """Whether the estimate is above what is allowed, and did not fail all the same."""
    return verdict.passed and verdict.is_over


@dataclass(frozen=True)
class Unit:
    """How people see the number of a rule."""

    number: Callable[[Any], str]
    name: str
    """After a change."""
    value_name: str
    """After a value."""

    def change(self, value: float) -> str:
        return as_signed(self.number)(value) + self.name

    def value(self, value: float) -> str:
        return self.number(value) + self.value_name


def unit_of(verdict: Verdict) -> Unit:
    if verdict.rule.field in RATIOS:
        return Unit(as_percent, "", "")
    if verdict.rule.field == "nll":
        return Unit(as_number, " nats", " nats")
    return Unit(as_fraction_percent, " pp", " %")


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
        "verdict": verdict.status,
        "upper_bound": verdict.upper_bound,
        "limit": verdict.limit,
    }


def verdict_texts(verdict: Verdict) -> dict[str, Any]:
    """One rule as people see it, in its own unit."""
    unit, bound = unit_of(verdict), verdict.lower_bound
    texts = {
        "rule": verdict.rule.text,
        "run": unit.number(verdict.candidate),
        "p_holm": verdict.p_holm,
        "verdict": VERDICTS[verdict.status],
    }
    if verdict.baseline is None or verdict.difference is None:
        return texts | {
            "allowed": LIMIT + unit.number(verdict.bound),
            "lower_bound": None if bound is None else unit.number(bound),
        }
    return texts | {
        "baseline": unit.number(verdict.baseline),
        "difference": unit.change(verdict.difference),
        "allowed": unit.change(verdict.bound),
        "lower_bound": None if bound is None else unit.change(bound),
    }
