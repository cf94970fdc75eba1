"""Lines and tables for a terminal: as wide as it is, with nothing cut.

rich is loaded when one is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robustbench_gnl.reports.tables import Column, Row, joint_of_rows
from robustbench_gnl.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

CELL_PADDING = 2
"""Blank columns between two columns of a table."""


def text_line(text: str = "", style: str = "") -> Text:
    """One line of text: nothing in it is markup, nor anything that a terminal obeys."""
    from rich.text import Text

    return Text(printable(text), style=style)


def rich_table(
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    width: int | None = None,
    title: str | None = None,
    section_by: str | None = None,
) -> Table:
    """The table for a terminal; a line is left where the value of `section_by` changes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=text_line(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    widths, joint = _widths(rows, columns, width), joint_of_rows(rows)
    for column in columns:
        # Text folds at exact widths; left to itself rich cuts, and a cut name is a wrong one.
        table.add_column(
            Text(column.head or column.title),
            justify=column.justify,
            width=widths[column.key],
            overflow="fold",
            no_wrap=not column.fold_at,  # as wide as its text: half the time of a long table
        )
    for position, row in enumerate(rows):
        if section_by and position and row.get(section_by) != rows[position - 1].get(section_by):
            table.add_section()
        # Text, not str: a model's name may hold square brackets, which rich reads as markup.
        table.add_row(*(Text(column.text(row, under=True, joint=joint)) for column in columns))
    return table


def rich_tables(
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    width: int,
    n_fixed: int,
    title: str | None = None,
    section_by: str | None = None,
) -> list[RenderableType]:
    """The table in as many pieces as the width asks for; nothing in it is cut.

    Droppable columns go first, the last of them before the others. If the rest is still
    too wide, it continues below, and each piece repeats the first `n_fixed` columns.
    """
    pieces = fit(rows, columns, width=width, n_fixed=n_fixed)
    return [
        rich_table(rows, piece, width=width, title=None if index else title, section_by=section_by)
        for index, piece in enumerate(pieces)
    ]


def fit(
    rows: Sequence[Row], columns: Sequence[Column], *, width: int, n_fixed: int
) -> list[list[Column]]:
    """The columns of each piece of a table that is `width` characters wide."""
    widths = _widths(rows, columns, 0)
    kept = list(columns)
    for column in reversed(columns):
        if _total(kept, widths) <= width:
            break
        if column.droppable:
            kept = [other for other in kept if other.droppable != column.droppable]
    fixed, rest = kept[:n_fixed], kept[n_fixed:]
    pieces = [list(fixed)]
    for column in rest:
        fits = _total([*pieces[-1], column], widths) <= width
        if not fits and len(pieces[-1]) > n_fixed:
            pieces.append(list(fixed))
        pieces[-1].append(column)
    return pieces


def _widths(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> dict[str, int]:
    """The width of each column by key: what its text needs, less where it may fold.

    `width` is what the table may take; None: as much as it needs.
    """
    from rich.cells import cell_len

    natural, joint = {}, joint_of_rows(rows)
    for column in columns:
        cells = (column.text(row, under=True, joint=joint) for row in rows)
        texts = [column.head or column.title, *cells]
        natural[column.key] = max(cell_len(line) for text in texts for line in text.split("\n"))
    if width is None:
        return natural
    narrow = {
        column.key: min(natural[column.key], column.fold_at or natural[column.key])
        for column in columns
    }
    spare = max(0, width - _total(columns, narrow))
    for key, wanted in natural.items():
        more = min(spare, wanted - narrow[key])
        narrow[key] += more
        spare -= more
    return narrow


def _total(columns: Sequence[Column], widths: Mapping[str, int]) -> int:
    return sum(widths[column.key] for column in columns) + CELL_PADDING * (len(columns) - 1)
