"""Rank ranges on boards made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, conditions_of
from robustbench_gnl.statistics import RankRange, bootstrap, linear_metrics, rank_ranges
from robustbench_gnl.statistics.paired_tests import paired_differences
from tests.statistics.samples import chances, draw, outcomes_from

CELLS = (CLEAN, *conditions_of(("fog",), (1, 2, 3, 4, 5)))


def board(values: list[float], errors: list[float], shared: float = 0.0, n: int = 4000):
    """Replicates with these standard errors; `shared` of their variance common to all."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=n)
    return np.array(
        [
            value + error * (shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=n))
            for value, error in zip(values, errors, strict=True)
        ]
    )


def ranges(values: list[float], errors: list[float], shared: float = 0.0) -> list[str]:
    return [str(one) for one in rank_ranges(values, board(values, errors, shared))]


def test_runs_that_are_far_apart_have_one_rank_each():
    assert ranges([70.0, 50.0, 60.0], [1.0, 1.0, 1.0]) == ["3", "1", "2"]


def test_runs_that_are_close_share_their_ranks():
    assert ranges([50.0, 51.0, 70.0], [1.0, 1.0, 1.0]) == ["1-2", "1-2", "3"]


def test_one_uncertain_run_among_certain_ones():
    """It may be anywhere among the four; they are sure of each other, not of it."""
    assert ranges([50, 55, 60, 65, 57], [0.1, 0.1, 0.1, 0.1, 20.0]) == [
        "1-2", "2-3", "3-4", "4-5", "1-5",
    ]  # fmt: skip


def test_close_in_a_chain_is_not_close_from_end_to_end():
    assert ranges([50.0, 52.0, 54.0], [1.0, 1.0, 1.0]) == ["1-2", "1-3", "2-3"]


def test_what_two_runs_share_does_not_part_them():
    """Errors of 1 each: unpaired 2 points are within 1.96 * 1.41; with 0.9 shared, within 0.88."""
    assert ranges([50.0, 52.0], [1.0, 1.0]) == ["1-2", "1-2"]
    assert ranges([50.0, 52.0], [1.0, 1.0], shared=0.9) == ["1", "2"]


def test_runs_that_answer_alike_share_their_rank():
    one = board([50.0], [1.0])[0]
    twins = np.array([one, one, one + 20])

    assert rank_ranges([50.0, 50.0, 70.0], twins) == [
        RankRange(1, 2), RankRange(1, 2), RankRange(3, 3),
    ]  # fmt: skip
    # Equal but for the order of adding.
    assert rank_ranges([50.0, 50.0 + 1e-13, 70.0], twins)[0] == RankRange(1, 2)


def test_one_run_is_first():
    assert rank_ranges([50.0], board([50.0], [1.0])) == [RankRange(1, 1)]
    assert rank_ranges([], np.zeros((0, 100))) == []


def test_the_standard_error_is_that_of_paired_differences():
    """Two runs, moved apart until the closed form says they are sure."""
    rng = np.random.default_rng(5)
    chance = chances(rng, 600, CELLS)
    runs = [outcomes_from(draw(rng, chance), CELLS) for _ in range(2)]
    field = linear_metrics(CELLS, default_reference())["corruptions.fog.ce"]
    replicates = np.array([bootstrap(run, n_resamples=4000).values(field) for run in runs])
    error = stats.sem(paired_differences(runs[0], runs[1], field))

    for factor, sure in ((1.8, False), (2.1, True)):
        found = rank_ranges([60.0, 60.0 + factor * error], replicates)
        assert (found[0] == RankRange(1, 1)) == sure


@pytest.mark.parametrize("shape", [(3, 100), (2, 1), (2,)])
def test_replicates_of_other_runs_are_refused(shape: tuple[int, ...]):
    with pytest.raises(UsageError, match="expected replicates of 2 runs, two or more each, got an"):
        rank_ranges([1.0, 2.0], np.zeros(shape))
