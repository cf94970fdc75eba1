"""Rendering as a self-contained HTML page; all text is escaped."""

from __future__ import annotations

import html

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

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
caption { font-weight: bold; text-align: left }
th, td { padding: .2rem .6rem; text-align: left; white-space: nowrap }
th { border-bottom: 1px solid; vertical-align: bottom }
.right { text-align: right }
.section td { border-top: 1px solid #ccc }
.aside { color: #555 }
.passed { color: #1a7f37 } .inconclusive { color: #9a6700 } .failed { color: #cf222e }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #eee } .aside { color: #aaa } .section td { border-color: #444 }
}
"""


def html_page(document: Document) -> str:
    """The document as a complete HTML 5 page."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_escaped(document.title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        *map(_block, document.blocks),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _block(block: Block) -> str:
    match block:
        case Heading():
            # Colour only repeats the word: the text of the heading states the outcome.
            kind = f' class="{block.status}"' if block.status else ""
            return f"<h1{kind}>{_escaped(block.text)}</h1>"
        case Paragraph():
            return f"<p>{_escaped(block.text)}</p>"
        case Notes():
            return _list(block.lines, ' class="aside"' if block.is_aside else "")
        case Names():
            return _list(block.items)
        case Table():
            return _table(block)
        case Entries():
            return "\n".join(
                f"<h2>{_escaped(f'{entry.name}: {entry.value}')}</h2>\n<dl>\n"
                + "".join(
                    f"<dt>{_escaped(label)}</dt><dd>{_escaped(text)}</dd>\n"
                    for label, text in entry.fields.items()
                )
                + "</dl>"
                for entry in block.entries
            )


def _list(items: tuple[str, ...], attributes: str = "") -> str:
    if not items:  # an empty list is no valid list to assistive technology
        return ""
    lines = "".join(f"<li>{_escaped(item)}</li>\n" for item in items)
    return f"<ul{attributes}>\n{lines}</ul>"


def _table(table: Table) -> str:
    kinds = ['class="right"' if one.justify == "right" else "" for one in table.columns]
    caption = f"<caption>{_escaped(table.title)}</caption>\n" if table.title else ""
    head = "".join(
        _element("th", f'scope="col" {kind}', _escaped(column.title))
        for column, kind in zip(table.columns, kinds, strict=True)
    )
    body = []
    for i, texts in enumerate(table.texts(_escaped, "<strong>{}</strong>")):
        cells = "".join(_element("td", *one) for one in zip(kinds, texts, strict=True))
        body.append(_element("tr", 'class="section"' if _begins_section(table, i) else "", cells))
    rows = "\n".join(body)
    return (
        f'<div class="scroll">\n<table>\n{caption}<thead>\n<tr>{head}</tr>\n</thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _begins_section(table: Table, i: int) -> bool:
    key = table.section_by
    return bool(key and i and table.rows[i].get(key) != table.rows[i - 1].get(key))


def _element(name: str, attributes: str, content: str) -> str:
    attributes = attributes.strip()
    return f"<{name}{' ' if attributes else ''}{attributes}>{content}</{name}>"
