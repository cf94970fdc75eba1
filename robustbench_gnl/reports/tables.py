"""One renderer for every table: raw numbers for machines, rounded ones for people.

A row is a mapping of raw values; columns say how people see them. `terminal_tables` shows them
in a terminal. pandas is loaded only by the formats that need it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robustbench_gnl.errors import UsageError
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.formats import Lines, as_interval, as_text, joint_of
from robustbench_gnl.reports.markdown import markdown_cell, markdown_text
from robustbench_gnl.text import printable

Row = Mapping[str, Any]
DASH = "-"
"""Stands where there is no number; the reason stands elsewhere."""
INTERVALS = "intervals"
"""Key of a row under which the intervals of its values stand, by their keys."""
REASONS = "interval_reasons"
"""Key of a row under which the reasons for intervals that are missing stand."""


@dataclass(frozen=True)
class Column:
    """One column: where its value stands in a row and how people see it."""

    key: str
    title: str
    justify: Literal["left", "right"] = "right"
    format: Callable[[Any], str] = as_text
    droppable: str = ""
    """Columns of one such word leave a terminal that is too narrow together; every other
    format keeps them."""
    fold_at: int | None = None
    """Text longer than this may fold in a terminal; None: it stays on one line."""
    head: str = ""
    """The title over a terminal's column, where it is another."""

    def text(self, row: Row, under: bool = False, joint: str | None = None) -> str:
        """What people see; a dash where there is no value.

        An interval stands behind its value, or under it: `row["intervals"]` has it by key, and
        `joint` stands between its ends.
        """
        value = row.get(self.key)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        if isinstance(value, Lines):
            return "\n".join(map(printable, value))
        text = DASH if missing else printable(self.format(value))
        interval = row.get(INTERVALS, {}).get(self.key)
        if interval is None or missing:
            return text
        ends = as_interval(self.format, joint)(interval)
        return f"{text}\n{ends}" if under else f"{text} ({ends})"


def render(
    rows: Sequence[Row],
    columns: Sequence[Column],
    format: str,
    title: str | None = None,
    *,
    bold: Collection[tuple[int, str]] = (),
    notes: Sequence[str] = (),
) -> str:
    """The table as csv, json, markdown or latex, without a final line break.

    csv and json carry raw values under the columns' keys, markdown and latex rounded
    ones under their titles.

    Args:
        title: Above the table: in latex the caption.
        bold: (row, key of the column) of what stands out in markdown and latex.
        notes: Below the table: in latex as comments, since a caption is for the reader.

    Raises:
        UsageError: The format is none of the four.
    """
    if format == "csv":
        return _csv(rows, columns)
    if format == "json":
        return json_text([{c.key: row.get(c.key) for c in columns} for row in rows])
    renderers = {"markdown": _markdown, "latex": _latex}
    if format not in renderers:
        raise UsageError(
            f"unknown format {format!r}; expected one of csv, json, {', '.join(renderers)}",
            format=format,
        )
    table = renderers[format](rows, columns, title, bold)
    if format == "latex":
        return "\n".join([table, *(f"% {printable(note)}" for note in notes)])
    return table + (
        "\n\n" + "\n".join(f"- {markdown_text(note)}" for note in notes) if notes else ""
    )


def lowest(
    rows: Sequence[Row], columns: Iterable[Column], among: Callable[[Row], bool]
) -> set[tuple[int, str]]:
    """What is bold in a paper: the lowest value of each column, and what prints the same."""
    found = set()
    for column in columns:
        values = {i: row[column.key] for i, row in enumerate(rows) if among(row)}
        values = {i: value for i, value in values.items() if value is not None}
        if len(values) > 1:
            best = column.format(min(values.values()))
            found |= {(i, column.key) for i, v in values.items() if column.format(v) == best}
    return found


def _csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    import pandas as pd

    data = [[_csv_value(row.get(column.key)) for column in columns] for row in rows]
    # object keeps a count a count: an integer column with a gap would turn into floats.
    frame = pd.DataFrame(data, columns=[column.key for column in columns], dtype=object)
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.rstrip("\n")


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""The start of what a spreadsheet runs as a formula, full-width signs among them."""
_NO_FORMULA = re.compile(
    r"-|[+-]?[\d,]+(\.\d+)?(e[+-]?\d+)?( to [+-]?[\d,]+(\.\d+)?, [\d.]+ %: [^=+\-@|!]*)?",
    re.IGNORECASE,
)
"""A dash, a number, or an interval of two with what it is."""


def _csv_value(value: Any) -> Any:
    """Numbers as they are; text with an apostrophe before what would be a formula."""
    if not isinstance(value, (str, list, tuple)):
        return value
    text = printable(as_text(value))
    is_formula = _FORMULA.match(text) and not _NO_FORMULA.fullmatch(text)
    return f"'{text}" if is_formula else text


def _markdown(
    rows: Sequence[Row],
    columns: Sequence[Column],
    title: str | None,
    bold: Collection[tuple[int, str]],
) -> str:
    texts = _texts(rows, columns, markdown_cell, "**{}**", bold)
    table = _frame(texts, [column.title for column in columns]).to_markdown(
        index=False, disable_numparse=True, colalign=[column.justify for column in columns]
    )
    return f"### {markdown_text(title)}\n\n{table}" if title else str(table)


def _latex(
    rows: Sequence[Row],
    columns: Sequence[Column],
    title: str | None,
    bold: Collection[tuple[int, str]],
) -> str:
    texts = _texts(rows, columns, _latex_cell, r"\textbf{{{}}}", bold)
    frame = _frame(texts, [escape_latex(column.title) for column in columns])
    caption = _typeset(title) if title else None
    layout = "".join(column.justify[0] for column in columns)
    text: str = frame.to_latex(index=False, escape=False, column_format=layout, caption=caption)
    return text.rstrip("\n")


def _latex_cell(text: str) -> str:
    """Text behind the end of a row, which would take `[...]` and `*` for its own options."""
    typeset = _typeset(text)
    return f"{{{typeset[0]}}}{typeset[1:]}" if typeset[:1] in ("[", "*") else typeset


def _typeset(text: str) -> str:
    """Text with the minus signs of its numbers, and the dashes of its ranges."""
    text = _RANGE.sub(r"\1--", escape_latex(text))
    return _MINUS.sub("$-$", text)


_RANGE = re.compile(r"(\d\.\d+)-(?=\d+\.\d)")
_MINUS = re.compile(r"(?<![\w.-])-(?=\d+\.\d)")


def escape_latex(text: str) -> str:
    """Text whose special characters LaTeX prints instead of obeying, or printing others."""
    return "".join(_LATEX.get(character, character) for character in printable(text))


_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    character: f"\\text{name}{{}}"
    for character, name in {
        "\\": "backslash",
        "~": "asciitilde",
        "^": "asciicircum",
        "<": "less",  # in LaTeX's oldest fonts, still its default, < > | come out as others
        ">": "greater",
        "|": "bar",
    }.items()
}


def _texts(
    rows: Sequence[Row],
    columns: Sequence[Column],
    escape: Callable[[str], str],
    emphasis: str,
    bold: Collection[tuple[int, str]],
) -> list[list[str]]:
    joint = joint_of_rows(rows)
    return [
        [
            emphasis.format(text) if (i, column.key) in bold else text
            for column in columns
            for text in [escape(column.text(row, joint=joint))]
        ]
        for i, row in enumerate(rows)
    ]


def joint_of_rows(rows: Sequence[Row]) -> str:
    """What stands between the ends of every interval of these rows."""
    return joint_of(one for row in rows for one in row.get(INTERVALS, {}).values())


def _frame(texts: Sequence[Sequence[str]], titles: Sequence[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(texts, columns=list(titles), dtype=object)
