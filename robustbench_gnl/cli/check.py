"""`gnlbench check`: a gate for CI that noise does not trip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corruptions import CorruptionError
from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._evaluation_options import EvaluationOptions, with_evaluation_options
from robustbench_gnl.cli._given import GIVEN_HELP, GivenRun, given_runs, names_of
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import print_parts, print_text, say
from robustbench_gnl.cli._reference import chosen_reference
from robustbench_gnl.cli._run_files import append, write_whole
from robustbench_gnl.errors import GnlbenchError, StoreError, UsageError

if TYPE_CHECKING:
    from robustbench_gnl.cli._plan import Plan
    from robustbench_gnl.records import Condition, Run
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Rule

EXIT_REGRESSION = 1
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
GATE = "Gate"

HELP = (
    "Hold a run against a baseline, and exit with 1 if it got worse by more than the rules allow "
    "and by more than noise.\n\n"
    "Rules are FIELD:+NUMBER with a unit: `mCE:+0.5`, `relative_mCE:+1`, `CE\\[fog]:+2` (points), "
    "`error:+2pp`, `clean_error:+0.5pp`, `error\\[fog]:+1pp`, `error\\[blur,5]:+2pp` (percentage "
    "points), `top5_error:+1pp`, `nll:+0.1nats`, `ece:+10%` (% is of the baseline's value). "
    "Instead of RUN, --model with --ckpt and --data evaluates first. Exit codes: 0 nothing got "
    "worse by more than that, 1 something did, 2 a run or cell is missing, or the runs cannot be "
    "held against each other, 3 the data, 4 the model, 5 the store or the baseline's file.\n\n"
    "Example: `gnlbench check new.json --baseline baseline.json --fail-on mCE:+0.5 "
    "--fail-on clean_error:+1pp`"
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
        typer.Option(metavar="RUN|FILE", help="What to hold it against.", rich_help_panel=GATE),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE", help="What must not happen; repeatable.", rich_help_panel=GATE
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            metavar="0-1", help="The chance of a false alarm, over all rules.", rich_help_panel=GATE
        ),
    ] = 0.05,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Fail on the estimate alone, noise or not.", rich_help_panel=GATE
        ),
    ] = False,
    common_cells: Annotated[
        bool,
        typer.Option(
            "--common-cells",
            help="Errors, ece and nll over the cells that both runs have.",
            rich_help_panel=GATE,
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JUnit XML: a case a rule, or why none could be judged.",
            rich_help_panel=GATE,
        ),
    ] = None,
    reference: ReferenceOption = None,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    from robustbench_gnl.reports.gate import gate_parts, render_gate
    from robustbench_gnl.reports.gate_junit import junit_xml

    with _errors_told_to(junit):
        report = _judged(
            context, options, run, baseline, fail_on or [], reference, db,
            alpha=alpha, strict=strict, common_cells=common_cells,
        )  # fmt: skip
    try:
        if format is Format.table:
            print_parts(lambda width: gate_parts(report, width=width))
        else:
            print_text(render_gate(report, format.value))
    except BrokenPipeError:
        if report.passed:
            raise
        # The reader has seen enough, but the answer stands. Else the interpreter would fail to
        # flush at its exit, with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _tell(junit, lambda: junit_xml(report), lambda: render_gate(report, "markdown"))
    except (UsageError, StoreError) as failure:
        if report.passed:
            raise
        say(f"Warning: {failure}")
    if not report.passed:
        raise typer.Exit(EXIT_REGRESSION)


def _tell(junit: Path | None, xml: Callable[[], str], markdown: Callable[[], str]) -> None:
    """Leave the answer where CI servers look for it; made only where one does, since Markdown
    takes a quarter of a second to load.

    Raises:
        UsageError: It cannot be written there.
    """
    if junit is not None:
        write_whole(junit, xml() + "\n", option="--junit")
    if os.environ.get(STEP_SUMMARY):
        append(Path(os.environ[STEP_SUMMARY]), markdown() + "\n")


@contextmanager
def _errors_told_to(junit: Path | None) -> Iterator[None]:
    """Tell CI servers why nothing could be judged, too: else they would show nothing, or what an
    earlier run left there."""
    from robustbench_gnl.reports.gate_junit import junit_error
    from robustbench_gnl.reports.markdown import markdown_text

    try:
        yield
    except (GnlbenchError, CorruptionError) as error:
        rule = error.values.get("rule") if isinstance(error, GnlbenchError) else None
        kind, message = type(error).__name__, str(error)
        try:
            _tell(
                junit,
                lambda: junit_error(kind, message, rule),
                lambda: f"### gnlbench check could not judge\n\n{markdown_text(message)}",
            )
        except (UsageError, StoreError) as failure:
            say(f"Warning: {failure}")
        raise


def _judged(
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
) -> GateReport:
    """The rules held against the two runs."""
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import cells_of, check_protocols, judge, parse_rules

    rules = parse_rules(fail_on)
    divisor = chosen_reference(reference)
    if baseline is None:
        raise UsageError(
            "no baseline was given; name a stored run or a file of `gnlbench runs export` with "
            "--baseline"
        )
    evaluates = bool(options.model or options.ckpt or options.pretrained)
    if (run is None) != evaluates:
        raise UsageError(
            "expected either RUN, or --model with --ckpt and --data to evaluate one; got "
            + ("both" if evaluates else "neither")
        )
    (base,) = given_runs([baseline], db)
    against_baseline = partial(
        judge, rules, base.evidence, reference=divisor, alpha=alpha, strict=strict,
        common_cells=common_cells, block_size=base.run.block_size,
    )  # fmt: skip
    if run is None:
        against_baseline(base.evidence)  # what can never be judged is told before the work

        def has_cells(conditions: Sequence[Condition]) -> None:
            for rule in rules:
                cells_of(rule, base.evidence.conditions, conditions, common_cells)

        run = _evaluate(context, options, db, base.run, has_cells)
    (candidate,) = given_runs([run], db)
    name, baseline_name = names_of([candidate.run, base.run])
    check_protocols([(baseline_name, base.run.protocol), (name, candidate.run.protocol)])
    report = GateReport(
        name=name,
        run=candidate.run,
        baseline_name=baseline_name,
        baseline=base.run,
        verdicts=against_baseline(candidate.evidence),
        alpha=alpha,
        strict=strict,
        reference=divisor.name,
        answers_alike=_answer_alike(base, candidate),
        left_out=_left_out(rules, base, candidate) if common_cells else (),
        plan_words=_plan_words(run, baseline, db, reference, alpha / len(rules)),
    )
    if report.passed:
        _check_no_guess(report)
    return report


def _check_no_guess(report: GateReport) -> None:
    """Refuse to pass a network that has come to guess: relative numbers fall when the clean
    error rises, and few images may hide it.

    Raises:
        UsageError: It has.
    """
    from robustbench_gnl.reports.chance import chance_lines, is_run_near_chance

    if is_run_near_chance(report.run) and not is_run_near_chance(report.baseline):
        (guesses,) = chance_lines(report.run, report.name)
        raise UsageError(
            f"{guesses.removesuffix('.')}, and no rule fails for it; look at the checkpoint, the "
            "order of its classes and its normalisation, and add the rule clean_error:+1pp"
        )


def _left_out(rules: Sequence[Rule], one: GivenRun, other: GivenRun) -> tuple[str, ...]:
    """Cells that a rule looks at, or that one run has, and that not both have."""
    from robustbench_gnl.statistics.rules import KINDS

    has = set(one.evidence.conditions), set(other.evidence.conditions)
    named = {cell for rule in rules if rule.field in KINDS for cell in rule.selection or ()}
    return tuple(map(str, sorted((has[0] | has[1] | named) - (has[0] & has[1]))))


def _plan_words(
    run: str, baseline: str, db: str, reference: Path | None, alpha: float
) -> tuple[str, ...]:
    """The command that plans from the two runs, at the level of one of the rules."""
    from robustbench_gnl.statistics.power import ALPHA

    # A URL may hold a password, and what the environment says need not be typed.
    is_known = db in (str(DEFAULT_STORE), os.environ.get("GNLBENCH_DB")) or "://" in db
    store = () if is_known else ("--db", db)
    divisor = () if reference is None else ("--reference", str(reference))
    level = () if alpha == ALPHA else ("--alpha", f"{alpha:.3g}")
    return ("gnlbench", "plan", run, "--against", baseline, *store, *divisor, *level)


def _evaluate(
    context: typer.Context,
    options: EvaluationOptions,
    db: str,
    baseline: Run,
    has_cells: Callable[[Sequence[Condition]], None],
) -> str:
    """The id of the run, evaluated if it is not stored; refused first if its protocol is not
    the baseline's, or `has_cells` refuses the cells that it will have."""
    from robustbench_gnl.cli.evaluate import carry_out
    from robustbench_gnl.statistics import check_protocols
    from robustbench_gnl.store import open_store

    models = options.model_requests()
    if len(models) != 1:
        raise UsageError(f"expected one --model to check, got {len(models)}; check them one by one")

    def check_plan(plan: Plan) -> None:
        (candidate,) = plan.candidates
        check_protocols(
            [("the baseline", baseline.protocol), ("this evaluation", candidate.protocol)]
        )
        with open_store(db) as store:
            candidate.find_stored(store, rerun=plan.settings.rerun)
        stored = (condition for _, condition in candidate.stored)
        has_cells(tuple(dict.fromkeys([*plan.conditions, *stored])))

    data, settings = options.data_request(context), options.settings()
    (run,) = carry_out(models, data, settings, db, check_plan=check_plan)
    return run.id


def _answer_alike(one: GivenRun, other: GivenRun) -> bool:
    from robustbench_gnl.statistics import common_cells

    cells = common_cells(one.evidence, other.evidence)
    return bool((one.evidence.only(cells).wrong == other.evidence.only(cells).wrong).all())
