"""What a gate found, in the sentences that someone decides by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustbench_gnl.reports.chance import chance_lines
from robustbench_gnl.reports.formats import as_count
from robustbench_gnl.reports.gate_rows import change_to_plan, detectable_sentence, why_inconclusive
from robustbench_gnl.reports.run_parts import reference_sentence, warning_lines
from robustbench_gnl.statistics.rules import KINDS, RATIOS
from robustbench_gnl.suites import get_suite

if TYPE_CHECKING:
    from robustbench_gnl.records import Run
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Verdict


def headline(report: GateReport) -> str:
    """The answer."""
    if report.is_the_baseline and not report.has_limits:
        return f"PASSED: {report.name} is the baseline itself, so nothing was compared"
    n_rules, what, where = len(report.verdicts), subject(report), _where(report)
    n_failed, n_open = report.count("failed"), report.count("inconclusive")
    if n_failed:
        violated = "its rule" if n_rules == 1 else f"{n_failed} of {n_rules} rules"
        return f"FAILED: {what} violates {violated}{where}"
    if n_open:
        rules = "its rule" if n_rules == 1 else f"{n_open} of {n_rules} rules"
        answer = "INCONCLUSIVE" if report.fail_inconclusive else "PASSED"
        return (
            f"{answer}: {what}: {rules} {'is' if n_open == 1 else 'are'} inconclusive{where} "
            f"with {_these_images(report)}"
        )
    satisfied = {1: "its rule", 2: "both rules"}.get(n_rules, f"all {n_rules} rules")
    return f"PASSED: {what} satisfies {satisfied}{where}"


def subject(report: GateReport) -> str:
    """`new compared with old`, or `new` alone."""
    if report.baseline_name is None:
        return report.name
    return f"{report.name} compared with {report.baseline_name}"


def notes_of(report: GateReport) -> list[str]:
    """What the table does not say: how it was decided, and what could have been detected."""
    notes = _how_it_was_decided(report)
    undecided = [verdict for verdict in report.verdicts if verdict.is_inconclusive]
    if undecided:
        reasons = "; ".join(f"{one.rule.text} ({why_inconclusive(one)})" for one in undecided)
        hint = "" if report.fail_inconclusive else " With --fail-inconclusive the exit code is 2."
        notes.append(f"Inconclusive: {reasons}.{hint}")
    notes += [*_what_was_compared(report), *_what_is_detected(report)]
    if report.left_out:
        n_cells = len(report.left_out)
        notes.append(
            "Left out, because not both runs have "
            + ("it: 1 cell." if n_cells == 1 else f"them: {n_cells} cells.")
        )
    if has_ratios(report):
        notes.append(f"{reference_sentence(report.reference)}.")
    if undecided:
        notes.append(_how_many_images(report, undecided))
    return [*notes, *warning_lines(report.protocol)]


def has_ratios(report: GateReport) -> bool:
    """Whether a rule is about a number that is divided by the reference's."""
    return any(verdict.rule.field in RATIOS for verdict in report.verdicts)


def _these_images(report: GateReport) -> str:
    n_images = report.protocol.n_images
    return "this one image" if n_images == 1 else f"these {as_count(n_images)} images"


def _where(report: GateReport) -> str:
    """Of rules that were narrowed to the cells that both runs have."""
    if not report.left_out:
        return ""
    suite = get_suite(report.protocol.suite)
    counts = {
        verdict.n_cells
        for verdict in report.verdicts
        if verdict.rule.field in KINDS
        and not verdict.rule.is_limit
        and ((chosen := verdict.rule.selection(suite)) is None or verdict.n_cells < len(chosen))
    }
    if not counts:
        return ""
    if len(counts) > 1:
        return " on the cells that both have"
    (n_cells,) = counts
    return f" on the {'one cell' if n_cells == 1 else f'{n_cells} cells'} that both have"


def _how_it_was_decided(report: GateReport) -> list[str]:
    if report.strict:
        return [
            "A rule fails when the estimate is above what it allows, significant or not (--strict)."
        ]
    rules = [verdict.rule for verdict in report.verdicts]
    level = f"at level {report.alpha:g}" + (" for all rules together" if len(rules) > 1 else "")
    notes = []
    if any(not rule.is_limit and not rule.is_gain for rule in rules):
        notes.append(
            "A rule fails when the estimate is above what it allows and the increase is "
            f"statistically significant: its lower bound is above 0, {level}. p is of an increase "
            "above 0, not above what is allowed."
        )
    if any(rule.is_gain for rule in rules):
        notes.append(
            "A required gain fails when the change is significantly above it: its lower bound is "
            f"above the required change, {level}."
        )
    if any(rule.is_limit for rule in rules):
        notes.append(
            "A limit fails when the value is significantly above it: its lower bound is above the "
            f"limit, {level}."
        )
    return notes


def _what_was_compared(report: GateReport) -> list[str]:
    notes = [
        f"{name} is unfinished: not all the cells that it was begun for are there."
        for name, run in _runs_by_name(report).items()
        if run.finished_at is None
    ]
    if report.is_the_baseline:
        if report.has_limits:
            notes.append(f"{report.name} is the baseline itself, so nothing was compared with it.")
        return notes
    notes += [
        line for name, run in _runs_by_name(report).items() for line in chance_lines(run, name)
    ]
    if report.same_checkpoint:
        checkpoint = report.run.model.checkpoint_sha256[:8]
        notes.append(f"Both runs are of the same checkpoint, {checkpoint}.")
    if report.answers_alike:
        notes.append("Both runs have the same errors on every image.")
    if report.baseline is not None and all(one.rule.is_limit for one in report.verdicts):
        notes.append(f"No rule compares with {report.baseline_name}: all are limits.")
    return notes


def _runs_by_name(report: GateReport) -> dict[str, Run]:
    runs = {} if report.baseline is None else {str(report.baseline_name): report.baseline}
    return runs | {report.name: report.run}


def _what_is_detected(report: GateReport) -> list[str]:
    """What a gate of these images can detect, and where that is far from the rule."""
    if report.strict:
        return []
    notes = []
    for verdict in report.verdicts:
        if verdict.detectable is not None:
            is_coarse = verdict.is_inconclusive and verdict.rule.threshold != 0
            too_few = (
                f"; too few images for {verdict.rule.text}"
                if is_coarse and not verdict.rule.is_limit and verdict.has_too_few_images
                else ""
            )
            notes.append(f"With {_these_images(report)} {detectable_sentence(verdict)}{too_few}.")
    unknown = [one.rule.field_text for one in report.verdicts if one.detectable is None]
    if unknown and not report.answers_alike:
        notes.append(f"These images do not show what would be detected in {', '.join(unknown)}.")
    return notes


def _how_many_images(report: GateReport, undecided: Sequence[Verdict]) -> str:
    changes = [change for verdict in undecided if (change := change_to_plan(verdict))]
    if not changes or report.protocol.n_images < 2:
        return "More images are needed to decide."
    words = [*report.plan_words, *(word for change in changes for word in ("--change", change))]
    return f"More images are needed to decide: `{shlex.join(words)}` says how many."
