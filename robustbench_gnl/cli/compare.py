"""`gnlbench compare`: runs compared with a baseline, and which differences are significant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._given import GIVEN_HELP, given_runs, names_of
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    IntervalsOption,
    LevelOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import LEVEL

HELP = (
    "Compare runs with a baseline: every metric of both, the difference, its paired confidence "
    "interval, and whether it is better, worse, not significant (~) or not tested (?).\n\n"
    "All runs must have the same protocol; otherwise the command prints what differs and exits "
    "with 2.\n\n"
    "Example: `gnlbench compare resnet50 efficientnet_gnl_es --format markdown`"
)


@app.command(help=HELP)
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="BASELINE RUN...", help=GIVEN_HELP, show_default=False)
    ],
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    reference: ReferenceOption = None,
    level: LevelOption = LEVEL,
    ci: IntervalsOption = True,
) -> None:
    from robustbench_gnl.reports.comparison import (
        Compared,
        ComparisonReport,
        comparison_document,
    )
    from robustbench_gnl.statistics.comparison import check_comparable
    from robustbench_gnl.statistics.comparison import compare as compare_outcomes

    if len(runs) < 2:
        raise UsageError("expected a baseline and at least one run to compare with it, got one")
    divisor = chosen_reference(reference)
    found = given_runs(runs, db)
    note_unused_reference(reference, [found[0].run])
    _check_each_once([one.run.id for one in found])
    names = names_of([one.run for one in found])
    check_comparable([(name, one.run) for name, one in zip(names, found, strict=True)])
    baseline, *candidates = found
    divisor = divisor.for_protocol(baseline.run.protocol)
    report = ComparisonReport(
        names[0],
        baseline.run,
        tuple(
            Compared(
                name,
                one.run,
                compare_outcomes(baseline.outcomes, one.outcomes, divisor, level=level),
            )
            for name, one in zip(names[1:], candidates, strict=True)
        ),
        divisor.name,
    )
    emit(comparison_document(report, intervals=ci), format)


def _check_each_once(ids: Sequence[str]) -> None:
    """Refuse to compare a run with itself: that it does not differ would look like a result."""
    for run_id in ids:
        if ids.count(run_id) > 1:
            raise UsageError(
                f"run {run_id} is given more than once, and a run does not differ from itself; "
                "name other runs (`gnlbench runs list`)",
                run_id=run_id,
            )
