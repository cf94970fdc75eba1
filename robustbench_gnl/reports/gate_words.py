"""What a gate found, in the sentences that someone decides by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustbench_gnl.reports.chance import chance_lines
from robustbench_gnl.reports.formats import as_count
from robustbench_gnl.reports.gate_rows import change_to_plan, inside_noise, name_of, seen
from robustbench_gnl.reports.run_parts import reference_sentence, warning_lines
from robustbench_gnl.statistics.rules import KINDS, RATIOS

if TYPE_CHECKING:
    from robustbench_gnl.records import Run
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Verdict


def headline(report: GateReport) -> str:
    """The answer."""
    if report.is_the_baseline:
        return f"PASSED: {report.name} is the baseline itself, so nothing was compared"
    n_rules = len(report.verdicts)
    n_failed = sum(not verdict.passed for verdict in report.verdicts)
    n_noisy = sum(map(inside_noise, report.verdicts))
    what, where = f"{report.name} against {report.baseline_name}", _where(report)
    if n_failed:
        broken = "its rule" if n_rules == 1 else f"{n_failed} of {n_rules} rules"
        return f"FAILED: {what} breaks {broken}{where}"
    if n_noisy:
        over = "its rule" if n_rules == 1 else f"{n_noisy} of {n_rules} rules"
        return (
            f"PASSED: {what}: {over} {'is' if n_noisy == 1 else 'are'} exceeded{where}, by no "
            f"more than the noise of {_these_images(report)}"
        )
    return f"PASSED: {what} keeps {'its rule' if n_rules == 1 else f'its {n_rules} rules'}{where}"


def notes_of(report: GateReport) -> list[str]:
    """What the table does not say: the way it was decided, and what it could have seen."""
    notes = [_how_it_was_decided(report)]
    noisy = [verdict for verdict in report.verdicts if inside_noise(verdict)]
    if noisy:
        names = ", ".join(verdict.rule.text for verdict in noisy)
        notes.append(f"Over what is allowed, but inside the noise, so not failed: {names}.")
    notes += [*_what_was_compared(report), *_what_was_seen(report)]
    if report.left_out:
        n_cells = len(report.left_out)
        notes.append(
            "Left out, because not both runs have "
            + ("it: 1 cell." if n_cells == 1 else f"them: {n_cells} cells.")
        )
    if has_ratios(report):
        notes.append(f"{reference_sentence(report.reference)}.")
    if noisy:
        notes.append(_what_would_tell(report, noisy))
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
    counts = {
        verdict.n_cells
        for verdict in report.verdicts
        if verdict.rule.field in KINDS
        and (verdict.rule.selection is None or verdict.n_cells < len(verdict.rule.selection))
    }
    if not counts:
        return ""
    if len(counts) > 1:
        return " on the cells that both have"
    (n_cells,) = counts
    return f" on the {'one cell' if n_cells == 1 else f'{n_cells} cells'} that both have"


def _how_it_was_decided(report: GateReport) -> str:
    if report.strict:
        return "A rule fails when the estimate is over what it allows, noise or not."
    return (
        "A rule fails when the estimate is over what it allows and the lower bound of the rise is "
        f"above 0, at level {report.alpha:g}"
        + (" for all rules together" if len(report.verdicts) > 1 else "")
        + "; p is of a rise above 0, not above what is allowed."
    )


def _what_was_compared(report: GateReport) -> list[str]:
    notes = [
        f"{name} is unfinished: not all the cells that it was begun for are there."
        for name, run in _runs_by_name(report).items()
        if run.finished_at is None
    ]
    if report.is_the_baseline:
        return notes
    notes += [
        line for name, run in _runs_by_name(report).items() for line in chance_lines(run, name)
    ]
    if report.same_checkpoint:
        checkpoint = report.run.model.checkpoint_sha256[:8]
        notes.append(f"Both runs are of the same checkpoint, {checkpoint}.")
    if report.answers_alike:
        notes.append("The two runs answer alike on every image.")
    return notes


def _runs_by_name(report: GateReport) -> dict[str, Run]:
    return {report.baseline_name: report.baseline, report.name: report.run}


def _what_was_seen(report: GateReport) -> list[str]:
    """What a gate of these images could have seen, and where that is far from the rule."""
    notes = []
    for verdict in report.verdicts:
        if verdict.detectable is not None:
            too_few = (
                f"; too few images for {verdict.rule.text}"
                if verdict.passed and 0 < 2 * verdict.allowed < verdict.detectable
                else ""
            )
            notes.append(f"With {_these_images(report)} {seen(verdict)}{too_few}.")
    untold = [name_of(verdict) for verdict in report.verdicts if verdict.detectable is None]
    if untold and not report.answers_alike:
        notes.append(
            f"What rise in {', '.join(untold)} would have been seen, these images do not tell."
        )
    return notes


def _what_would_tell(report: GateReport, noisy: Sequence[Verdict]) -> str:
    changes = [change for verdict in noisy if (change := change_to_plan(verdict))]
    if not changes or report.protocol.n_images < 2:
        return "More images would tell."
    words = [*report.plan_words, *(word for change in changes for word in ("--change", change))]
    return f"More images would tell: `{shlex.join(words)}` says how many."
