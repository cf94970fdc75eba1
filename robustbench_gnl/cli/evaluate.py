"""`gnlbench eval`: evaluate models on a benchmark and store every result."""

from __future__ import annotations

from collections.abc import Sequence
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
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.suites import DEFAULT_SUITE

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference
    from robustbench_gnl.records import Run

HELP = (
    f"Evaluate models on {DEFAULT_SUITE.title} ({len(DEFAULT_SUITE.corruptions)} corruptions at "
    f"{len(DEFAULT_SUITE.severities)} severities) or a natural distribution shift, and store every "
    "result.\n\n"
    "An interrupted run is resumed when the same command is repeated; a complete one is printed "
    "at once.\n\n"
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
            help="Print what would be evaluated and how long it would take; store nothing.",
            rich_help_panel=WORK,
        ),
    ] = False,
    reference: ReferenceOption = None,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    divisor = chosen_reference(reference)  # a bad file is reported before the evaluation
    models, data, settings = (
        options.model_requests(), options.data_request(context), options.settings(),
    )  # fmt: skip
    from robustbench_gnl.cli._session import evaluated_runs, requested_session, say_estimate

    with requested_session(models, data, settings, db) as session:
        if dry_run:
            say_estimate(session)
            return
        runs = evaluated_runs(session, db)
    note_unused_reference(reference, runs)
    print_runs(runs, format, db, divisor)


def print_runs(runs: Sequence[Run], format: Format, db: str, reference: Reference) -> None:
    """Print the stored runs as one report."""
    from robustbench_gnl.cli._details import details_of
    from robustbench_gnl.reports.run import run_document, runs_document
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        detailed = [(run, details_of(store, run, db, reference)) for run in runs]
    documents = [run_document(run, reference, details) for run, details in detailed]
    emit(runs_document(documents), format)
