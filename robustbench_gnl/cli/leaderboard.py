"""`gnlbench leaderboard`: the stored runs, ranked protocol by protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import DEFAULT_STORE, Format, FormatOption, StoreOption

if TYPE_CHECKING:
    from robustbench_gnl.reports import Board

UNLIMITED_WIDTH = 10_000
"""A file or a pipe is as wide as its longest line."""

HELP = """Rank the stored runs: one table for each protocol, never two protocols in one.

A model stands with its newest complete run. Runs without all 75 cells, and AlexNet, which
CE divides by, have no rank. A narrow terminal shows fewer columns; csv and json show all.

Examples:

    gnlbench leaderboard

    gnlbench leaderboard --published --sort clean_error --columns all --format csv
"""


@app.command(help=HELP)
def leaderboard(
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    sort: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="mce, relative_mce, clean_error, mean_corruption_error, n_params, or the CE of "
            "a group or corruption by its name. Lower is better.",
        ),
    ] = "mce",
    columns: Annotated[
        str, typer.Option(metavar="groups|all|min", help="CE of 4 groups, 15 corruptions, or none.")
    ] = "groups",
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Add published results; they rank where they state the same protocol.",
        ),
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME|FINGERPRINT", help="Only the tables of this protocol."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N rows of each table.")
    ] = None,
) -> None:
    from robustbench_gnl.reference import load_published
    from robustbench_gnl.reports import boards, render_boards, select_protocol
    from robustbench_gnl.reports.board_tables import check_columns
    from robustbench_gnl.reports.leaderboard import check_sort
    from robustbench_gnl.store import open_store

    check_sort(sort)
    check_columns(columns)
    with open_store(db) as store:
        runs = store.runs()
    if not runs:
        typer.echo(
            f"No runs in {db} yet. Make the first with `gnlbench demo`, or with "
            "`gnlbench eval --model NAME --ckpt FILE --data FOLDER`.",
            err=True,
        )
    if protocol is not None:
        runs = select_protocol(runs, protocol)
    found = boards(runs, sort=sort, published=load_published() if published else (), limit=limit)
    if protocol is not None:
        found = [board for board in found if board.protocol is not None]
    if format is not Format.table:
        text = render_boards(found, format.value, columns)
        if text:
            typer.echo(text)
    elif found:
        typer.echo(_for_terminal(found, columns), nl=False)


def _for_terminal(found: Sequence[Board], columns: str) -> str:
    """All tables as text: rich would exit with 1 if `head` had enough and it printed itself."""
    from rich.console import Console

    from robustbench_gnl.reports import board_tables

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    with console.capture() as capture:
        for index, board in enumerate(found):
            if index:
                console.print()
            for part in board_tables(board, columns, width=console.width):
                console.print(part)
    return capture.get()
