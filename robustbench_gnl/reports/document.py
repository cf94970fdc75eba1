"""A report as blocks of content, which every renderer shows in its own way.

Blocks say what their content is, never how a format shows it: a table has typed columns, and
marks what is emphasized and what a narrow terminal may do without. Beside its blocks, for people,
a document has the raw data for programs: one JSON object, and the rows of a CSV file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from robustbench_gnl.metrics import Interval
from robustbench_gnl.reports.formatting import DASH, Format, as_text, with_interval
from robustbench_gnl.text import printable

Row = Mapping[str, Any]
"""Raw values by the keys of columns."""
Status = Literal["passed", "inconclusive", "failed"]


@dataclass(frozen=True)
class Heading:
    """A line above what it names."""

    text: str
    status: Status | None = None
    """Of what a check found; None: the heading says nothing of a check."""


@dataclass(frozen=True)
class Paragraph:
    """Text that stands by itself."""

    text: str


@dataclass(frozen=True)
class Notes:
    """Sentences, one a line, about the tables beside them."""

    lines: tuple[str, ...]
    is_aside: bool = False
    """Whether readers who know the report may pass over them."""


@dataclass(frozen=True)
class Names:
    """A list whose items are the content, such as names to choose from."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One column: where its value stands in a row, and how people see it."""

    key: str
    title: str
    justify: Literal["left", "right"] = "right"
    format: Format = as_text
    is_key: bool = False
    """Whether it names the row, so that a table that continues elsewhere repeats it."""
    droppable: str = ""
    """Columns of one such word leave a terminal that is too narrow together."""
    fold_at: int | None = None
    """Text longer than this may fold in a terminal; None: it stays on one line."""
    under: str = ""
    """Key of the column under whose text it may stand in a terminal that is too narrow."""
    head: str = ""
    """The title where there is little room, on lines of its own."""

    def text(self, row: Row) -> str:
        """What people see on one line; a dash where there is no value."""
        value = row.get(self.key)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return DASH
        return printable(self.format(value))


@dataclass(frozen=True)
class Table:
    """Rows under columns."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str | None = None
    caption: str | None = None
    """All that a reader must know where the table stands by itself, as in a paper; None: the
    title says it."""
    bold: frozenset[tuple[int, str]] = frozenset()
    """(row, key of the column) of what is emphasized."""
    intervals: Mapping[tuple[int, str], Interval] = field(default_factory=dict)
    """Of numbers in the table, by (row, key of the column)."""
    section_by: str | None = None
    """Key whose value changes where a section of rows ends."""

    def texts(self, escape: Format, emphasis: str) -> list[list[str]]:
        """The cells of each row, one line each: `64.61 [63.10, 66.00]` where there is an interval.

        Args:
            escape: Makes text harmless in the format.
            emphasis: What is made of an escaped text that is bold, such as `**{}**`.
        """
        return [
            [
                emphasis.format(text) if (i, column.key) in self.bold else text
                for column in self.columns
                for text in [escape(self._text(i, column))]
            ]
            for i in range(len(self.rows))
        ]

    def _text(self, i: int, column: Column) -> str:
        text = column.text(self.rows[i])
        interval = self.intervals.get((i, column.key))
        return text if text == DASH else with_interval(text, interval, column.format)


@dataclass(frozen=True)
class Entry:
    """One named value with texts that are too long for a column each."""

    name: str
    value: str
    fields: Mapping[str, str]
    """Texts by their labels."""
    remark: str = ""
    """What must stand beside the value wherever there is no room for all fields."""


@dataclass(frozen=True)
class Entries:
    """Named values, each with texts of its own."""

    entries: tuple[Entry, ...]
    caption: str
    """As that of a table."""
    tabular: tuple[str, ...]
    """Labels of the fields that a table has room for."""


Block = Heading | Paragraph | Notes | Names | Table | Entries


@dataclass(frozen=True)
class Check:
    """One test of a CI server."""

    name: str
    status: Literal["passed", "inconclusive", "failed", "error"]
    """`error`: it could not be carried out."""
    message: str
    """What was found, in one sentence."""
    reason: str = ""
    """Why it is inconclusive."""
    details: str = ""
    """What stands beside a test that did not fail."""
    kind: str = ""
    """Of an error."""


@dataclass(frozen=True)
class Checks:
    """Tests as CI servers show them."""

    name: str
    checks: tuple[Check, ...]
    summary: tuple[str, ...] = ()
    """Sentences about all of them."""
    fail_inconclusive: bool = False
    """Whether an inconclusive test is no pass."""

    def count(self, status: str) -> int:
        """How many tests have that status."""
        return sum(check.status == status for check in self.checks)


@dataclass(frozen=True)
class Records:
    """The rows of a CSV file, with raw values."""

    columns: tuple[str, ...]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Document:
    """One report: blocks for people, raw data for programs."""

    title: str
    blocks: tuple[Block, ...]
    data: Any
    """What the JSON object holds, its keys in the order of the file."""
    records: Records
    checks: Checks | None = None
    """Of a report that CI servers show as tests."""


def lowest(
    rows: Sequence[Row], columns: Iterable[Column], among: Callable[[Row], bool]
) -> frozenset[tuple[int, str]]:
    """What is bold in a paper: the lowest value of each column, and what prints the same.

    Args:
        among: Whether a row takes part; a column in which only one does has no lowest value.
    """
    found = set()
    for column in columns:
        values = {
            i: value
            for i, row in enumerate(rows)
            if among(row) and (value := row.get(column.key)) is not None
        }
        if len(values) > 1:
            best = column.format(min(values.values()))
            found |= {(i, column.key) for i, v in values.items() if column.format(v) == best}
    return frozenset(found)
