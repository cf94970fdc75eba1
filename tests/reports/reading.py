"""Reading reports back, and holding them against the rules of their formats on the way.

Markdown and LaTeX come back as the same tables of texts, what is bold as `**text**`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pandas as pd
from rich.console import Console, RenderableType

Table = list[list[str]]
"""Rows of cells, the head first."""

_SPECIAL = re.compile(
    r"\\text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|\\([&%$#_{}])"
)
_NAMED = {
    "backslash": "\\", "asciitilde": "~", "asciicircum": "^", "less": "<", "greater": ">",
    "bar": "|",
}  # fmt: skip


def terminal_text(parts: Iterable[RenderableType], width: int = 200) -> str:
    """What a terminal of that width shows."""
    console = Console(width=width, record=True, file=io.StringIO())
    for part in parts:
        console.print(part)
    return console.export_text()


def read_csv(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def markdown_tables(text: str) -> list[Table]:
    """The tables of a Markdown text, whose rows must have as many cells as their heads."""
    tables = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        head, rule, *rows = [
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line[1:-1])]
            for line in block.splitlines()
        ]
        assert all(re.fullmatch(r":?-+:?", cell) for cell in rule)
        assert {len(row) for row in (rule, *rows)} == {len(head)}
        tables.append([head, *rows])
    return tables


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
    """What LaTeX prints of a cell; its minus signs and dashes as hyphens."""
    cell = cell.replace("$-$", "-").replace("--", "-")
    bold = re.fullmatch(r"\\textbf\{(.*)\}", cell)
    text = _SPECIAL.sub(lambda m: _NAMED[m[1]] if m[1] else m[2], bold[1] if bold else cell)
    return f"**{text}**" if bold else text


def captions(text: str) -> list[str]:
    return [latex_text(line) for line in re.findall(r"^\\caption\{(.*)\}$", text, re.MULTILINE)]


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
