"""Every block in every format: raw numbers for programs, rounded ones for people, nothing cut."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from robustbench_gnl.cli._options import Format
from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics import FRACTION, NATS, PERCENT, Interval
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Entries,
    Entry,
    Heading,
    Names,
    Notes,
    Paragraph,
    Records,
    Table,
    lowest,
)
from robustbench_gnl.reports.formatting import (
    as_count,
    as_interval,
    as_p_value,
)
from robustbench_gnl.reports.render import FORMATS, render
from robustbench_gnl.reports.render.latex import escape_latex
from robustbench_gnl.reports.render.terminal import fit
from tests.reports.reading import READERS, Page, check_latex, latex_text, markdown_headings
from tests.reports.samples import HOSTILE

COLUMNS = (
    Column("name", "name", "left", fold_at=10),
    Column("error", "error %", format=FRACTION.number),
    Column("n_images", "images", format=as_count, droppable="images"),
    Column("tags", "tags", "left", droppable="tags"),
)
ROWS = (
    {"name": "a|b_[c]", "error": 1 / 3, "n_images": 50_000, "tags": ["x", "y"]},
    {"name": "50% & more", "error": None, "n_images": None, "tags": []},
)
TABLE = Table(COLUMNS, ROWS)


def document_of(*blocks: Block, rows: Any = ROWS) -> Document:
    keys = tuple(column.key for column in COLUMNS)
    return Document("title", blocks, list(rows), Records(keys, rows))


def shown(format: str, *blocks: Block) -> str:
    return render(document_of(*blocks), format)


def test_json_and_csv_carry_raw_numbers() -> None:
    raw = json.loads(shown("json"))
    read = list(csv.DictReader(io.StringIO(shown("csv"))))

    assert raw == list(ROWS)
    assert float(read[0]["error"]) == 1 / 3
    assert read[0]["n_images"] == "50000"
    assert read[0]["tags"] == "x, y"
    assert (read[1]["error"], read[1]["n_images"]) == ("", "")


def test_markdown_rounds_and_escapes() -> None:
    assert shown("markdown", replace(TABLE, title="T")).splitlines() == [
        "#### T",
        "",
        "| name       |   error % |   images | tags   |",
        "|:-----------|----------:|---------:|:-------|",
        "| a\\|b_[c]   |     33.33 |   50,000 | x, y   |",
        "| 50% & more |         - |        - |        |",
    ]


def test_latex_rounds_and_escapes() -> None:
    text = shown("latex", replace(TABLE, title="100% & more"))

    assert "\\caption{100\\% \\& more}" in text
    assert "\\begin{tabular}{lrrl}" in text
    assert "a\\textbar{}b\\_[c] & 33.33 & 50,000 & x, y \\\\" in text
    assert "50\\% \\& more & - & - &  \\\\" in text


def test_no_rows_leave_the_head() -> None:
    empty = document_of(Table(COLUMNS, ()), rows=())
    assert render(empty, "csv") == "name,error,n_images,tags"
    assert render(empty, "json") == "[]"
    for format in ("markdown", "latex", "html", "table"):
        assert "images" in render(empty, format)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'xml'; expected one of table, json"):
        shown("xml")


@pytest.mark.parametrize("width", [19, 20, 30, 40, 200])
def test_a_terminal_table_fits_and_nothing_is_cut(width: int) -> None:
    text = render(document_of(TABLE), "table", width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "a|b_[c]" in text
    assert "33.33" in text
    assert "…" not in text


def test_columns_leave_from_the_right_before_the_table_continues_below() -> None:
    def keys(width: int) -> list[list[str]]:
        return [[c.key for c in piece] for piece in fit(TABLE, width)[1]]

    assert keys(200) == [["name", "error", "n_images", "tags"]]
    assert keys(30) == [["name", "error", "n_images"]]
    assert keys(20) == [["name", "error"]]
    _, pieces = fit(Table((*COLUMNS[:2], Column("more", "more")), ROWS), 20)
    assert [[c.key for c in piece] for piece in pieces] == [["name", "error"], ["name", "more"]]


def test_columns_of_one_word_leave_together() -> None:
    groups = [Column(key, key, droppable="groups") for key in ("noise", "blur", "weather")]
    (piece,) = fit(Table((*COLUMNS[:2], *groups), ROWS), 30)[1]

    assert [column.key for column in piece] == ["name", "error"]


@pytest.mark.parametrize("format", READERS)
def test_what_stands_out_is_bold_after_it_is_escaped(format: str) -> None:
    (table,) = READERS[format](
        shown(format, replace(TABLE, bold=frozenset({(0, "name"), (1, "error")})))
    )

    assert table[1] == ["**a|b_[c]**", "33.33", "50,000", "x, y"]
    assert table[2] == ["50% & more", "**-**", "-", ""]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_data_has_no_blocks(format: str) -> None:
    assert shown(format, Heading("T"), TABLE, Notes(("a note",))) == shown(format)


def test_notes_are_a_list_or_comments() -> None:
    notes = Notes(("50 % of it", "a_b"))

    assert shown("markdown", notes) == "- 50 % of it\n- a_b"
    assert shown("latex", notes) == "% 50 % of it\n% a_b"
    assert shown("table", notes) == "50 % of it\na_b"


WITH_INTERVAL = replace(TABLE, intervals={(0, "error"): Interval(0.25, 0.4125)})


@pytest.mark.parametrize("format", READERS)
def test_an_interval_stands_behind_its_number_in_its_unit(format: str) -> None:
    bold = replace(WITH_INTERVAL, bold=frozenset({(0, "error")}))
    (table,) = READERS[format](shown(format, bold))

    assert table[1][1:3] == ["**33.33 [25.00, 41.25]**", "50,000"]


def test_an_interval_stands_under_its_number_in_a_terminal() -> None:
    lines = shown("table", WITH_INTERVAL).splitlines()
    number = next(i for i, line in enumerate(lines) if "33.33" in line)

    assert lines[number + 1].strip() == "[25.00, 41.25]"
    assert lines[number].index("33.33") + 5 == lines[number + 1].index("41.25]") + 6


@pytest.mark.parametrize("format", [*READERS, "html", "table"])
def test_without_a_number_there_is_no_interval(format: str) -> None:
    text = shown(format, replace(TABLE, intervals={(1, "error"): Interval(0.25, 0.4125)}))

    assert "25.00" not in text
    assert COLUMNS[1].text({"error": float("nan")}) == "-"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (58.1, 61.2, "[58.10, 61.20]"),
        (-0.5, 1.2, "[-0.50, 1.20]"),
        (-3.0, -1.0, "[-3.00, -1.00]"),
        (0.0, 0.0, "[0.00, 0.00]"),
        (-0.001, 2.0, "[0.00, 2.00]"),
    ],
)
def test_an_interval_is_two_ends_in_brackets(low: float, high: float, expected: str) -> None:
    assert as_interval(PERCENT.number)(Interval(low, high)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.5, "+1.50"), (-1.5, "-1.50"), (0.0, "0.00"), (0.004, "0.00"), (-0.004, "0.00")],
)
def test_a_difference_has_a_sign_unless_it_rounds_to_nothing(value: float, expected: str) -> None:
    assert PERCENT.signed(value) == expected


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
    assert PERCENT.number(-0.004) == FRACTION.number(-0.00004) == "0.00"
    assert NATS.number(-0.0004) == "0.000"
    assert PERCENT.number(-0.006) == "-0.01"


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("-1.14 [-2.18, +0.09]", "$-$1.14 [$-$2.18, +0.09]"),
        ("[-2.18, +0.09]", "{[}$-$2.18, +0.09]"),
        ("-", "-"),
        ("resnet-50.a1-in1k", "resnet-50.a1-in1k"),
        ("2026-11-25", "2026-11-25"),
    ],
)
def test_latex_has_minus_signs_in_numbers_alone(text: str, typeset: str) -> None:
    assert f"{typeset} \\\\" in shown(
        "latex", Table((Column("one", "one", "left"),), ({"one": text},))
    )


BLOCKS: dict[type, Block] = {
    Heading: Heading(HOSTILE, "failed"),
    Paragraph: Paragraph(HOSTILE),
    Notes: Notes((HOSTILE, "second"), is_aside=True),
    Names: Names((HOSTILE, "[x]")),
    Table: Table(
        (Column("a", "A", "left", is_key=True), Column("b", HOSTILE)),
        ({"a": HOSTILE, "b": 1}, {"a": None, "b": HOSTILE}),
        title=HOSTILE,
        caption=HOSTILE,
        bold=frozenset({(0, "a")}),
        section_by="a",
    ),
    Entries: Entries(
        (Entry(HOSTILE, "1.0", {"formula": HOSTILE, "source": HOSTILE}, HOSTILE),),
        caption=HOSTILE,
        tabular=("formula", "source"),
    ),
}


def test_every_kind_of_block_is_tried() -> None:
    assert set(BLOCKS) == set(Block.__args__)


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
def test_html_escapes_all_text_and_closes_every_element(kind: type) -> None:
    page = Page(shown("html", BLOCKS[kind]))

    assert ("title", "title") in page.texts
    assert any(HOSTILE in text for _, text in page.texts)


def test_html_is_a_page_of_its_own() -> None:
    text = shown("html", Heading("T"), WITH_INTERVAL)

    assert text.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    for outside in ("http:", "https:", "src=", "href=", "<script", "url(", "@import"):
        assert outside not in text
    assert Page(text).rows(4)[:2] == [
        ["name", "error %", "images", "tags"],
        ["a|b_[c]", "33.33 [25.00, 41.25]", "50,000", "x, y"],
    ]
    assert '<td class="right">33.33' in text


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
def test_every_block_keeps_hostile_text_in_its_place(kind: type) -> None:
    block = BLOCKS[kind]
    check_latex(
        "\n".join(one for one in shown("latex", block).splitlines() if not one.startswith("%"))
    )
    assert HOSTILE in "".join(shown("table", block).splitlines())
    markdown_headings(shown("markdown", block))


@pytest.mark.parametrize("format", FORMATS)
def test_a_document_without_blocks_shows_nothing_to_people(format: str) -> None:
    text = shown(format)

    assert (text == "") == (format in ("table", "markdown", "latex"))


def test_formats_are_declared_once() -> None:
    assert [format.value for format in Format] == list(FORMATS)


def test_a_narrow_terminal_puts_columns_under_others_before_any_leaves() -> None:
    columns = (
        Column("name", "name", "left", is_key=True),
        Column("more", "more", "left", under="name"),
        Column("n", "n"),
    )
    table = Table(columns, ({"name": "resnet", "more": "checkpoint", "n": 1},))

    assert fit(table, 30)[1] == [list(columns)]
    narrow, (piece,) = fit(table, 20)
    assert [column.key for column in piece] == ["name", "n"]
    assert narrow.rows[0]["name"] == ("resnet", "checkpoint")
    text = render(document_of(table), "table", width=20)
    assert [line.split() for line in text.splitlines()[2:]] == [["resnet", "1"], ["checkpoint"]]


def test_a_table_that_continues_below_repeats_the_columns_that_name_its_rows() -> None:
    columns = (
        Column("rank", "rank", is_key=True),
        Column("name", "name", "left", is_key=True),
        *(Column(str(i), f"column {i}") for i in range(4)),
    )
    pieces = fit(Table(columns, ({"rank": 1, "name": "resnet"},)), 34)[1]

    assert [[column.key for column in piece] for piece in pieces] == [
        ["rank", "name", "0", "1"],
        ["rank", "name", "2", "3"],
    ]
