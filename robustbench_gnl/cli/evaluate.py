"""`gnlbench eval`: judge models on the corruptions and store every result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._evaluation_options import (
    WORK,
    EvaluationOptions,
    with_evaluation_options,
)
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit
from robustbench_gnl.cli._reference import chosen_reference
from robustbench_gnl.cli._request import DataRequest, ModelRequest, Settings

if TYPE_CHECKING:
    from robustbench_gnl.cli._plan import Plan
    from robustbench_gnl.records import Run
    from robustbench_gnl.reference import Reference

HELP = (
    "Judge models on the 15 corruptions at 5 severities, and store every result.\n\n"
    "An interrupted run goes on where it stopped when the same command is repeated; a complete "
    "one is printed at once.\n\n"
    "Example: `gnlbench eval --model efficientnet_gnl_es --ckpt last.pth --data imagenet-c "
    "--clean-data imagenet/val`"
)


@app.command("eval", help=HELP)
@with_evaluation_options
def evaluate(
    context: typer.Context,
    options: EvaluationOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be done and how long it would take; store nothing.",
            rich_help_panel=WORK,
        ),
    ] = False,
    reference: ReferenceOption = None,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    divisor = chosen_reference(reference)  # a bad file is told before the work begins
    runs = carry_out(
        options.model_requests(),
        options.data_request(context),
        options.settings(),
        db,
        dry_run=dry_run,
    )
    if runs:
        print_runs(runs, format, db, divisor)


def carry_out(
    models: Sequence[ModelRequest],
    data: DataRequest,
    settings: Settings,
    db: str,
    *,
    dry_run: bool = False,
    check_plan: Callable[[Plan], None] = lambda _: None,
) -> list[Run]:
    """Evaluate, or only describe what would be done; the runs, none for a dry run.

    Args:
        check_plan: May refuse the plan by an error, before any work is done.
    """
    from robustbench_gnl.cli._evaluation import evaluate_plan
    from robustbench_gnl.cli._plan import planned
    from robustbench_gnl.store import open_store

    open_store(db).close()  # a store that cannot be read is told before torch is loaded
    with planned(models, data, settings) as plan:
        check_plan(plan)  # before a store is made
        with open_store(db, write=not dry_run) as store:
            if dry_run:
                from robustbench_gnl.cli._estimate import describe_plan

                for candidate in plan.candidates:
                    candidate.find_stored(store, plan.source, plan.conditions, rerun=settings.rerun)
                describe_plan(plan)
                return []
            return evaluate_plan(plan, store, typed_command(db, store.name))


def typed_command(db: str, shown_db: str) -> str:
    """The command for the record; a password in the store's URL is not for the record."""
    return shlex.join(["gnlbench", *(argument.replace(db, shown_db) for argument in sys.argv[1:])])


def print_runs(runs: Sequence[Run], format: Format, db: str, reference: Reference) -> None:
    """The stored runs as one report."""
    from robustbench_gnl.cli._details import details_of
    from robustbench_gnl.reports.run import run_document, runs_document
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        detailed = [(run, details_of(store, run, db, reference)) for run in runs]
    documents = [run_document(run, reference, details) for run, details in detailed]
    emit(runs_document(documents), format)
