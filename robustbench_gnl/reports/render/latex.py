"""Rendering in LaTeX: tables with captions; all other text becomes comments."""

from __future__ import annotations

import re

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
from robustbench_gnl.text import printable


def latex_document(document: Document) -> str:
    """The blocks of a document; tables need the booktabs package."""
    return "\n\n".join(map(_block, document.blocks))


def _block(block: Block) -> str:
    match block:
        case Heading() | Paragraph():
            return _comment(block.text)
        case Notes():
            return "\n".join(map(_comment, block.lines))
        case Names():
            items = "".join(f"\\item {_bracketed(escape_latex(one))}\n" for one in block.items)
            return f"\\begin{{itemize}}\n{items}\\end{{itemize}}"
        case Table():
            return _table(block)
        case Entries():
            return _table(_tabular(block))


def _comment(text: str) -> str:
    return f"% {printable(text)}"


def _tabular(block: Entries) -> Table:
    """Entries as a table of their short texts."""
    columns = ("number", "shown", *block.tabular)
    rows = [
        {
            "number": entry.name,
            "shown": "; ".join(filter(None, (entry.value, entry.remark))),
            **{label: entry.fields.get(label, "") for label in block.tabular},
        }
        for entry in block.entries
    ]
    return Table(
        tuple(Column(label, label, "left") for label in columns), tuple(rows), caption=block.caption
    )


def _table(table: Table) -> str:
    import pandas as pd

    frame = pd.DataFrame(
        table.texts(_cell, r"\textbf{{{}}}"),
        columns=[escape_latex(column.title) for column in table.columns],
        dtype=object,
    )
    caption = table.caption or table.title
    text: str = frame.to_latex(
        index=False,
        escape=False,  # it would leave characters that old fonts print as others
        column_format="".join(column.justify[0] for column in table.columns),
        caption=_typeset(caption) if caption else None,
    )
    return text.rstrip("\n")


def _cell(text: str) -> str:
    return _bracketed(_typeset(text))


def _bracketed(typeset: str) -> str:
    """Text at the start of a row or item, where `[...]` and `*` would be read as options."""
    return f"{{{typeset[0]}}}{typeset[1:]}" if typeset[:1] in ("[", "*") else typeset


def _typeset(text: str) -> str:
    """Text with real minus signs before numbers."""
    return _MINUS.sub("$-$", escape_latex(text))


_MINUS = re.compile(r"(?<![\w.-])-(?=\d+\.\d)")


def escape_latex(text: str) -> str:
    """Text with the special characters of LaTeX escaped."""
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
