"""`gnlbench explain`: each metric of a run, with its formula and the numbers of the run in it."""

from __future__ import annotations

from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._given import GIVEN_HELP, given_runs
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    LevelOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.levels import LEVEL

HELP = (
    "Explain every metric of a run: its meaning, its formula, the formula with the numbers of the "
    "run in it, its confidence interval and its source.\n\n"
    "Example: `gnlbench explain resnet50 --format markdown`"
)


@app.command(help=HELP)
def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help=GIVEN_HELP)],
    reference: ReferenceOption = None,
    level: LevelOption = LEVEL,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    from robustbench_gnl.reports.explanation import explanation_document
    from robustbench_gnl.statistics import run_statistics

    divisor = chosen_reference(reference)
    (given,) = given_runs([run], db)
    note_unused_reference(reference, [given.run])
    divisor = divisor.for_protocol(given.run.protocol)
    details = run_statistics(
        given.outcomes, given.keys, divisor, level=level, n_classes=given.run.model.n_classes
    )
    emit(explanation_document(given.run, divisor, details), format)
