"""The report of a gate: its outcome, a row for each rule, and what the images can detect."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import SCHEMA_VERSION, Protocol, Run
from robustbench_gnl.reports.document import (
    CHECK_COMMAND,
    Check,
    Checks,
    Column,
    Document,
    Heading,
    Notes,
    Paragraph,
    Records,
    Table,
)
from robustbench_gnl.reports.formatting import as_p_value
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    protocol_warnings,
    reference_sentences,
)
from robustbench_gnl.reports.verdict import (
    change_to_plan,
    detectable_sentence,
    verdict_check,
    verdict_row,
    verdict_texts,
    why_inconclusive,
)
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Verdict
    from robustbench_gnl.statistics.gate import Status

RECORD_COLUMNS = (
    *("rule", "passed", "inside_noise", "baseline", "run", "difference", "allowed"),
    *("lower_bound", "p_value", "p_holm", "detectable", "n_cells", "n_images_differing", "method"),
    *("reference", "same_checkpoint", "verdict", "upper_bound", "limit"),
)


@dataclass(frozen=True)
class GateReport:
    """The rules that were tested on a run and its baseline."""

    name: str
    run: Run
    baseline_name: str | None
    baseline: Run | None
    """None if every rule is a limit."""
    verdicts: tuple[Verdict, ...]
    alpha: float
    strict: bool
    reference: str
    """Name of the reference, whose errors CE divides by."""
    has_same_errors: bool
    """Whether both runs have the same errors on every image."""
    left_out: tuple[str, ...] = ()
    """Cells that only one of the runs has, if rules were restricted to shared cells."""
    plan_words: tuple[str, ...] = ("gnlbench", "plan")
    """The command that plans with these two runs."""
    fail_inconclusive: bool = False
    """Whether an inconclusive rule counts as a failure."""

    @property
    def is_the_baseline(self) -> bool:
        """Whether the run is its own baseline, as that of a first release may be."""
        return self.baseline is not None and self.run.id == self.baseline.id

    @property
    def same_checkpoint(self) -> bool:
        checkpoint = self.run.model.checkpoint_sha256
        return self.baseline is not None and checkpoint == self.baseline.model.checkpoint_sha256

    @property
    def has_limits(self) -> bool:
        return any(verdict.rule.is_limit for verdict in self.verdicts)

    def count(self, status: Status) -> int:
        """The number of rules with this verdict."""
        return sum(verdict.status == status for verdict in self.verdicts)

    @property
    def status(self) -> Status:
        """`failed` if any rule failed, else `inconclusive` if any rule is."""
        if self.count("failed"):
            return "failed"
        return "inconclusive" if self.count("inconclusive") else "passed"

    @property
    def passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.status == "passed" or (
            self.status == "inconclusive" and not self.fail_inconclusive
        )

    @property
    def protocol(self) -> Protocol:
        return self.run.protocol


def gate_document(report: GateReport) -> Document:
    """The report, with a check for each rule."""
    title, notes = headline(report), notes_of(report)
    has_ratios = _has_ratios(report)
    table = Table(
        _columns(report),
        tuple(verdict_texts(verdict) for verdict in report.verdicts),
        # Complete by itself, since a table may be copied without the text around it.
        caption=". ".join([title, *(reference_sentences(report.reference) if has_ratios else ())]),
    )
    both = {"reference": report.reference, "same_checkpoint": report.same_checkpoint}
    return Document(
        title,
        (Heading(title, report.status), table, Notes(tuple(notes))),
        _data(report, notes),
        Records(RECORD_COLUMNS, [{**verdict_row(one), **both} for one in report.verdicts]),
        Checks(
            _subject(report),
            tuple(map(verdict_check, report.verdicts)),
            summary=(title, *notes),
            fail_inconclusive=report.fail_inconclusive,
        ),
    )


def failure_document(kind: str, message: str, rule: str | None = None) -> Document:
    """The report of a gate that could not decide.

    Args:
        kind: Name of the error's class.
        rule: The rule that could not be tested, if the error is about one.
    """
    title = f"{CHECK_COMMAND} could not decide"
    check = Check(rule or CHECK_COMMAND, "error", message, kind=kind)
    return Document(
        title,
        (Heading(title), Paragraph(message)),
        {"schema_version": SCHEMA_VERSION, "error": message, "kind": kind},
        Records(("kind", "error"), [{"kind": kind, "error": message}]),
        Checks(CHECK_COMMAND, (check,)),
    )


def _data(report: GateReport, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "passed": report.passed,
        "alpha": report.alpha,
        "strict": report.strict,
        "run": {"name": report.name, "run_id": report.run.id},
        "baseline": report.baseline
        and {"name": report.baseline_name, "run_id": report.baseline.id},
        "protocol": {"name": report.protocol.name, "fingerprint": report.protocol.fingerprint},
        "n_images": report.protocol.n_images,
        "reference": report.reference,
        "same_checkpoint": report.same_checkpoint,
        "cells_left_out": list(report.left_out),
        "rules": [verdict_row(verdict) for verdict in report.verdicts],
        "notes": list(notes),
        "verdict": report.status,
        "fail_inconclusive": report.fail_inconclusive,
    }


def _columns(report: GateReport) -> tuple[Column, ...]:
    """The columns, without those that would be empty. The p-value of a single rule is not
    corrected."""
    changes = (Column("baseline", "baseline"),), (Column("difference", "difference"),)
    has_changes = any(verdict.limit is None for verdict in report.verdicts)
    # A limit has no baseline; beside other rules these cells of it stay empty.
    before, between = changes if has_changes else ((), ())
    p_title, p_head = ("p", "") if len(report.verdicts) == 1 else ("p (Holm)", "p\n(Holm)")
    tests = (
        Column("lower_bound", "lower bound", head="lower\nbound"),
        Column("p_holm", p_title, format=as_p_value, droppable="p", head=p_head),
    )
    return (
        Column("rule", "rule", "left", is_key=True),
        *before,
        Column("run", "run"),
        *between,
        Column("allowed", "allowed"),
        *(() if report.strict else tests),
        Column("verdict", "verdict", "left"),
    )


def headline(report: GateReport) -> str:
    """The outcome in one line."""
    # Not a failure: the first release of a model is compared with itself.
    if report.is_the_baseline and not report.has_limits:
        return f"PASSED: {report.name} is the baseline itself, so nothing was compared"
    n_rules, what, where = len(report.verdicts), _subject(report), _where(report)
    n_failed, n_open = report.count("failed"), report.count("inconclusive")
    if n_failed:
        violated = "its rule" if n_rules == 1 else f"{n_failed} of {n_rules} rules"
        return f"FAILED: {what} violates {violated}{where}"
    if n_open:
        rules = "its rule" if n_rules == 1 else f"{n_open} of {n_rules} rules"
        # The word agrees with the exit code: 0, unless inconclusive rules are to fail.
        answer = "INCONCLUSIVE" if report.fail_inconclusive else "PASSED"
        return (
            f"{answer}: {what}: {rules} {'is' if n_open == 1 else 'are'} inconclusive{where} "
            f"with {_these_images(report)}"
        )
    satisfied = {1: "its rule", 2: "both rules"}.get(n_rules, f"all {n_rules} rules")
    return f"PASSED: {what} satisfies {satisfied}{where}"


def _subject(report: GateReport) -> str:
    """`new compared with old`, or `new` without a baseline."""
    if report.baseline_name is None:
        return report.name
    return f"{report.name} compared with {report.baseline_name}"


def notes_of(report: GateReport) -> list[str]:
    """Notes on how the gate decided, and on what it could have detected."""
    notes = _how_it_was_decided(report)
    undecided = [verdict for verdict in report.verdicts if verdict.is_inconclusive]
    if undecided:
        reasons = "; ".join(f"{one.rule.text} ({why_inconclusive(one)})" for one in undecided)
        hint = "" if report.fail_inconclusive else " With --fail-inconclusive the exit code is 2."
        notes.append(f"Inconclusive: {reasons}.{hint}")
    notes += [*_what_was_compared(report), *_what_is_detected(report)]
    if report.left_out:
        which = "it" if len(report.left_out) == 1 else "them"
        n_cells = counted(len(report.left_out), "cell")
        notes.append(f"Left out, because not both runs have {which}: {n_cells}.")
    if _has_ratios(report):
        notes += [f"{sentence}." for sentence in reference_sentences(report.reference)]
    if undecided:
        notes.append(_how_many_images(report, undecided))
    return [*notes, *protocol_warnings(report.protocol)]


def _has_ratios(report: GateReport) -> bool:
    """Whether a rule is about a metric that divides by the errors of the reference."""
    return any(verdict.rule.subject.is_ratio for verdict in report.verdicts)


def _these_images(report: GateReport) -> str:
    n_images = report.protocol.n_images
    return "this one image" if n_images == 1 else f"these {counted(n_images, 'image')}"


def _where(report: GateReport) -> str:
    """On which cells, if rules were restricted to those that both runs have."""
    if not report.left_out:
        return ""
    counts = {
        verdict.n_cells
        for verdict in report.verdicts
        if verdict.rule.can_be_narrowed and (verdict.rule.name is None or verdict.is_narrowed)
    }
    if not counts:
        return ""
    if len(counts) > 1:
        return " on the cells that both have"
    (n_cells,) = counts
    return f" on the {'one cell' if n_cells == 1 else counted(n_cells, 'cell')} that both have"


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
        line for name, run in _runs_by_name(report).items() for line in chance_sentences(run, name)
    ]
    if report.same_checkpoint:
        checkpoint = report.run.model.checkpoint_sha256[:8]
        notes.append(f"Both runs are of the same checkpoint, {checkpoint}.")
    if report.has_same_errors:
        notes.append("Both runs have the same errors on every image.")
    if report.baseline is not None and all(one.rule.is_limit for one in report.verdicts):
        notes.append(f"No rule compares with {report.baseline_name}: all are limits.")
    return notes


def _runs_by_name(report: GateReport) -> dict[str, Run]:
    runs = {} if report.baseline is None else {str(report.baseline_name): report.baseline}
    return runs | {report.name: report.run}


def _what_is_detected(report: GateReport) -> list[str]:
    """What a gate with these images can detect, and which rules need more images."""
    if report.strict:
        return []
    notes = []
    for verdict in report.verdicts:
        if verdict.detectable is not None:
            # No number of images would decide a rule about a change of exactly 0.
            is_coarse = verdict.is_inconclusive and verdict.rule.threshold != 0
            too_few = (
                f"; too few images for {verdict.rule.text}"
                if is_coarse and not verdict.rule.is_limit and verdict.has_too_few_images
                else ""
            )
            notes.append(f"With {_these_images(report)} {detectable_sentence(verdict)}{too_few}.")
    unknown = [one.rule.subject_text for one in report.verdicts if one.detectable is None]
    if unknown and not report.has_same_errors:
        notes.append(f"These images do not show what would be detected in {', '.join(unknown)}.")
    return notes


def _how_many_images(report: GateReport, undecided: Sequence[Verdict]) -> str:
    changes = [change for verdict in undecided if (change := change_to_plan(verdict))]
    # `plan` needs a standard deviation, which a single image does not have.
    if not changes or report.protocol.n_images < 2:
        return "More images are needed to decide."
    words = [*report.plan_words, *(word for change in changes for word in ("--change", change))]
    return f"More images are needed to decide: `{shlex.join(words)}` says how many."
