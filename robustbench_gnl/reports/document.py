"""Documents: reports as blocks of content, independent of the output format.

Blocks state what their content is, not how it looks: a table has typed columns and marks which
cells are emphasized and which columns a narrow terminal may omit. Besides the blocks, which are for
people, a document has raw data for programs: a JSON object and the rows of a CSV file.
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
"""Raw values by column key."""
Status = Literal["passed", "inconclusive", "failed"]
CHECK_COMMAND = "gnlbench check"
"""The name of a gate on CI servers."""


@dataclass(frozen=True)
class Heading:
    """A heading of the blocks below it."""

    text: str
    status: Status | None = None
    """The outcome of a check that the heading states; None for other headings."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str


@dataclass(frozen=True)
class Notes:
    """Notes on the neighbouring tables, one sentence a line."""

    lines: tuple[str, ...]
    is_aside: bool = False
    """Whether they explain the report rather than its results."""


@dataclass(frozen=True)
class Names:
    """A list of names to choose from."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column: the key of its value in a row, and how the value is formatted."""

    key: str
    title: str
    justify: Literal["left", "right"] = "right"
    format: Format = as_text
    is_key: bool = False
    """Whether it identifies the row; a table that is split repeats it in each part."""
    droppable: str = ""
    """A narrow terminal omits all columns with the same such name together."""
    fold_at: int | None = None
    """Longer text may be folded in a terminal; None: it is never folded."""
    under: str = ""
    """Key of the column below whose text a narrow terminal may print it."""
    head: str = ""
    """A title of several short lines for narrow tables."""

    def text(self, row: Row) -> str:
        """The formatted value on one line; a dash if there is none."""
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
    """What a reader must know if the table is copied without the text around it, as in a paper;
    None: the title suffices."""
    bold: frozenset[tuple[int, str]] = frozenset()
    """(row, column key) of the emphasized cells."""
    intervals: Mapping[tuple[int, str], Interval] = field(default_factory=dict)
    """Intervals of values by (row, column key)."""
    section_by: str | None = None
    """Key whose value changes between sections of rows."""

    def texts(self, escape: Format, emphasis: str) -> list[list[str]]:
        """The texts of each row, with intervals behind the values: `64.61 [63.10, 66.00]`.

        Args:
            escape: Escapes text for the format.
            emphasis: Template of bold text, such as `**{}**`.
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
    """A named value with several texts, each too long for a column."""

    name: str
    value: str
    fields: Mapping[str, str]
    """Texts by label."""
    remark: str = ""
    """What must be shown with the value even if not all fields are."""


@dataclass(frozen=True)
class Entries:
    """Named values with several texts each."""

    entries: tuple[Entry, ...]
    caption: str
    """The caption, as of a table."""
    tabular: tuple[str, ...]
    """Labels of the fields that are short enough for a table."""


Block = Heading | Paragraph | Notes | Names | Table | Entries


@dataclass(frozen=True)
class Check:
    """One test of a CI server."""

    name: str
    status: Literal["passed", "inconclusive", "failed", "error"]
    """`error`: the test could not be carried out."""
    message: str
    """The finding in one sentence."""
    reason: str = ""
    """Why it is inconclusive."""
    details: str = ""
    """Details of a test that did not fail."""
    kind: str = ""
    """Class of an error."""


@dataclass(frozen=True)
class Checks:
    """The tests of a report, as CI servers show them."""

    name: str
    checks: tuple[Check, ...]
    summary: tuple[str, ...] = ()
    """Sentences about all tests."""
    fail_inconclusive: bool = False
    """Whether an inconclusive test counts as a failure."""

    def count(self, status: str) -> int:
        """The number of tests with this status."""
        return sum(check.status == status for check in self.checks)


@dataclass(frozen=True)
class Records:
    """The rows of a CSV file with raw values."""

    columns: tuple[str, ...]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Document:
    """A report: blocks for people and raw data for programs."""

    title: str
    blocks: tuple[Block, ...]
    data: Any
    """The content of the JSON file."""
    records: Records
    checks: Checks | None = None
    """The tests, if CI servers show the report as such."""


def lowest(
    rows: Sequence[Row], columns: Iterable[Column], among: Callable[[Row], bool]
) -> frozenset[tuple[int, str]]:
    """The cells to print in bold: the lowest value of each column, and values that print the same.

    Args:
        among: Whether a row takes part; a column needs at least two different values.
    """
    found = set()
    for column in columns:
        values = {
            i: value
            for i, row in enumerate(rows)
            if among(row) and (value := row.get(column.key)) is not None
        }
        # A value that all share is not better than another.
        if len({column.format(value) for value in values.values()}) > 1:
            best = column.format(min(values.values()))
            found |= {(i, column.key) for i, v in values.items() if column.format(v) == best}
    return frozenset(found)
