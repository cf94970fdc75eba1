"""One renderer for every format, and tables that fit their terminal uncut."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from robustbench_gnl.errors import UsageError
from robustbench_gnl.reports.formats import as_count, as_fraction_percent
from robustbench_gnl.reports.tables import Column, fit, render, rich_tables

COLUMNS = (
    Column("name", "name", "left", fold_at=10),
    Column("error", "error %", format=as_fraction_percent),
    Column("n_images", "images", format=as_count, droppable="images"),
    Column("tags", "tags", "left", droppable="tags"),
)
ROWS = [
    {"name": "a|b_[c]", "error": 1 / 3, "n_images": 50_000, "tags": ["x", "y"]},
    {"name": "50% & more", "error": None, "n_images": None, "tags": []},
]


def test_json_and_csv_carry_raw_numbers() -> None:
    raw = json.loads(render(ROWS, COLUMNS, "json"))
    read = list(csv.DictReader(io.StringIO(render(ROWS, COLUMNS, "csv"))))

    assert raw == ROWS
    assert float(read[0]["error"]) == 1 / 3
    assert read[0]["n_images"] == "50000"
    assert read[0]["tags"] == "x, y"
    assert (read[1]["error"], read[1]["n_images"]) == ("", "")


def test_markdown_rounds_and_escapes() -> None:
    assert render(ROWS, COLUMNS, "markdown", title="T").splitlines() == [
        "### T",
        "",
        "| name       |   error % |   images | tags   |",
        "|:-----------|----------:|---------:|:-------|",
        "| a\\|b_[c]   |     33.33 |   50,000 | x, y   |",
        "| 50% & more |         - |        - |        |",
    ]


def test_latex_rounds_and_escapes() -> None:
    text = render(ROWS, COLUMNS, "latex", title="100% & more")

    assert "\\caption{100\\% \\& more}" in text
    assert "\\begin{tabular}{lrrl}" in text
    assert "a|b\\_[c] & 33.33 & 50,000 & x, y \\\\" in text
    assert "50\\% \\& more & - & - &  \\\\" in text


def test_no_rows_leave_the_head() -> None:
    assert render([], COLUMNS, "csv") == "name,error,n_images,tags"
    assert render([], COLUMNS, "json") == "[]"
    assert "| name" in render([], COLUMNS, "markdown")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'xml'; expected one of csv, json"):
        render(ROWS, COLUMNS, "xml")


@pytest.mark.parametrize("width", [19, 20, 30, 40, 200])
def test_a_terminal_table_fits_and_nothing_is_cut(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    for table in rich_tables(ROWS, COLUMNS, width=width, n_fixed=1):
        console.print(table)
    text = console.export_text()

    assert max(len(line) for line in text.splitlines()) <= width
    assert "a|b_[c]" in text
    assert "33.33" in text
    assert "…" not in text


def test_columns_leave_from_the_right_before_the_table_continues_below() -> None:
    def keys(width: int) -> list[list[str]]:
        return [[c.key for c in piece] for piece in fit(ROWS, COLUMNS, width=width, n_fixed=1)]

    assert keys(200) == [["name", "error", "n_images", "tags"]]
    assert keys(30) == [["name", "error", "n_images"]]
    assert keys(20) == [["name", "error"]]
    long = [*COLUMNS[:2], Column("more", "more")]
    pieces = fit(ROWS, long, width=20, n_fixed=1)
    assert [[c.key for c in piece] for piece in pieces] == [["name", "error"], ["name", "more"]]


def test_columns_of_one_word_leave_together() -> None:
    groups = [Column(key, key, droppable="groups") for key in ("noise", "blur", "weather")]
    (piece,) = fit(ROWS, [*COLUMNS[:2], *groups], width=30, n_fixed=1)

    assert [column.key for column in piece] == ["name", "error"]
