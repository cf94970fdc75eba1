"""One tested rule of a gate, as programs and people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustbench_gnl.reports.document import Check, Row
from robustbench_gnl.reports.formatting import as_signed
from robustbench_gnl.reports.metric_labels import Unit, unit_of
from robustbench_gnl.statistics.rules import KINDS, LIMIT

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Verdict

VERDICTS = {"passed": "pass", "inconclusive": "inconclusive", "failed": "FAIL"}
"""What people see of a verdict."""


def _unit(verdict: Verdict) -> Unit:
    return unit_of(KINDS.get(verdict.rule.field, verdict.rule.field))


def _value(verdict: Verdict, value: float) -> str:
    """A value of the number that the rule is about, with its unit."""
    unit = _unit(verdict)
    return unit.format(value) + unit.of_value


def _change(verdict: Verdict, value: float) -> str:
    """A difference of it, with its sign and unit."""
    unit = _unit(verdict)
    return as_signed(unit.format)(value) + unit.of_change


def verdict_sentence(verdict: Verdict) -> str:
    """What was found of one rule."""
    unit, lower, text = _unit(verdict), verdict.lower_bound, verdict.rule.text
    if verdict.baseline is None or verdict.difference is None:
        shown = _value
        text += f": {shown(verdict, verdict.candidate)} where at most "
        what = "lower bound"
    else:
        shown = _change
        text += (
            f": {unit.format(verdict.candidate)} compared with {unit.format(verdict.baseline)}, "
            f"{shown(verdict, verdict.difference)} where "
        )
        what = "lower bound of the change"
    text += f"{shown(verdict, verdict.bound)} is "
    text += "required" if verdict.rule.is_gain else "allowed"
    return text if lower is None else f"{text}; {what} {shown(verdict, lower)}"


def detectable_sentence(verdict: Verdict) -> str:
    """The least that fails the rule with 80 % power; it must be known."""
    unit, name, least = _unit(verdict), verdict.rule.subject_text, verdict.detectable
    assert least is not None
    if verdict.rule.is_limit:
        what = f"a value of {_value(verdict, least)} or more in {name}"
    elif verdict.rule.is_gain:
        what = f"a change of {_change(verdict, least)} or more in {name}"
    else:
        what = f"an increase of {unit.format(least)}{unit.of_change} in {name}"
    return f"{what} is detected with 80 % power"


def why_inconclusive(verdict: Verdict) -> str:
    """Why the images cannot decide a rule; it must be inconclusive."""
    if verdict.is_over:
        what = "misses the required gain" if verdict.rule.is_gain else "exceeds what is allowed"
        return f"the estimate {what}, but not significantly"
    if verdict.rule.is_limit:
        return "the confidence interval contains the limit"
    return f"too few images, the change may be up to {_change(verdict, verdict.upper_bound or 0.0)}"


def change_to_plan(verdict: Verdict) -> str | None:
    """The rule for `gnlbench plan`, which cannot plan limits, nor for what is kept by block nor
    for cells that are not there. Where no rise is allowed, it is the rise that was found; where a
    gain is required, a rise of that size, since a gain that is missing is as hard to detect."""
    rule = verdict.rule
    if rule.is_limit or not rule.subject.is_kept_by_image:
        return None
    if verdict.is_narrowed:
        return None
    if rule.threshold > 0:
        return rule.text
    if rule.threshold < 0:
        return rule.text.replace("-", "+", 1)
    unit = _unit(verdict)
    hundredths = max(0.01, round(float(unit.format(verdict.estimate)), 2))
    return f"{rule.subject_text}:+{hundredths:g}{unit.of_change.strip()}"


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """One rule by the keys of JSON and CSV."""
    return {
        "rule": verdict.rule.text,
        "passed": verdict.passed,
        # The estimate is above what is allowed, and the rule did not fail all the same.
        "inside_noise": verdict.passed and verdict.is_over,
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


def verdict_texts(verdict: Verdict) -> Row:
    """One rule as people see it, in its own unit."""
    unit, bound = _unit(verdict), verdict.lower_bound
    texts = {
        "rule": verdict.rule.text,
        "run": unit.format(verdict.candidate),
        "p_holm": verdict.p_holm,
        "verdict": VERDICTS[verdict.status],
    }
    if verdict.baseline is None or verdict.difference is None:
        return texts | {
            "allowed": LIMIT + unit.format(verdict.bound),
            "lower_bound": None if bound is None else unit.format(bound),
        }
    return texts | {
        "baseline": unit.format(verdict.baseline),
        "difference": _change(verdict, verdict.difference),
        "allowed": _change(verdict, verdict.bound),
        "lower_bound": None if bound is None else _change(verdict, bound),
    }


def verdict_check(verdict: Verdict) -> Check:
    """One rule as CI servers show it."""
    message, details = verdict_sentence(verdict), ""
    if verdict.status != "failed":
        known = [detectable_sentence(verdict)] if verdict.detectable is not None else []
        details = "; ".join([message, *known])
    reason = why_inconclusive(verdict) if verdict.status == "inconclusive" else ""
    return Check(verdict.rule.text, verdict.status, message, reason, details)
