"""The rules of `gnlbench check`, tested on a run that is stored or evaluated first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from robustbench_gnl.cli._evaluation_options import EvaluationOptions
from robustbench_gnl.cli._given import GivenRun, given_runs, names_of
from robustbench_gnl.cli._options import DEFAULT_STORE
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.errors import UsageError

if TYPE_CHECKING:
    from robustbench_gnl.evaluation import Session
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Rule


@dataclass(frozen=True)
class GateRequest:
    """The options of `gnlbench check`, besides those of an evaluation."""

    run: str | None
    """None: the model of the evaluation options is evaluated."""
    baseline: str | None
    rules: Sequence[str]
    reference: Path | None
    db: str
    alpha: float
    strict: bool
    common_cells: bool
    fail_inconclusive: bool


def gate_report(
    context: typer.Context, options: EvaluationOptions, request: GateRequest
) -> GateReport:
    """The rules tested on the run and its baseline.

    Raises:
        UsageError: The options contradict each other, a run or cell is missing, the runs cannot be
            compared, or a run that would pass does not show that the model is as good.
    """
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import check_comparable, parse_rules, verdicts_of

    rules = parse_rules(request.rules)
    divisor = chosen_reference(request.reference)
    evaluates = bool(options.model or options.ckpt or options.pretrained)
    _check_options(request, rules, evaluates=evaluates)
    base = None if request.baseline is None else given_runs([request.baseline], request.db)[0]
    run = request.run
    if run is None:
        run = _evaluated(context, options, request, rules, base)
    (candidate,) = given_runs([run], request.db)
    note_unused_reference(request.reference, [candidate.run])
    if base is None:
        name, baseline_name = candidate.run.model.name, None
    else:
        name, baseline_name = names_of([candidate.run, base.run])
        check_comparable([(baseline_name, base.run), (name, candidate.run)])
    divisor = divisor.for_protocol(candidate.run.protocol)
    verdicts = verdicts_of(
        rules,
        None if base is None else base.outcomes,
        candidate.outcomes,
        divisor,
        alpha=request.alpha,
        strict=request.strict,
        common_cells=request.common_cells,
        block_size=(base or candidate).run.block_size,
    )
    report = GateReport(
        name=name,
        run=candidate.run,
        baseline_name=baseline_name,
        baseline=None if base is None else base.run,
        verdicts=verdicts,
        alpha=request.alpha,
        strict=request.strict,
        reference=divisor.name,
        has_same_errors=base is not None and _same_errors(base, candidate),
        left_out=_left_out(rules, base, candidate) if request.common_cells and base else (),
        plan_words=_plan_words(request, run, len(rules)),
        fail_inconclusive=request.fail_inconclusive,
    )
    _check_no_gain_over_itself(report)
    # After the rules: a regression that was found is the better answer.
    if report.passed:
        _check_not_near_chance(report)
    return report


def _check_options(request: GateRequest, rules: Sequence[Rule], *, evaluates: bool) -> None:
    """Refuse options that contradict each other, before anything is read.

    Args:
        evaluates: The options of an evaluation name a model.

    Raises:
        UsageError: Two options contradict each other.
    """
    from robustbench_gnl.statistics.rules import no_baseline

    if request.strict and request.fail_inconclusive:
        raise UsageError(
            "expected --strict or --fail-inconclusive, got both: by the estimate alone every rule "
            "is decided, so leave one out"
        )
    if request.baseline is None:
        if changes := [rule for rule in rules if not rule.is_limit]:
            raise no_baseline(changes)
        if request.common_cells:
            raise UsageError("--common-cells needs a --baseline to have cells in common with")
    if (request.run is None) != evaluates:
        raise UsageError(
            "expected either RUN, or --model with --ckpt and --data to evaluate one; got "
            + ("both" if evaluates else "neither")
        )


def _check_no_gain_over_itself(report: GateReport) -> None:
    """Refuse to test a required gain on a run that is its own baseline.

    Raises:
        UsageError: The run is its own baseline, and a rule requires a gain.
    """
    gains = [one.rule.text for one in report.verdicts if one.rule.is_gain]
    if gains and report.is_the_baseline:
        raise UsageError(
            f"{report.name} is the baseline itself, and {', '.join(gains)} requires a gain over "
            "it; name another --baseline",
            rule=gains[0],
        )


def _check_not_near_chance(report: GateReport) -> None:
    """Refuse to pass a model whose predictions are near chance: relative numbers fall when the
    clean error rises, and with few images no rule may detect it.

    Raises:
        UsageError: The model is near chance, and no rule would notice.
    """
    from robustbench_gnl.metrics import is_run_near_chance
    from robustbench_gnl.metrics.catalogue import CLEAN_ERROR
    from robustbench_gnl.reports.sentences import chance_sentences
    from robustbench_gnl.suites import suite_of

    was_so = report.baseline is not None and is_run_near_chance(report.baseline)
    if is_run_near_chance(report.run) and not was_so:
        (guesses,) = chance_sentences(report.run, report.name)
        suite = suite_of(report.protocol)
        error = CLEAN_ERROR.key if suite.has_clean else suite.ranked_by[0]
        rule = f"{error}<=25%" if report.baseline is None else f"{error}:+1pp"
        raise UsageError(
            f"{guesses.removesuffix('.')}, and no rule fails for it; look at the checkpoint, the "
            f"order of its classes and its normalisation, and add the rule {rule}"
        )


def _left_out(rules: Sequence[Rule], one: GivenRun, other: GivenRun) -> tuple[str, ...]:
    """Cells that a rule looks at in both runs, or that one run has, and that not both have."""
    from robustbench_gnl.suites import suite_of

    # Cells that neither run has count too, where a rule names them.
    has = set(one.outcomes.conditions), set(other.outcomes.conditions)
    narrowed = [rule for rule in rules if rule.can_be_narrowed]
    suite = suite_of(one.run.protocol)
    named = {cell for rule in narrowed for cell in rule.selection(suite) or ()}
    return tuple(map(str, sorted((has[0] | has[1] | named) - (has[0] & has[1]))))


def _plan_words(request: GateRequest, run: str, n_rules: int) -> tuple[str, ...]:
    """The command that plans from the runs, at the level of one of the rules."""
    from robustbench_gnl.levels import ALPHA

    db, reference, alpha = request.db, request.reference, request.alpha / n_rules
    # A URL may hold a password, and a store in the environment need not be named.
    is_known = db in (str(DEFAULT_STORE), os.environ.get("GNLBENCH_DB")) or "://" in db
    store = () if is_known else ("--db", db)
    divisor = () if reference is None else ("--reference", str(reference))
    level = () if alpha == ALPHA else ("--alpha", f"{alpha:.3g}")
    pair = () if request.baseline is None else ("--against", request.baseline)
    return ("gnlbench", "plan", run, *pair, *store, *divisor, *level)


def _evaluated(
    context: typer.Context,
    options: EvaluationOptions,
    request: GateRequest,
    rules: Sequence[Rule],
    baseline: GivenRun | None,
) -> str:
    """The id of the run of the model, evaluated if it is not stored.

    Whatever would make the result useless is refused first: a rule that can never be tested, cells
    that the run will lack, or a baseline of another protocol or other files.
    """
    from robustbench_gnl.cli._session import evaluated_runs, requested_session
    from robustbench_gnl.statistics import cells_of, check_protocols, verdicts_of

    changes = [rule for rule in rules if not rule.is_limit]
    # Compared with itself the baseline passes every rule that can be tested at all.
    if baseline is not None and changes:
        verdicts_of(
            changes,
            baseline.outcomes,
            baseline.outcomes,
            chosen_reference(request.reference).for_protocol(baseline.run.protocol),
            alpha=request.alpha,
            strict=request.strict,
            common_cells=request.common_cells,
            block_size=baseline.run.block_size,
        )
    models = options.model_requests()
    if len(models) != 1:
        raise UsageError(f"expected one --model to check, got {len(models)}; check them one by one")
    data, settings = options.data_request(context), options.settings()
    with requested_session(models, data, settings, request.db) as session:
        (model,) = session.models
        if baseline is not None:
            check_protocols(
                [("the baseline", baseline.run.protocol), ("this evaluation", model.protocol)]
            )
            _check_same_files(session, baseline)
        session.find_stored_runs()
        stored = (condition for _, condition in model.stored)
        cells = tuple(dict.fromkeys([*session.conditions, *stored]))
        of_baseline = None if baseline is None else baseline.outcomes.conditions
        for rule in rules:
            cells_of(rule, session.source.suite, of_baseline, cells, request.common_cells)
        (run,) = evaluated_runs(session, request.db)
    return run.id


def _check_same_files(session: Session, baseline: GivenRun) -> None:
    """Refuse to evaluate other files than the baseline read under the same names.

    Raises:
        UsageError: The files differ from those that the baseline read.
    """
    difference = session.difference_from(baseline.run, baseline.contents)
    if difference is not None:
        raise UsageError(
            "the baseline read other image files of the same names than those in "
            f"{session.source.root} (the first difference found: {difference}), so the numbers "
            "would not be comparable; give the files of the baseline, or evaluate it on these"
        )


def _same_errors(one: GivenRun, other: GivenRun) -> bool:
    from robustbench_gnl.statistics import common_cells

    cells = common_cells(one.outcomes, other.outcomes)
    return bool((one.outcomes.only(cells).wrong == other.outcomes.only(cells).wrong).all())
