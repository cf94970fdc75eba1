"""One renderer for every format, and tables that fit their terminal uncut."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics import Interval
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_number,
    as_p_value,
    as_percent,
    as_signed,
)
from robustbench_gnl.reports.tables import (
    INTERVALS,
    Column,
    escape_latex,
    lowest,
    render,
)
from robustbench_gnl.reports.terminal_tables import fit, rich_tables
from tests.reports.reading import READERS, check_latex, latex_text, terminal_text

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
    assert "a\\textbar{}b\\_[c] & 33.33 & 50,000 & x, y \\\\" in text
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


@pytest.mark.parametrize("format", READERS)
def test_what_stands_out_is_bold_after_it_is_escaped(format: str) -> None:
    (table,) = READERS[format](render(ROWS, COLUMNS, format, bold={(0, "name"), (1, "error")}))

    assert table[1] == ["**a|b_[c]**", "33.33", "50,000", "x, y"]
    assert table[2] == ["50% & more", "**-**", "-", ""]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_data_has_no_bold_and_no_notes(format: str) -> None:
    plain = render(ROWS, COLUMNS, format)

    assert render(ROWS, COLUMNS, format, "T", bold={(0, "name")}, notes=["a note"]) == plain


def test_notes_stand_below_as_a_list_or_as_comments() -> None:
    notes = ["50 % of it", "a_b"]
    markdown = render(ROWS, COLUMNS, "markdown", notes=notes)
    latex = render(ROWS, COLUMNS, "latex", notes=notes)

    assert markdown == render(ROWS, COLUMNS, "markdown") + "\n\n- 50 % of it\n- a_b"
    assert latex == render(ROWS, COLUMNS, "latex") + "\n% 50 % of it\n% a_b"


@pytest.mark.parametrize("format", READERS)
def test_an_interval_stands_behind_its_number_in_its_unit(format: str) -> None:
    rows = [{**ROWS[0], INTERVALS: {"error": Interval(0.25, 0.4125)}}]
    (table,) = READERS[format](render(rows, COLUMNS, format, bold={(0, "error")}))

    assert table[1][1:3] == ["**33.33 (25.00-41.25)**", "50,000"]


def test_an_interval_stands_under_its_number_in_a_terminal() -> None:
    rows = [{**ROWS[0], INTERVALS: {"error": Interval(0.25, 0.4125)}}]
    lines = terminal_text(rich_tables(rows, COLUMNS, width=80, n_fixed=1)).splitlines()
    number = next(i for i, line in enumerate(lines) if "33.33" in line)

    assert lines[number + 1].split() == ["25.00-41.25"]
    assert lines[number].index("33.33") == lines[number + 1].index("41.25")


def test_without_a_number_there_is_no_interval() -> None:
    rows = [{**ROWS[1], INTERVALS: {"error": Interval(0.25, 0.4125)}}]

    assert [column.text(rows[0]) for column in COLUMNS[:2]] == ["50% & more", "-"]
    assert COLUMNS[1].text({"error": float("nan")}) == "-"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (58.1, 61.2, "58.10-61.20"),
        (-0.5, 1.2, "-0.50 to 1.20"),
        (-3.0, -1.0, "-3.00 to -1.00"),
        (0.0, 0.0, "0.00-0.00"),
        (-0.001, 2.0, "0.00-2.00"),
    ],
)
def test_ends_with_a_sign_are_parted_by_a_word(low: float, high: float, expected: str) -> None:
    assert as_interval(as_percent)(Interval(low, high)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.5, "+1.50"), (-1.5, "-1.50"), (0.0, "0.00"), (0.004, "0.00"), (-0.004, "0.00")],
)
def test_a_difference_has_a_sign_unless_it_rounds_to_nothing(value: float, expected: str) -> None:
    assert as_signed(as_percent)(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "<0.001"), (0.00099, "<0.001"), (0.001, "0.001"), (0.25, "0.250"), (1.0, "1.000")],
)
def test_a_p_value_is_never_shown_as_0(value: float, expected: str) -> None:
    assert as_p_value(value) == expected


def test_the_lowest_of_a_column_is_bold_with_all_that_print_the_same() -> None:
    error, count = COLUMNS[1], COLUMNS[2]
    rows = [
        {"error": 0.25, "n_images": 10},
        {"error": 0.250001, "n_images": None},
        {"error": 0.5, "n_images": None},
        {"error": 0.1, "n_images": 1},
    ]

    assert lowest(rows, [error], lambda row: row["n_images"] != 1) == {(0, "error"), (1, "error")}
    assert lowest(rows, [error], lambda row: True) == {(3, "error")}
    # A column of one number has nothing to be better than.
    assert lowest(rows, [count], lambda row: row["n_images"] != 1) == set()


def test_every_character_that_latex_obeys_is_printed() -> None:
    text = "".join(map(chr, range(32, 127)))

    check_latex(escape_latex(text))
    assert latex_text(escape_latex(text)) == text


def test_nothing_has_no_sign() -> None:
    assert as_percent(-0.004) == as_fraction_percent(-0.00004) == "0.00"
    assert as_number(-0.0004) == "0.000"
    assert as_percent(-0.006) == "-0.01"


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("-1.14 (-2.18 to +0.09)", "$-$1.14 ($-$2.18 to +0.09)"),
        ("66.19 (63.17-69.38)", "66.19 (63.17--69.38)"),
        ("-", "-"),
        ("resnet-50.a1-in1k", "resnet-50.a1-in1k"),
        ("2026-11-25", "2026-11-25"),
    ],
)
def test_latex_has_minus_signs_and_dashes_in_numbers_alone(text: str, typeset: str) -> None:
    assert f"{typeset} \\\\" in render([{"one": text}], [Column("one", "one", "left")], "latex")
