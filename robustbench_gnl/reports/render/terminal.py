"""Rendering for a terminal: fitted to its width, without truncation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Entries,
    Heading,
    Names,
    Notes,
    Paragraph,
    Table,
)
from robustbench_gnl.reports.formatting import DASH, as_interval
from robustbench_gnl.text import printable

UNLIMITED_WIDTH = 10_000
"""The width for files and pipes, where lines are not wrapped."""
CELL_PADDING = 2
"""Spaces between two columns of a table."""
COLOURS = {"failed": "red", "inconclusive": "yellow", "passed": "green"}


def terminal_text(document: Document, width: int | None = None) -> str:
    """The blocks of a document, coloured if stdout is a terminal.

    Args:
        width: Width in characters; None: that of the terminal, if stdout is one.
    """
    console = Console(highlight=False, emoji=False, markup=False, force_jupyter=False)
    if width is not None:
        console.width = width
    elif not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    # Captured, since rich exits with 1 if the reader of a pipe, such as `head`, closes it.
    with console.capture() as capture:
        for part in _parts(document, console.width):
            console.print(part)
    return capture.get().removesuffix("\n")


def _parts(document: Document, width: int) -> Iterator[RenderableType]:
    """The renderables of a document, with an empty line between blocks except below a heading."""
    previous: Block | None = None
    for block in document.blocks:
        if previous is not None and not isinstance(previous, Heading):
            yield Text()
        yield from _block(block, width)
        previous = block


def _block(block: Block, width: int) -> Iterator[RenderableType]:
    match block:
        case Heading():
            yield _line(block.text, f"bold {COLOURS.get(block.status or '', '')}".strip())
        case Paragraph():
            yield _line(block.text)
        case Notes():
            yield from (_line(line, "dim" if block.is_aside else "") for line in block.lines)
        case Names():
            yield from map(_line, block.items)
        case Table():
            yield from _tables(block, width)
        case Entries():
            for i, entry in enumerate(block.entries):
                if i:
                    yield Text()
                yield _line(f"{entry.name}: {entry.value}", "bold")
                for label, text in entry.fields.items():
                    yield Padding(_line(f"{label}: {text}"), (0, 0, 0, 2), expand=False)


def _line(text: str, style: str = "") -> Text:
    """One line of text without markup and control sequences."""
    return Text(printable(text), style=style)


def _tables(table: Table, width: int) -> Iterator[RenderableType]:
    """The table, split into as many parts as the width requires."""
    shown, pieces = fit(table, width)
    for index, columns in enumerate(pieces):
        title = None if index else table.title
        yield _rich_table(replace(shown, columns=tuple(columns), title=title), width)


def fit(table: Table, width: int) -> tuple[Table, list[list[Column]]]:
    """The table as fitted to a width, and the columns of each of its parts.

    If it is too wide, columns move below others where they may, then droppable columns are omitted
    from the last to the first. If it is still too wide it is split into parts, each of which
    repeats the key columns.
    """
    columns = list(table.columns)
    if _total(columns, _widths(table, 0)) > width and any(column.under for column in columns):
        table = _stacked(table)
    columns, widths = list(table.columns), _widths(table, 0)
    for column in reversed(table.columns):
        if _total(columns, widths) <= width:
            break
        if column.droppable:
            columns = [other for other in columns if other.droppable != column.droppable]
    n_fixed = sum(column.is_key for column in columns) or 1
    fixed, rest = columns[:n_fixed], columns[n_fixed:]
    pieces = [list(fixed)]
    for column in rest:
        fits = _total([*pieces[-1], column], widths) <= width
        if not fits and len(pieces[-1]) > n_fixed:
            pieces.append(list(fixed))
        pieces[-1].append(column)
    return table, pieces


class _Lines(tuple[str, ...]):
    """The lines of one cell."""


def _stacked(table: Table) -> Table:
    """The table with columns moved below others, if they may be."""
    rows = []
    for row in table.rows:
        stacks: dict[str, list[str]] = {}
        for column in table.columns:
            if row.get(column.key) or not column.under:
                stacks.setdefault(column.under or column.key, []).append(column.text(row))
        stacked = {key: _Lines(lines) for key, lines in stacks.items() if len(lines) > 1}
        rows.append({**row, **stacked})
    left = tuple(column for column in table.columns if not column.under)
    return replace(table, columns=left, rows=tuple(rows))


def _cell(table: Table, i: int, column: Column) -> str:
    """The lines of a cell: an interval is printed below its value."""
    value = table.rows[i].get(column.key)
    if isinstance(value, _Lines):
        return "\n".join(value)
    text, interval = column.text(table.rows[i]), table.intervals.get((i, column.key))
    if interval is None or text == DASH:
        return text
    return f"{text}\n{as_interval(column.format)(interval)}"


def _rich_table(table: Table, width: int) -> RichTable:
    """The table as rich draws it, in which nothing is truncated."""
    shown = RichTable(
        title=_line(table.title) if table.title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    widths = _widths(table, width)
    for column in table.columns:
        # Exact widths: rich would truncate text by itself, and a truncated name is wrong.
        shown.add_column(
            Text(column.head or column.title),
            justify=column.justify,
            width=widths[column.key],
            overflow="fold",
            no_wrap=not column.fold_at,  # as wide as its text: half the time of a long table
        )
    key = table.section_by
    for i, row in enumerate(table.rows):
        if key and i and row.get(key) != table.rows[i - 1].get(key):
            shown.add_section()
        # Text, not str: rich would read square brackets in a model name as markup.
        shown.add_row(*(Text(_cell(table, i, column)) for column in table.columns))
    return shown


def _widths(table: Table, width: int) -> dict[str, int]:
    """The width of each column by key: that of its text, or less if it may be folded.

    Args:
        width: Available width in characters.
    """
    natural = {}
    for column in table.columns:
        cells = (_cell(table, i, column) for i in range(len(table.rows)))
        texts = [column.head or column.title, *cells]
        natural[column.key] = max(cell_len(line) for text in texts for line in text.split("\n"))
    narrow = {
        column.key: min(natural[column.key], column.fold_at or natural[column.key])
        for column in table.columns
    }
    spare = max(0, width - _total(table.columns, narrow))
    for key, wanted in natural.items():
        more = min(spare, wanted - narrow[key])
        narrow[key] += more
        spare -= more
    return narrow


def _total(columns: Sequence[Column], widths: Mapping[str, int]) -> int:
    return sum(widths[column.key] for column in columns) + CELL_PADDING * (len(columns) - 1)
