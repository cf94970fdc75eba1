"""`gnlbench plan`: how many images a comparison needs, before they are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._conditions import (
    ALL_SEVERITIES,
    SEVERITIES_METAVAR,
    check_conditions,
    parse_conditions,
)
from robustbench_gnl.cli._given import (
    GIVEN_HELP,
    GivenRun,
    given_runs,
    names_of,
    newest_run_id,
    seconds_of,
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
from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import ALPHA, POWER
from robustbench_gnl.records import Condition
from robustbench_gnl.suites import suite_of
from robustbench_gnl.text import some_of

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference
    from robustbench_gnl.records import Run
    from robustbench_gnl.reports.plan import PlanReport
    from robustbench_gnl.statistics import Outcomes, Rule
    from robustbench_gnl.statistics.planning import Spread

ALL = "all"
MOST_IMAGES = 10**15  # more than any data set; larger numbers are not exact as floats
SIZES = (100, 250, 500, 1000, 5000, 50_000)

MOST_MINUTES = 1_000_000

HELP = (
    "Compute the minimum detectable increase of each error by the number of images, and how many "
    "images are needed to detect a given increase.\n\n"
    "It is computed from the standard deviation of a stored run, or more precisely, with "
    "--against, from that of the differences of two runs.\n\n"
    "An increase is detected if it is significantly above 0, as by the rule `mCE:+0`. The power "
    "is the probability of that. An increase of exactly 0.5 fails the rule `mCE:+0.5` in at most "
    "half of the cases, with any number of images.\n\n"
    "Example: `gnlbench plan resnet50 --against resnet50_int8 --minutes 5 --change mCE:+0.5`"
)


@app.command(help=HELP)
def plan(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help=f"{GIVEN_HELP} Default: the newest run.", show_default=False
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Second run: plan from the differences of both."
        ),
    ] = None,
    images: Annotated[
        list[int] | None,
        typer.Option(
            min=2, max=MOST_IMAGES, metavar="N", help="Number of images; repeatable.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Plan for the images evaluated in N minutes at the speed of RUN.",
            show_default=False,
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE", help="Increase to detect, such as mCE:+0.5; repeatable.",
            show_default=False,
        ),
    ] = None,
    corruptions: Annotated[
        str, typer.Option(metavar="common|NAME,...", help="Plan with these corruptions only.")
    ] = ALL,
    severities: Annotated[
        str, typer.Option(metavar=SEVERITIES_METAVAR, help="Plan with these severities only.")
    ] = ALL_SEVERITIES,
    correlation: Annotated[
        float,
        typer.Option(
            help="Assumed correlation of two runs, where only one is given; 0 is conservative."
        ),
    ] = 0.0,
    alpha: Annotated[float, typer.Option(help="Significance level.")] = ALPHA,
    power: Annotated[
        float, typer.Option(help="Probability that the increase is detected.")
    ] = POWER,
    reference: ReferenceOption = None,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:  # fmt: skip
    from robustbench_gnl.reports.plan import plan_document
    from robustbench_gnl.statistics import check_comparable, parse_rule, spread_of

    _check_numbers(alpha, power, minutes)
    rules = [parse_rule(text) for text in change or []]
    divisor = chosen_reference(reference)
    check_conditions(corruptions, severities, None)
    planned_from = newest_run_id(db) if run is None else run
    found = given_runs([planned_from, *([] if against is None else [against])], db)
    note_unused_reference(reference, [found[0].run])
    names = names_of([one.run for one in found])
    check_comparable([(name, one.run) for name, one in zip(names, found, strict=True)])
    divisor = divisor.for_protocol(found[0].run.protocol)
    narrowed = _narrowed(found, names, corruptions, severities)
    other = narrowed[1] if against is not None else None
    spread = spread_of(narrowed[0], other, correlation)
    report = _plan_report(
        found[0].run,
        names,
        spread,
        divisor,
        rules,
        images or (),
        minutes,
        correlation=correlation,
        alpha=alpha,
        power=power,
    )
    emit(plan_document(report), format)


def _check_numbers(alpha: float, power: float, minutes: float | None) -> None:
    """Raises UsageError where one is out of its range."""
    for name, value, most in (("--alpha", alpha, 0.5), ("--power", power, 0.999)):
        if not 0 < value <= most:
            raise UsageError(f"expected {name} above 0 and at most {most:g}, got {value:g}")
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise UsageError(
            f"expected --minutes above 0 and at most {MOST_MINUTES:,}, got {minutes:g}"
        )


def _narrowed(
    found: Sequence[GivenRun], names: Sequence[str], corruptions: str, severities: str
) -> list[Outcomes]:
    """The outcomes of the runs under clean images and the conditions that were asked for.

    Raises:
        UsageError: A run lacks them.
    """
    chosen = parse_conditions(corruptions, severities, suite_of(found[0].run.protocol))
    narrowed = [
        one.outcomes.only(
            cell for cell in one.outcomes.conditions if cell.is_clean or cell in chosen
        )
        for one in found
    ]
    if corruptions != ALL or severities != ALL_SEVERITIES:
        for name, outcomes in zip(names, narrowed, strict=True):
            _check_has(name, outcomes.conditions, chosen if corruptions != ALL else ())
    return narrowed


def _plan_report(
    planned: Run,
    names: Sequence[str],
    spread: Spread,
    divisor: Reference,
    rules: Sequence[Rule],
    images: Sequence[int],
    minutes: float | None,
    *,
    correlation: float,
    alpha: float,
    power: float,
) -> PlanReport:
    """What comparisons of runs such as `planned` detect, by the number of images."""
    from robustbench_gnl.reports.plan import PlanReport
    from robustbench_gnl.statistics import images_in_time, planned_change, planned_numbers

    settings = {"alpha": alpha, "power": power}
    n_cells = spread.outcomes.n_cells
    pace = seconds_of(planned) / (planned.protocol.n_images * max(1, len(planned.cells)))
    in_time = None if minutes is None else images_in_time(60 * minutes, n_cells * pace)
    chosen_sizes = [*images, *(() if in_time is None else (in_time,))]
    sizes = tuple(sorted(set(chosen_sizes or SIZES)))
    return PlanReport(
        run_id=planned.id,
        model=names[0],
        n_images=planned.protocol.n_images,
        against=names[1] if len(names) > 1 else None,
        correlation=correlation,
        alpha=alpha,
        power=power,
        sizes=sizes,
        numbers=tuple(planned_numbers(spread, divisor, sizes, **settings)),
        changes=tuple(planned_change(spread, divisor, rule, **settings) for rule in rules),
        n_cells=n_cells,
        seconds={n: n * n_cells * pace if pace > 0 else None for n in sizes},
        reference=divisor.name,
        minutes=minutes,
        n_images_in_time=in_time,
    )


def _check_has(name: str, has: Sequence[Condition], named: Sequence[Condition]) -> None:
    """Refuse to plan without what was asked for: all that was named, and some corruption.

    Raises:
        UsageError: A named condition, or every corruption, is missing.
    """
    missing = [cell for cell in named if cell not in has]
    if missing or not any(not cell.is_clean for cell in has):
        listed = f" ({some_of(missing)})" if missing else ""
        raise UsageError(
            f"{name} lacks cells to plan with{listed}; evaluate them first, or "
            "choose others with --corruptions and --severities"
        )
