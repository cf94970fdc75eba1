"""`gnlbench check`: regression rules for CI, tested for statistical significance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._errors import leave_stdout
from robustbench_gnl.cli._evaluation_options import EvaluationOptions, with_evaluation_options
from robustbench_gnl.cli._given import GIVEN_HELP, GivenRun, given_runs, names_of
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit, say
from robustbench_gnl.cli._reference import chosen_reference
from robustbench_gnl.cli._run_files import append, write_whole
from robustbench_gnl.errors import GnlbenchError, StoreError, UsageError

if TYPE_CHECKING:
    from robustbench_gnl.evaluation import Session
    from robustbench_gnl.records import Condition
    from robustbench_gnl.reports.document import Document
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Rule
    from robustbench_gnl.suites import Suite

EXIT_REGRESSION, EXIT_INCONCLUSIVE = 1, UsageError.exit_code
STEP_SUMMARY, IN_A_WORKFLOW = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"
GATE = "Gate"

HELP = (
    "Compare a run with a baseline, and exit with 1 if it violates a regression rule by a "
    "statistically significant amount.\n\n"
    "FIELD:+NUMBER is how far a metric may rise above that of the baseline: `mCE:+0.5`, "
    "`relative_mCE:+1`, `CE\\[fog]:+2` (points), `error:+2pp`, `clean_error:+0.5pp`, "
    "`error\\[fog]:+1pp`, `error\\[blur,5]:+2pp` (percentage points), `top5_error:+1pp`, "
    "`nll:+0.1nats`, `ece:+10%` (% is of the baseline's value). FIELD:-NUMBER is a gain that is "
    "required: `mCE:-0.5`. FIELD<=NUMBER is a limit that needs no baseline: `mCE<=70`, "
    "`clean_error<=25%`, `error\\[fog]<=60%`, `nll<=2.5nats`, `ece<=0.05`; quote it, because < is "
    "a redirection in the shell. On a natural distribution shift write `top1_error:+1pp`.\n\n"
    "A rule that cannot be decided with these images is inconclusive; the command then fails only "
    "with --fail-inconclusive. Instead of RUN, give --model with --ckpt and --data to evaluate a "
    "model first. With GITHUB_ACTIONS=true the rules that did not pass are printed as annotations "
    "of the workflow.\n\n"
    "Exit codes: 0 no rule failed, 1 one did, 2 a run or cell is missing, the runs cannot be "
    "compared, or with --fail-inconclusive a rule is inconclusive; 3 the data, 4 the model, 5 the "
    "store or the baseline's file.\n\n"
    "Example: `gnlbench check new.json --baseline baseline.json --fail-on mCE:+0.5 "
    "--fail-on 'clean_error<=25%'`"
)


@app.command(help=HELP)
@with_evaluation_options
def check(
    context: typer.Context,
    options: EvaluationOptions,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help=GIVEN_HELP, show_default=False)
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|FILE",
            help="Run to compare with; limits such as mCE<=70 need none.",
            rich_help_panel=GATE,
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Regression rule; repeatable.", rich_help_panel=GATE),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            metavar="0-1",
            help="Significance level, for all rules together.",
            rich_help_panel=GATE,
        ),
    ] = 0.05,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail on the estimate alone, whether it is significant or not.",
            rich_help_panel=GATE,
        ),
    ] = False,
    fail_inconclusive: Annotated[
        bool,
        typer.Option(
            "--fail-inconclusive",
            help="Exit with 2 if a rule is inconclusive.",
            rich_help_panel=GATE,
        ),
    ] = False,
    common_cells: Annotated[
        bool,
        typer.Option(
            "--common-cells",
            help="Compute errors, ece and nll over the cells that both runs have.",
            rich_help_panel=GATE,
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write as JUnit XML: a test case for each rule.",
            rich_help_panel=GATE,
        ),
    ] = None,
    reference: ReferenceOption = None,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    from robustbench_gnl.reports.gate import gate_document

    with _errors_written_to(junit):
        report = _tested(
            context, options, run, baseline, fail_on or [], reference, db,
            alpha=alpha, strict=strict, common_cells=common_cells,
            fail_inconclusive=fail_inconclusive,
        )  # fmt: skip
    document = gate_document(report)
    try:
        emit(document, format)
    except BrokenPipeError:
        if report.passed:
            raise
        # Whoever reads stdout has closed it, but the exit code must still be that of the rules.
        # Else the interpreter would exit with another one, because it cannot flush.
        leave_stdout()
    try:
        _write_reports(junit, document)
    except (UsageError, StoreError) as failure:
        if report.passed:
            raise
        say(f"Warning: {failure}")
    if not report.passed:
        raise typer.Exit(EXIT_REGRESSION if report.status == "failed" else EXIT_INCONCLUSIVE)


def _write_reports(junit: Path | None, document: Document) -> None:
    """Write the result to where CI servers look for it, in the format that each of them reads.

    Raises:
        UsageError: It cannot be written there.
    """
    from robustbench_gnl.reports.render import render

    if os.environ.get(IN_A_WORKFLOW) == "true":
        # Read from stderr too, and stdout is for the document.
        for line in filter(None, render(document, "github").split("\n")):
            say(line)
    if junit is not None:
        write_whole(junit, render(document, "junit") + "\n", option="--junit")
    if os.environ.get(STEP_SUMMARY):
        append(Path(os.environ[STEP_SUMMARY]), render(document, "markdown") + "\n")


@contextmanager
def _errors_written_to(junit: Path | None) -> Iterator[None]:
    """Write errors to those files as well: else CI servers would show nothing, or the result of an
    earlier run."""
    from robustbench_gnl.reports.gate import failure_document

    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # an internal error is no pass either
        rule = error.values.get("rule") if isinstance(error, GnlbenchError) else None
        kind = type(error).__name__
        message = str(error) or kind
        try:
            _write_reports(junit, failure_document(kind, message, rule))
        except (UsageError, StoreError) as failure:
            say(f"Warning: {failure}")
        raise


def _tested(
    context: typer.Context,
    options: EvaluationOptions,
    run: str | None,
    baseline: str | None,
    fail_on: Sequence[str],
    reference: Path | None,
    db: str,
    *,
    alpha: float,
    strict: bool,
    common_cells: bool,
    fail_inconclusive: bool,
) -> GateReport:
    """The rules tested on the run and its baseline."""
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import cells_of, check_comparable, parse_rules, verdicts_of
    from robustbench_gnl.statistics.rules import no_baseline

    rules = parse_rules(fail_on)
    changes = [rule for rule in rules if not rule.is_limit]
    divisor = chosen_reference(reference)
    if strict and fail_inconclusive:
        raise UsageError(
            "expected --strict or --fail-inconclusive, got both: by the estimate alone every rule "
            "is decided, so leave one out"
        )
    if baseline is None:
        if changes:
            raise no_baseline(changes)
        if common_cells:
            raise UsageError("--common-cells needs a --baseline to have cells in common with")
    evaluates = bool(options.model or options.ckpt or options.pretrained)
    if (run is None) != evaluates:
        raise UsageError(
            "expected either RUN, or --model with --ckpt and --data to evaluate one; got "
            + ("both" if evaluates else "neither")
        )
    base = None if baseline is None else given_runs([baseline], db)[0]
    base_cells = None if base is None else base.outcomes.conditions
    tested = partial(
        verdicts_of, alpha=alpha, strict=strict, common_cells=common_cells,
    )  # fmt: skip
    if run is None:
        # A rule that can never be tested is refused before the evaluation.
        if base is not None and changes:
            tested(
                changes, base.outcomes, base.outcomes, block_size=base.run.block_size,
                reference=divisor.for_protocol(base.run.protocol),
            )  # fmt: skip

        def has_cells(suite: Suite, conditions: Sequence[Condition]) -> None:
            for rule in rules:
                cells_of(rule, suite, base_cells, conditions, common_cells)

        run = _evaluate(context, options, db, base, has_cells)
    (candidate,) = given_runs([run], db)
    block_size = candidate.run.block_size if base is None else base.run.block_size
    if base is None:
        name, baseline_name = candidate.run.model.name, None
    else:
        name, baseline_name = names_of([candidate.run, base.run])
        check_comparable([(baseline_name, base.run), (name, candidate.run)])
    outcomes = None if base is None else base.outcomes
    divisor = divisor.for_protocol(candidate.run.protocol)
    report = GateReport(
        name=name,
        run=candidate.run,
        baseline_name=baseline_name,
        baseline=None if base is None else base.run,
        verdicts=tested(
            rules, outcomes, candidate.outcomes, block_size=block_size, reference=divisor
        ),
        alpha=alpha,
        strict=strict,
        reference=divisor.name,
        answers_alike=base is not None and _same_errors(base, candidate),
        left_out=_left_out(rules, base, candidate) if common_cells and base is not None else (),
        plan_words=_plan_words(run, baseline, db, reference, alpha / len(rules)),
        fail_inconclusive=fail_inconclusive,
    )
    _check_no_gain_over_itself(report)
    if report.passed:
        _check_not_near_chance(report)
    return report


def _check_no_gain_over_itself(report: GateReport) -> None:
    """Refuse to test a required gain on a run that is its own baseline.

    Raises:
        UsageError: It is.
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
        UsageError: They have.
    """
    from robustbench_gnl.metrics import is_run_near_chance
    from robustbench_gnl.reports.sentences import chance_sentences

    was_so = report.baseline is not None and is_run_near_chance(report.baseline)
    if is_run_near_chance(report.run) and not was_so:
        (guesses,) = chance_sentences(report.run, report.name)
        rule = "clean_error<=25%" if report.baseline is None else "clean_error:+1pp"
        raise UsageError(
            f"{guesses.removesuffix('.')}, and no rule fails for it; look at the checkpoint, the "
            f"order of its classes and its normalisation, and add the rule {rule}"
        )


def _left_out(rules: Sequence[Rule], one: GivenRun, other: GivenRun) -> tuple[str, ...]:
    """Cells that a rule looks at in both runs, or that one run has, and that not both have."""
    from robustbench_gnl.suites import get_suite

    has = set(one.outcomes.conditions), set(other.outcomes.conditions)
    narrowed = [rule for rule in rules if rule.can_be_narrowed]
    suite = get_suite(one.run.protocol.suite)
    named = {cell for rule in narrowed for cell in rule.selection(suite) or ()}
    return tuple(map(str, sorted((has[0] | has[1] | named) - (has[0] & has[1]))))


def _plan_words(
    run: str, baseline: str | None, db: str, reference: Path | None, alpha: float
) -> tuple[str, ...]:
    """The command that plans from the runs, at the level of one of the rules."""
    from robustbench_gnl.statistics.power import ALPHA

    # A URL may hold a password, and a store in the environment need not be named.
    is_known = db in (str(DEFAULT_STORE), os.environ.get("GNLBENCH_DB")) or "://" in db
    store = () if is_known else ("--db", db)
    divisor = () if reference is None else ("--reference", str(reference))
    level = () if alpha == ALPHA else ("--alpha", f"{alpha:.3g}")
    pair = () if baseline is None else ("--against", baseline)
    return ("gnlbench", "plan", run, *pair, *store, *divisor, *level)


def _evaluate(
    context: typer.Context,
    options: EvaluationOptions,
    db: str,
    baseline: GivenRun | None,
    has_cells: Callable[[Suite, Sequence[Condition]], None],
) -> str:
    """The id of the run, evaluated if it is not stored; refused first if the baseline is of another
    protocol or read other files, or `has_cells` refuses the cells that it will have."""
    from robustbench_gnl.statistics import check_protocols

    models = options.model_requests()
    if len(models) != 1:
        raise UsageError(f"expected one --model to check, got {len(models)}; check them one by one")
    data, settings = options.data_request(context), options.settings()
    from robustbench_gnl.cli._session import evaluated_runs, requested_session

    with requested_session(models, data, settings, db) as session:
        (model,) = session.models
        if baseline is not None:
            check_protocols(
                [("the baseline", baseline.run.protocol), ("this evaluation", model.protocol)]
            )
            _check_same_files(session, baseline)
        session.find_stored_runs()
        stored = (condition for _, condition in model.stored)
        has_cells(session.source.suite, tuple(dict.fromkeys([*session.conditions, *stored])))
        (run,) = evaluated_runs(session, db)
    return run.id


def _check_same_files(session: Session, baseline: GivenRun) -> None:
    """Refuse to evaluate other files than the baseline read under the same names.

    Raises:
        UsageError: They are others.
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
