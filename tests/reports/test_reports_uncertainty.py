"""Error bars of a board: whose number has which, and ranks as ranges."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

import corruptions
from robustbench_gnl.leaderboard import (
    Board,
    Entry,
    Uncertainty,
    boards,
    uncertainties,
    with_uncertainty,
)
from robustbench_gnl.metrics.reference import default_reference, load_published
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.reports.leaderboard import leaderboard_document
from robustbench_gnl.reports.render import render
from robustbench_gnl.statistics import Replicates, bootstrap
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.reports.reading import READERS, captions, read_csv
from tests.reports.samples import COMMON, N_IMAGES, Judged, judged

ALTERNATING, IN_PAIRS = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
"""Replicates around 0 that have nothing to do with each other: their covariance is 0."""


def ranges(board: Board) -> dict[str, Any]:
    return {one.model: one.ranks and str(one.ranks) for one in board.entries if one.run}


def entry_of(board: Board, model: str) -> Entry:
    return next(entry for entry in board.entries if entry.model == model)


def render_boards(found: list[Board], format: str, columns: str = "groups") -> str:
    return render(leaderboard_document(found, columns), format)


def terminal(board: Board, width: int) -> str:
    return render(leaderboard_document([board]), "table", width=width)


def with_draws(board: Board, draws: dict[str, Any], level: float = 0.95) -> Board:
    """The board of runs by `make_run` with these replicates of the number it is sorted by."""
    ids = {entry.model: entry.run.id for entry in board.entries if entry.run}
    found = {ids[name]: Uncertainty({}, array) for name, array in draws.items()}
    return with_uncertainty(board, found, level)


def test_a_rank_goes_from_those_surely_better_to_those_surely_worse(make_run: Any) -> None:
    """mCE 70, 75 and 90. Two replicates of spread 3 differ by 1.96 * sqrt(18 * 4 / 3) = 9.6
    through chance alone: 5 points are within it, 15 and 20 are not."""
    (board,) = boards([make_run("a", 0.7), make_run("b", 0.75), make_run("c", 0.9)])
    draws = {"a": 70 + 3 * ALTERNATING, "b": 75 + 3 * IN_PAIRS, "c": 90 + 3 * ALTERNATING}

    assert ranges(with_draws(board, draws)) == {"a": "1-2", "b": "1-2", "c": "3"}
    # What all share parts nobody: the same images were drawn for each.
    together = {name: array.mean() + 3 * ALTERNATING for name, array in draws.items()}
    assert ranges(with_draws(board, together)) == {"a": "1", "b": "2", "c": "3"}


def test_a_lower_level_is_sure_sooner(make_run: Any) -> None:
    (board,) = boards([make_run("a", 0.7), make_run("b", 0.75)])
    draws = {"a": 70 + 3 * ALTERNATING, "b": 75 + 3 * IN_PAIRS}  # apart by 1.02 standard errors

    assert ranges(with_draws(board, draws, level=0.95)) == {"a": "1-2", "b": "1-2"}
    assert ranges(with_draws(board, draws, level=0.5)) == {"a": "1", "b": "2"}


def test_beside_results_without_error_bars_a_rank_stays_a_number(make_run: Any) -> None:
    board, *_ = boards([make_run("a", 0.7), make_run("b", 0.75)], published=load_published())
    found = with_draws(board, {"a": 70 + ALTERNATING, "b": 75 + ALTERNATING})

    assert ranges(found) == {"a": None, "b": None}
    assert [one.rank for one in found.entries] == [one.rank for one in board.entries]


def test_a_run_without_replicates_leaves_all_ranks_as_numbers(make_run: Any) -> None:
    (board,) = boards([make_run("a", 0.7), make_run("b", 0.75)])

    assert ranges(with_draws(board, {"a": 70 + ALTERNATING})) == {"a": None, "b": None}
    assert ranges(with_draws(board, {"a": 70 + ALTERNATING, "b": None})) == {"a": None, "b": None}


def test_an_unfinished_run_has_no_rank_and_does_not_hinder_the_others(make_run: Any) -> None:
    half = make_run("half", 0.1, without=[Condition("fog", 1)])
    (board,) = boards([make_run("a", 0.7), make_run("b", 0.75), half])

    found = with_draws(board, {"a": 70 + ALTERNATING, "b": 75 + ALTERNATING})
    assert ranges(found) == {"a": "1", "b": "2", "half": None}


@pytest.fixture(scope="module")
def runs() -> list[Judged]:
    """The second and the third differ by the answers for a few images under fog."""
    middle = judged("middle")
    fixed = np.flatnonzero(middle.answers[Condition("fog", 5)].wrong)[:3]
    return [
        judged("best", harder=-1.0),
        middle,
        judged("twin", changed={Condition("fog", 5): fixed}),
        judged("last", harder=1.0),
    ]


def draws_of(runs: list[Judged]) -> list[tuple[Any, Replicates]]:
    return [(one.run, bootstrap(one.outcomes)) for one in runs]


def board_of(runs: list[Judged], sort: str = "mce", level: float = 0.95) -> Board:
    (board,) = boards([one.run for one in runs], sort=sort)
    found = uncertainties(draws_of(runs), default_reference(), sort=sort, level=level)
    return with_uncertainty(board, found, level)


@pytest.fixture(scope="module")
def board(runs: list[Judged]) -> Board:
    return board_of(runs)


def mce_scores(one: Judged) -> Any:
    """(n_images,): each image's share of mCE."""
    alexnet = default_reference().errors
    return sum(
        100 * one.answers[cell].wrong / sum(alexnet[cell.corruption]) / 15
        for cell in DEFAULT_SUITE.main_conditions
    )


def test_ranges_follow_from_the_paired_difference_of_each_pair(
    runs: list[Judged], board: Board
) -> None:
    """Worked out again by the standard error of differences image by image."""

    def surely_better(one: Judged, other: Judged) -> bool:
        change = mce_scores(other) - mce_scores(one)
        return bool(change.mean() > 1.96 * stats.sem(change)) if change.any() else False

    expected = {}
    for one in runs:
        first = 1 + sum(surely_better(other, one) for other in runs)
        last = len(runs) - sum(surely_better(one, other) for other in runs)
        expected[one.run.model.name] = str(first) if first == last else f"{first}-{last}"

    assert expected == {"best": "1", "middle": "2-3", "twin": "2-3", "last": "4"}
    assert ranges(board) == expected


@pytest.mark.parametrize("sort", ["clean_error", "mean_corruption_error", "noise", "fog"])
def test_any_number_that_is_resampled_gives_ranges(runs: list[Judged], sort: str) -> None:
    assert set(ranges(board_of(runs, sort)).values()) == {"1", "2-3", "4"}


def test_parameters_have_no_error_bars_and_their_ranks_no_ranges(runs: list[Judged]) -> None:
    found = board_of(runs, "n_params")

    assert set(ranges(found).values()) == {None}
    assert found.entries[0].numbers["mce"].interval is not None


def test_every_number_of_a_row_has_its_interval(runs: list[Judged], board: Board) -> None:
    entry, one = entry_of(board, "middle"), runs[1]

    assert set(entry.numbers) == {
        "clean_error", "mce", "relative_mce", "mean_corruption_error",
        *(f"groups.{name}" for name in ("noise", "blur", "weather", "digital")),
        *(f"corruptions.{name}.ce" for name in corruptions.names("common")),
    }  # fmt: skip
    for estimate in entry.numbers.values():
        assert estimate.interval is not None
        assert estimate.interval.low < estimate.value < estimate.interval.high
        assert estimate.interval.level == 0.95
    # A percentile interval is about as wide as that of a mean of many images.
    mce, value = entry.numbers["mce"].interval, entry.numbers["mce"].value
    half = 1.96 * stats.sem(mce_scores(one))
    assert (mce.low, mce.high) == pytest.approx((value - half, value + half), abs=half / 10)
    wilson = stats.binomtest(int(one.answers[CLEAN].wrong.sum()), N_IMAGES).proportion_ci(
        method="wilson"
    )
    clean = entry.numbers["clean_error"].interval
    assert (clean.low, clean.high) == pytest.approx((wilson.low, wilson.high))
    reference = entry_of(board, "AlexNet")
    assert not reference.has_intervals
    assert {estimate.interval for estimate in reference.numbers.values()} == {None}


def test_an_interval_is_left_out_where_its_number_is() -> None:
    no_clean = judged("no-clean", conditions=DEFAULT_SUITE.main_conditions)
    ((name, found),) = uncertainties(
        draws_of([no_clean]), default_reference(), sort="clean_error", level=0.95
    ).items()

    assert name == no_clean.run.id
    assert not {"clean_error", "relative_mce"} & set(found.intervals)
    assert "mce" in found.intervals
    assert found.sorted_by is None


def test_a_number_that_is_the_same_for_all_images_has_no_interval() -> None:
    fog = conditions_of(("fog",), corruptions.SEVERITIES)
    made = judged(conditions=fog)
    perfect = judged(changed={cell: np.flatnonzero(made.answers[cell].wrong) for cell in fog})
    (found,) = uncertainties(
        draws_of([perfect]), default_reference(), sort="fog", level=0.95
    ).values()

    assert "corruptions.fog.ce" not in found.intervals
    assert found.sorted_by is not None
    assert set(found.sorted_by) == {0.0}
    (entry, _) = board_of([perfect]).entries
    assert entry.numbers["corruptions.fog.ce"].interval is None
    assert entry.numbers["corruptions.fog.ce"].reason
    assert entry.numbers["mce"].interval is not None


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
