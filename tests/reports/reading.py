"""Reading reports back, and holding them against the rules of their formats on the way.

Markdown and LaTeX come back as the same tables of texts, what is bold as `**text**`.
"""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt
from markdown_it.token import Token

Table = list[list[str]]
"""Rows of cells, the head first."""

_SPECIAL = re.compile(
    r"\\text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|\\([&%$#_{}])"
)
_NAMED = {
    "backslash": "\\", "asciitilde": "~", "asciicircum": "^", "less": "<", "greater": ">",
    "bar": "|",
}  # fmt: skip


def read_csv(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def markdown_tables(text: str) -> list[Table]:
    """The tables of a Markdown text, whose rows must have as many cells as their heads."""
    tables: list[Table] = []
    for token in _MARKDOWN.parse(text):
        if token.type == "table_open":
            lines = text.splitlines()[slice(*token.map)]
            assert len({_n_cells(line) for line in lines}) == 1  # a parser would cut or fill rows
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and token.level == _CELL_LEVEL:
            tables[-1][-1].append(_inline_text(token))
    return tables


_CELL_LEVEL = 4  # table, head or body, row, cell


def _n_cells(line: str) -> int:
    """By the rule of GitHub: a pipe ends a cell unless a backslash stands before it."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) - 1


def markdown_headings(text: str) -> list[str]:
    """The texts of all headings."""
    tokens = _MARKDOWN.parse(text)
    return [_inline_text(one) for head, one in pairwise(tokens) if head.type == "heading_open"]


def markdown_items(text: str) -> list[str]:
    """The texts of all items of lists, each of one paragraph."""
    tokens = _MARKDOWN.parse(text)
    items = []
    for i, token in enumerate(tokens):
        if token.type == "list_item_open":
            kinds = [one.type for one in tokens[i + 1 : i + 5]]
            assert kinds == ["paragraph_open", "inline", "paragraph_close", "list_item_close"]
            items.append(_inline_text(tokens[i + 2]))
    return items


def _inline_text(token: Token) -> str:
    """What is read; only code and bold text may stand beside plain text."""
    shown = {"strong_open": "**", "strong_close": "**"}
    for child in token.children or ():
        assert child.type in (*shown, "text", "text_special", "code_inline"), child
    return "".join(shown.get(child.type, child.content) for child in token.children or ())


def latex_tables(text: str) -> list[Table]:
    """The tables of a LaTeX text as they are printed, whose rows must fit their layouts."""
    source = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    check_latex(source)
    tables = []
    for layout, body in re.findall(
        r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", source, re.DOTALL
    ):
        ruled = re.fullmatch(r"\\toprule\n(.*)\\midrule\n(.*)\\bottomrule\n", body, re.DOTALL)
        assert ruled is not None, "not booktabs"
        lines = [line for part in ruled.groups() for line in part.splitlines()]
        assert all(line.endswith(r" \\") for line in lines)
        rows = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]
        assert {len(row) for row in rows} == {len(layout)}
        tables.append([[latex_text(cell.strip()) for cell in row] for row in rows])
    return tables


def check_latex(source: str) -> None:
    """Braces close, and no character is left that LaTeX obeys or prints as another."""
    plain = _SPECIAL.sub("", source.replace("$-$", ""))
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0, "a brace closes that none has opened"
    assert depth == 0, "a brace is left open"
    assert not re.search(r"[%#$_~^<>|]", plain)


def latex_text(cell: str) -> str:
    """What LaTeX prints of a cell; its minus signs as hyphens."""
    cell = re.sub(r"\{([\[*])\}", r"\1", cell.replace("$-$", "-"))
    bold = re.fullmatch(r"\\textbf\{(.*)\}", cell)
    text = _SPECIAL.sub(lambda m: _NAMED[m[1]] if m[1] else m[2], bold[1] if bold else cell)
    return f"**{text}**" if bold else text


def captions(text: str) -> list[str]:
    return [latex_text(line) for line in re.findall(r"^\\caption\{(.*)\}$", text, re.MULTILINE)]


class Page(HTMLParser):
    """An HTML page read back: every element closes, and text is what a browser shows."""

    VOID = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        known = "html head meta title style body h1 h2 p ul li dl dt dd div table caption thead"
        assert tag in f"{known} tbody tr th td strong".split()
        assert all(name in ("class", "lang", "charset", "name", "content", "scope")
                   for name, _ in attrs)  # fmt: skip
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data))

    def rows(self, n_columns: int) -> Table:
        """The rows of its tables, the head first."""
        cells = [text for tag, text in self.texts if tag in ("th", "td", "strong")]
        return [cells[start : start + n_columns] for start in range(0, len(cells), n_columns)]


READERS = {"markdown": markdown_tables, "latex": latex_tables}

_LITERAL = re.compile(r"\d[\d,]*(\.\d+)?")


def worked_out(formula: str) -> tuple[float, float]:
    """The value of `100 x (31.60 + 50.60) / 2`, and how far its rounded numbers leave it open.

    Numbers with decimals are taken as rounded to them, those without as exact.
    """
    assert re.fullmatch(r"[\d.,+\-x/() ]+", formula), formula
    plain = formula.replace(",", "").replace(" x ", " * ")
    value, slack = eval(plain), 0.0
    for literal in _LITERAL.finditer(plain):
        if literal[1]:
            half = 0.5 * 10.0 ** (1 - len(literal[1]))
            start, end = literal.span()
            slack += abs(eval(f"{plain[:start]}({literal[0]} + {half}){plain[end:]}") - value)
    return value, slack
