"""The verdict on one rule of a gate as raw values, texts and sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from robustbench_gnl.levels import POWER
from robustbench_gnl.reports.document import Check, Row
from robustbench_gnl.reports.formatting import as_share
from robustbench_gnl.statistics.rules import LIMIT

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Verdict

VERDICTS = {"passed": "pass", "inconclusive": "inconclusive", "failed": "FAIL"}
"""Texts of the verdicts in tables."""


def verdict_sentence(verdict: Verdict) -> str:
    """The verdict on one rule in a sentence."""
    unit, lower, text = verdict.rule.subject.unit, verdict.lower_bound, verdict.rule.text
    if verdict.baseline is None or verdict.difference is None:
        shown: Callable[[float], str] = unit.value
        text += f": {shown(verdict.candidate)} where at most "
        what = "lower bound"
    else:
        shown = unit.change
        text += (
            f": {unit.number(verdict.candidate)} compared with {unit.number(verdict.baseline)}, "
            f"{shown(verdict.difference)} where "
        )
        what = "lower bound of the change"
    text += f"{shown(verdict.bound)} is "
    text += "required" if verdict.rule.is_gain else "allowed"
    return text if lower is None else f"{text}; {what} {shown(lower)}"


def detectable_sentence(verdict: Verdict) -> str:
    """The smallest increase that is detected with the power `POWER`; it must be known."""
    unit, name, least = verdict.rule.subject.unit, verdict.rule.subject_text, verdict.detectable
    assert least is not None
    if verdict.rule.is_limit:
        what = f"a value of {unit.value(least)} or more in {name}"
    elif verdict.rule.is_gain:
        what = f"a change of {unit.change(least)} or more in {name}"
    else:
        what = f"an increase of {unit.change(least).removeprefix('+')} in {name}"
    return f"{what} is detected with {as_share(POWER)} power"


def why_inconclusive(verdict: Verdict) -> str:
    """Why an inconclusive rule cannot be decided with these images."""
    if verdict.is_over:
        what = "misses the required gain" if verdict.rule.is_gain else "exceeds what is allowed"
        return f"the estimate {what}, but not significantly"
    if verdict.rule.is_limit:
        return "the confidence interval contains the limit"
    change = verdict.rule.subject.unit.change(verdict.upper_bound or 0.0)
    return f"too few images, the change may be up to {change}"


def change_to_plan(verdict: Verdict) -> str | None:
    """The `--change` with which `gnlbench plan` computes how many images decide the rule.

    None for limits, metrics stored by block, and missing cells, for which it cannot.

    If the rule allows no increase, it is the increase that was found. If it requires a decrease, it
    is an increase of that size, which is equally hard to detect."""
    rule = verdict.rule
    # Plans are made from the paired differences of single images.
    if rule.is_limit or not rule.subject.is_kept_by_image:
        return None
    if verdict.is_narrowed:
        return None
    if rule.threshold > 0:
        return rule.text
    if rule.threshold < 0:
        return rule.text.replace("-", "+", 1)
    unit = rule.subject.unit
    # An increase of 0 would need infinitely many images.
    hundredths = max(0.01, round(float(unit.number(verdict.estimate)), 2))
    return f"{rule.subject_text}:+{hundredths:g}{unit.rule_unit}"


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """The raw values of one rule by the keys of JSON and CSV."""
    return {
        "rule": verdict.rule.text,
        "passed": verdict.passed,
        # The estimate exceeds what is allowed, but not significantly.
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
    """The texts of one rule, in its own unit."""
    unit, bound = verdict.rule.subject.unit, verdict.lower_bound
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


def verdict_check(verdict: Verdict) -> Check:
    """The rule as a test of a CI server."""
    message, details = verdict_sentence(verdict), ""
    if verdict.status != "failed":
        known = [detectable_sentence(verdict)] if verdict.detectable is not None else []
        details = "; ".join([message, *known])
    reason = why_inconclusive(verdict) if verdict.status == "inconclusive" else ""
    return Check(verdict.rule.text, verdict.status, message, reason, details)
