"""`gnlbench check`: a gate for CI that noise does not trip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
from robustbench_gnl.cli._output import print_parts, say
from robustbench_gnl.cli._reference import chosen_reference
from robustbench_gnl.cli._run_files import append, write_whole
from robustbench_gnl.errors import GnlbenchError, UsageError

if TYPE_CHECKING:
    from robustbench_gnl.cli._plan import Plan
    from robustbench_gnl.records import Run
    from robustbench_gnl.reports.gate import GateReport

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
    if junit is not None:
        write_whole(junit, junit_xml(report) + "\n", option="--junit")
    if os.environ.get(STEP_SUMMARY):
        append(Path(os.environ[STEP_SUMMARY]), render_gate(report, "markdown") + "\n")
    try:
        if format is Format.table:
            print_parts(lambda width: gate_parts(report, width=width))
        else:
            typer.echo(render_gate(report, format.value))
    except BrokenPipeError:
        if report.passed:
            raise
        # The reader has seen enough, but the answer stands. Else the interpreter would fail to
        # flush at its exit, with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not report.passed:
        raise typer.Exit(EXIT_REGRESSION)


@contextmanager
def _errors_told_to(junit: Path | None) -> Iterator[None]:
    """Write why nothing could be judged to the file, too: else a CI server would show nothing, or
    what an earlier run left there."""
    from robustbench_gnl.reports.gate_junit import junit_error

    try:
        yield
    except (GnlbenchError, CorruptionError) as error:
        if junit is not None:
            rule = error.values.get("rule") if isinstance(error, GnlbenchError) else None
            text = junit_error(type(error).__name__, str(error), rule)
            try:
                write_whole(junit, text + "\n", option="--junit")
            except UsageError as failure:
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
    from robustbench_gnl.statistics import check_protocols, judge, parse_rules

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
        run = _evaluate(context, options, db, base.run)
    (candidate,) = given_runs([run], db)
    if candidate.run.id == base.run.id and not evaluates:
        raise UsageError(
            f"RUN and --baseline are the same run {base.run.id}; name two (a tag or a model means "
            "its newest run)",
            run_id=base.run.id,
        )
    name, baseline_name = names_of([candidate.run, base.run])
    check_protocols([(baseline_name, base.run.protocol), (name, candidate.run.protocol)])
    verdicts = against_baseline(candidate.evidence)
    cells = set(base.evidence.conditions), set(candidate.evidence.conditions)
    return GateReport(
        name=name,
        run=candidate.run,
        baseline_name=baseline_name,
        baseline=base.run,
        verdicts=verdicts,
        alpha=alpha,
        strict=strict,
        reference=divisor.name,
        answers_alike=_answer_alike(base, candidate),
        left_out=tuple(map(str, sorted(cells[0] ^ cells[1]))) if common_cells else (),
        plan_words=_plan_words(run, baseline, reference, alpha / len(rules)),
    )


def _plan_words(run: str, baseline: str, reference: Path | None, alpha: float) -> tuple[str, ...]:
    """The command that plans from the two runs, at the level of one of the rules."""
    from robustbench_gnl.statistics.power import ALPHA

    divisor = () if reference is None else ("--reference", str(reference))
    level = () if alpha == ALPHA else ("--alpha", f"{alpha:.3g}")
    return ("gnlbench", "plan", run, "--against", baseline, *divisor, *level)


def _evaluate(context: typer.Context, options: EvaluationOptions, db: str, baseline: Run) -> str:
    """The id of the run, evaluated if it is not stored; refused first if its protocol is not
    the baseline's."""
    from robustbench_gnl.cli.evaluate import carry_out
    from robustbench_gnl.statistics import check_protocols

    models = options.model_requests()
    if len(models) != 1:
        raise UsageError(f"expected one --model to check, got {len(models)}; check them one by one")

    def check_plan(plan: Plan) -> None:
        (candidate,) = plan.candidates
        check_protocols(
            [("the baseline", baseline.protocol), ("this evaluation", candidate.protocol)]
        )

    data, settings = options.data_request(context), options.settings()
    (run,) = carry_out(models, data, settings, db, check_plan=check_plan)
    return run.id


def _answer_alike(one: GivenRun, other: GivenRun) -> bool:
    from robustbench_gnl.statistics import common_cells

    cells = common_cells(one.evidence, other.evidence)
    return bool((one.evidence.only(cells).wrong == other.evidence.only(cells).wrong).all())
