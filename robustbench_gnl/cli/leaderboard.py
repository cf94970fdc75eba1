"""`gnlbench leaderboard`: the stored runs, ranked within each protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    REFERENCE_NAME,
    Format,
    FormatOption,
    LevelOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit, no_runs_in, say
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.errors import NEWER, UsageError
from robustbench_gnl.levels import LEVEL, check_level
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES
from robustbench_gnl.text import counted, some_of

if TYPE_CHECKING:
    from robustbench_gnl.leaderboard import Board
    from robustbench_gnl.records import Run
    from robustbench_gnl.store import Store

HELP = (
    "Rank the stored runs, in a table for each protocol.\n\n"
    "A model is ranked by its newest complete run. Incomplete runs are not ranked, nor is "
    f"{REFERENCE_NAME}, whose errors CE divides by. A narrow terminal shows fewer columns; csv and "
    "json have all.\n\n"
    "Example: `gnlbench leaderboard --published --sort clean_error --format csv`"
)


@app.command(help=HELP)
def leaderboard(
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column to rank by, lowest first: the key of a metric such as "
            f"{' or '.join(DEFAULT_SUITE.ranked_by)}, n_params, or a group or corruption for its "
            f"CE. Default: {DEFAULT_SUITE.ranked_by[0]}, or the error where CE is not defined.",
        ),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            metavar="groups|all|min",
            help="CE columns: of the groups, of all corruptions, or (min) none.",
        ),
    ] = "groups",
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Add published results; those that state the same protocol are ranked.",
        ),
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME|FINGERPRINT", help="Show only the tables of this protocol."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Show only the first N rows of each table."),
    ] = None,
    ci: Annotated[
        bool, typer.Option("--ci", help="Show confidence intervals of the metrics and the ranks.")
    ] = False,
    level: LevelOption = LEVEL,
    reference: ReferenceOption = None,
) -> None:
    from robustbench_gnl.leaderboard import boards, check_sort, limited, select_protocol
    from robustbench_gnl.metrics.reference import load_published
    from robustbench_gnl.reports.leaderboard import check_columns, leaderboard_document
    from robustbench_gnl.store import open_store

    check_sort(sort)
    check_columns(columns)
    check_level(level)
    if published and reference is not None:
        raise UsageError(
            f"published mCEs are against {REFERENCE_NAME} and cannot stand beside those of another "
            "reference; leave out --published or --reference"
        )
    divisor = chosen_reference(reference)
    with open_store(db) as store:
        runs, none = store.runs(), no_runs_in(store)
        if protocol is not None:
            runs = select_protocol(runs, protocol)
        is_empty = not runs
        runs = _of_known_suites(runs)
        note_unused_reference(reference, runs)
        found = boards(
            runs,
            sort=sort,
            published=load_published() if published else (),
            reference=divisor,
        )
        if protocol is not None:
            found = [board for board in found if board.protocol is not None]
        if ci:
            found = _with_uncertainty(found, runs, store, db, level)
    if limit is not None:
        found = [limited(board, limit) for board in found]
    if not found and is_empty:
        say(
            f"There are {none}. Make the first with `gnlbench demo`, or with "
            "`gnlbench eval --model NAME --ckpt FILE --data FOLDER`."
        )
    emit(leaderboard_document(found, columns), format)


def _of_known_suites(runs: Sequence[Run]) -> list[Run]:
    """Without the runs that a newer version stored under a suite that this one does not know."""
    unknown = [run for run in runs if run.protocol.suite not in SUITES]
    if unknown:
        names = some_of(dict.fromkeys(run.protocol.suite for run in unknown))
        say(f"Note: {counted(len(unknown), 'run')} of unknown suites left out ({names}): {NEWER}")
    return [run for run in runs if run.protocol.suite in SUITES]


def _with_uncertainty(
    found: Sequence[Board],
    runs: Sequence[Run],
    store: Store,
    db: str,
    level: float,
) -> list[Board]:
    from robustbench_gnl.cli._replicates import each_replicates
    from robustbench_gnl.leaderboard import uncertainties, with_uncertainty

    result = []
    for board in found:
        shown = {entry.run.id for entry in board.entries if entry.run is not None}
        pairs = each_replicates(store, [run for run in runs if run.id in shown], db)
        known = uncertainties(pairs, board.reference, sort=board.sort, level=level)
        result.append(with_uncertainty(board, known, level))
    return result
