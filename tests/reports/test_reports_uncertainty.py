"""Intervals and rank ranges in the report of a leaderboard."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from robustbench_gnl.leaderboard import (
    Board,
    boards,
)
from robustbench_gnl.metrics.reference import load_published
from robustbench_gnl.reports.leaderboard import leaderboard_document
from robustbench_gnl.reports.render import render
from tests.leaderboard.samples import (
    ALTERNATING,
    board_of,
    entry_of,
    with_draws,
)
from tests.reports.reading import READERS, captions, read_csv
from tests.reports.samples import COMMON, Judged, judged


def render_boards(found: list[Board], format: str, columns: str = "groups") -> str:
    return render(leaderboard_document(found, columns), format)


def terminal(board: Board, width: int) -> str:
    return render(leaderboard_document([board]), "table", width=width)


@pytest.mark.parametrize("format", READERS)
def test_an_interval_that_is_missing_has_its_reason_below_the_board(format: str) -> None:
    """All that is wrong in every cell scores the same in each resample."""
    made = judged()
    wrong = judged(
        "hopeless", changed={cell: np.flatnonzero(~made.answers[cell].wrong) for cell in COMMON}
    )
    board = board_of([wrong, judged("middle")])
    text = render_boards([board], format)
    note = (
        "no interval of mCE, relative mCE, mean corruption error, noise CE, blur CE, weather CE, "
        "digital CE of hopeless: every image scores the same, so resampling shows no spread"
    )

    assert note in text
    assert "fog CE of" not in text
    assert "fog CE, " in render_boards([board], format, "all")
    assert note in terminal(board, 500)
    rows = json.loads(render_boards([board], "json"))["boards"][0]["rows"]
    reasons = {row["model"]: row.get("interval_reasons") for row in rows}
    assert set(reasons["hopeless"]) > {"mce", "ce_fog"}
    assert (reasons["middle"], reasons["AlexNet (reference)"]) == ({}, None)


def test_published_results_have_no_intervals_and_it_is_said(make_run: Any) -> None:
    board, *_ = boards([make_run("a", 0.7)], published=load_published())
    found = with_draws(board, {"a": 70 + ALTERNATING})
    note = "no intervals of published results: they say nothing of single images"

    assert note in render_boards([found], "markdown")
    assert note not in render_boards([board], "markdown")


def test_json_has_intervals_and_both_ends_of_the_ranks(board: Board) -> None:
    (document,) = json.loads(render_boards([board], "json"))["boards"]
    rows = {row["model"]: row for row in document["rows"]}

    assert document["level"] == 0.95
    assert (rows["middle"]["rank_first"], rows["middle"]["rank_last"]) == (2, 3)
    assert (rows["best"]["rank_first"], rows["best"]["rank_last"]) == (1, 1)
    interval = entry_of(board, "middle").numbers["mce"].interval
    assert rows["middle"]["intervals"]["mce"] == {
        "low": interval.low, "high": interval.high, "level": 0.95, "method": "bootstrap"
    }  # fmt: skip
    assert "intervals" not in rows["AlexNet (reference)"]


def test_csv_has_intervals_and_both_ends_of_the_ranks(board: Board) -> None:
    table = read_csv(render_boards([board], "csv", "all")).set_index("model")
    numbers = entry_of(board, "middle").numbers

    assert table.loc["middle", ["rank_first", "rank_last"]].tolist() == [2, 3]
    for key, path in (("mce",) * 2, ("clean_error",) * 2, ("ce_fog", "corruptions.fog.ce")):
        found = table.loc["middle", [f"{key}_low", f"{key}_high"]].tolist()
        interval = numbers[path].interval
        assert found == pytest.approx([interval.low, interval.high], rel=1e-12)


@pytest.mark.parametrize("format", READERS)
def test_documents_show_intervals_behind_numbers_and_ranks_as_ranges(
    board: Board, format: str
) -> None:
    text = render_boards([board], format)
    (table,) = READERS[format](text)
    shown = {row[1]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    best = entry_of(board, "best")
    mce, clean = (best.numbers[path].interval for path in ("mce", "clean_error"))

    assert shown["middle"]["rank"] == shown["twin"]["rank"] == "2-3"
    assert shown["best"]["mCE"] == f"**{best.value('mce'):.2f} [{mce.low:.2f}, {mce.high:.2f}]**"
    assert shown["best"]["clean error, %"] == (
        f"**{100 * best.value('clean_error'):.2f} [{100 * clean.low:.2f}, {100 * clean.high:.2f}]**"
    )
    assert shown["AlexNet (reference)"]["mCE"] == "100.00"
    if format == "latex":
        assert captions(text)[0].endswith(
            "CE divides by the errors of AlexNet. In brackets: 95 % intervals"
        )
    assert (
        "with 95 % intervals: Wilson's for clean error; by resampling the images for all others; "
        "a rank is a range"
    ) in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_shows_intervals_under_their_numbers(board: Board, width: int) -> None:
    text = terminal(board, width)
    mce = entry_of(board, "best").numbers["mce"].interval

    assert max(len(line) for line in text.splitlines()) <= width
    assert f"[{mce.low:.2f}, {mce.high:.2f}]" in text
    assert text.count("2-3") >= 2


def test_without_error_bars_nothing_of_them_is_shown(runs: list[Judged]) -> None:
    (plain,) = boards([one.run for one in runs])

    assert "interval" not in render_boards([plain], "markdown")
    assert "rank_first" not in render_boards([plain], "csv")
    assert "intervals" not in render_boards([plain], "json")
