"""`gnlbench check`: regression rules for CI, tested for statistical significance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._errors import leave_stdout
from robustbench_gnl.cli._evaluation_options import (
    MODEL_HELP,
    EvaluationOptions,
    with_evaluation_options,
)
from robustbench_gnl.cli._gate import GateRequest, gate_report
from robustbench_gnl.cli._given import GIVEN_HELP
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit, say
from robustbench_gnl.cli._run_files import append, write_whole
from robustbench_gnl.errors import GnlbenchError, StoreError, UsageError, as_options
from robustbench_gnl.levels import ALPHA

if TYPE_CHECKING:
    from robustbench_gnl.reports.document import Document
    from robustbench_gnl.reports.gate import GateReport

EXIT_REGRESSION, EXIT_INCONCLUSIVE = 1, UsageError.exit_code
# Variables that GitHub Actions sets for every step.
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
@partial(
    with_evaluation_options,
    model_help=f"{MODEL_HELP} Without it, --ckpt must name its architecture.",
)
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
    ] = ALPHA,
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
    request = GateRequest(
        run=run, baseline=baseline, rules=fail_on or [], reference=reference, db=db, alpha=alpha,
        strict=strict, common_cells=common_cells, fail_inconclusive=fail_inconclusive,
    )  # fmt: skip
    with _errors_written_to(junit):
        report = gate_report(context, options, request)
    _emit_everywhere(report, junit, format)
    if not report.passed:
        raise typer.Exit(EXIT_REGRESSION if report.status == "failed" else EXIT_INCONCLUSIVE)


def _emit_everywhere(report: GateReport, junit: Path | None, format: Format) -> None:
    """Print the result, and write it for CI servers; where that fails, a failed rule still decides
    the exit code.

    Raises:
        BrokenPipeError, UsageError, StoreError: It fails, and no rule did.
    """
    from robustbench_gnl.reports.gate import gate_document

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
        message = as_options(error.message) if isinstance(error, GnlbenchError) else str(error)
        try:
            _write_reports(junit, failure_document(kind, message or kind, rule))
        except (UsageError, StoreError) as failure:
            say(f"Warning: {failure}")
        raise
