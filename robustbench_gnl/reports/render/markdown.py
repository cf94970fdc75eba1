"""Rendering in GitHub Flavored Markdown; all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from robustbench_gnl.reports.document import (
    Block,
    Document,
    Entries,
    Heading,
    Names,
    Notes,
    Paragraph,
    Table,
)
from robustbench_gnl.text import printable


def markdown_document(document: Document) -> str:
    """The blocks of a document, with headings of the third level."""
    return "\n\n".join(map(_block, document.blocks))


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"### {markdown_text(block.text)}"
        case Paragraph():
            return markdown_text(block.text)
        case Notes():
            return _list(block.lines)
        case Names():
            return _list(block.items)
        case Table():
            return _table(block)
        case Entries():
            return "\n\n".join(
                f"#### {markdown_text(f'{entry.name}: {entry.value}')}\n"
                + _list(f"{label}: {text}" for label, text in entry.fields.items())
                for entry in block.entries
            )


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {markdown_text(item)}" for item in items)


def _table(table: Table) -> str:
    import pandas as pd

    frame = pd.DataFrame(
        table.texts(markdown_cell, "**{}**"),
        columns=[column.title for column in table.columns],
        dtype=object,
    )
    text: str = frame.to_markdown(
        index=False,
        disable_numparse=True,  # `50.10` stays as it is
        colalign=[column.justify for column in table.columns],
    )
    return f"#### {markdown_text(table.title)}\n\n{text}" if table.title else text


_TOKEN = re.compile(
    # Only commands in our own sentences are code; any other backtick is escaped.
    r"(?P<command>`(?:gnlbench |--)[^`]*`)"
    # GitHub turns addresses, mentions and issue numbers into links even if they are escaped.
    r"|(?P<live>(?:https?|ftp)://[^\s`]*|\bwww\.[^\s`]+|\b(?:mailto|xmpp):[^\s`]+"
    r"|[\w.+-]*@\w[^\s`]*|(?<!\w)(?:#|GH-)\d+)"
    r"|(?P<obeyed>"
    r"\\(?=[!-/:-@\[-`{-~]|$)"  # a backslash that would take the sign behind it
    r"|[`$~]"
    r"|\*(?!(?<=\w\*)\s)"  # before a space, as in `RVT-S* [Official]`, nothing begins
    r"|(?<!\w)_+"  # emphasis cannot begin inside a word, as in `tf_efficientnet`
    r"|<(?=[A-Za-z/!?])"  # HTML
    r"|&(?=#?\w+;)"  # an entity
    r"|\](?=[(\[])"  # a link or an image
    r"|(?<=\s)#(?=#*$)"  # the end of a heading
    r")",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"[#\[>|]|[-+=*](?=[-+=*\s]|$)|\d{1,9}(?=[.)](?:\s|$))")
"""Characters that start a heading, quotation, list, definition or rule at the start of a line."""


def markdown_text(text: str) -> str:
    """One line of escaped text of a paragraph, list item or heading.

    Addresses, mentions and issue numbers are written as code, because escaping does not stop
    GitHub from turning them into links.
    """
    escaped = _inline(text)
    block = _BLOCK.match(escaped)
    if block is None:
        return escaped
    at = block.end() if block[0].isdigit() else 0
    return f"{escaped[:at]}\\{escaped[at:]}"


def markdown_cell(text: str) -> str:
    """The escaped text of a table cell, where `|` is special and the start of a line is not."""
    return _inline(text).replace("|", r"\|")


def _inline(text: str) -> str:
    text = printable(text)
    strikes = text.count("~") > 1  # one alone strikes nothing out

    def as_text(match: re.Match[str]) -> str:
        found = match[0]
        if match["command"] or (found == "~" and not strikes):
            return found
        return f"`{found}`" if match["live"] else "".join(f"\\{sign}" for sign in found)

    return _TOKEN.sub(as_text, text)
