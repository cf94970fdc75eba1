"""Intervals of the entries of a board, and ranks as ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import corruptions
from robustbench_gnl.leaderboard import (
    Board,
    boards,
    uncertainties,
)
from robustbench_gnl.metrics.reference import default_reference, load_published
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.leaderboard.samples import (
    ALTERNATING,
    IN_PAIRS,
    board_of,
    draws_of,
    entry_of,
    ranges,
    with_draws,
)
from tests.reports.samples import N_IMAGES, Judged, judged


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
