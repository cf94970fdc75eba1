"""Every number of a run has an interval by the method that fits it, or a reason."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.statistics import (
    bootstrap,
    error_numbers,
    linear_metrics,
    outcomes_of,
    run_numbers,
)
from robustbench_gnl.statistics.intervals import NO_SPREAD
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(0)
    return outcomes_from(draw(rng, chances(rng, 500)), ALL_CELLS, block_size=64)


def test_every_number_has_an_interval_that_holds_it(outcomes):
    numbers = run_numbers(outcomes, default_reference())

    assert set(numbers.intervals) == set(numbers.values)
    assert not numbers.reasons
    for name, interval in numbers.intervals.items():
        assert interval.low < numbers.values[name] < interval.high, name
        assert interval.level == 0.95


def test_each_number_has_its_method(outcomes):
    numbers = run_numbers(outcomes, default_reference())
    methods = {name: interval.method for name, interval in numbers.intervals.items()}
    expected = {
        "wilson": [
            "clean_error",
            "clean_top5_error",
            "corruptions.fog.severities.3",
            "corruptions.fog.severities.3.top5_error",
        ],
        "bootstrap": [
            "mce",
            "relative_mce",
            "mean_corruption_error",
            "robustness_gap",
            "groups.blur",
            "corruptions.fog.error",
            "corruptions.fog.ce",
            "corruptions.fog.relative_ce",
        ],
        "jackknife": [
            "mean_top5_error",
            "clean_negative_log_likelihood",
            "mean_negative_log_likelihood",
            "corruptions.fog.negative_log_likelihood",
            "corruptions.fog.severities.3.calibration_error",
            "clean_calibration_error",
            "mean_calibration_error",
        ],
    }
    for method, names in expected.items():
        for name in names:
            assert methods[name] == method, name
    # 5 totals, clean, gap and mean; 4 groups; 15 corruptions with 3 each; 75 cells;
    # and of each kind by block: 2 + 15 + 75.
    assert len(methods) == 5 + 4 + 15 * 3 + 75 + 3 * (2 + 15 + 75)


def test_a_single_cell_is_scipys_wilson(outcomes):
    numbers = run_numbers(outcomes, default_reference())
    n_wrong = int(outcomes.n_wrong[0])
    expected = stats.binomtest(n_wrong, 500).proportion_ci(0.95, method="wilson")
    found = numbers.intervals["clean_error"]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    n_top5 = int(outcomes.n_top5[0].sum())
    expected = stats.binomtest(500 - n_top5, 500).proportion_ci(0.95, method="wilson")
    found = numbers.intervals["clean_top5_error"]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert numbers.values["clean_top5_error"] == pytest.approx(1 - n_top5 / 500)


def test_given_replicates_are_used_and_narrower_levels_are_narrower(outcomes):
    replicates = bootstrap(outcomes, seed=9)
    reference = default_reference()
    given = run_numbers(outcomes, reference, replicates=replicates, level=0.5)
    fields = linear_metrics(outcomes.conditions, reference)

    assert given.intervals["mce"] == replicates.interval(fields["mce"], 0.5)
    assert given.intervals["mce"] != run_numbers(outcomes, reference, level=0.5).intervals["mce"]
    wide = error_numbers(replicates, reference).intervals["mce"]
    assert wide.low < given.intervals["mce"].low < given.intervals["mce"].high < wide.high


def test_missing_cells_leave_out_what_needs_them(outcomes):
    numbers = run_numbers(outcomes.only(FOG), default_reference())

    assert "corruptions.fog.ce" in numbers.intervals
    assert "corruptions.fog.calibration_error" in numbers.intervals
    for name in ("mce", "clean_error", "corruptions.fog.relative_ce", "mean_calibration_error"):
        assert name not in numbers.values


def test_no_spread_and_few_blocks_are_told():
    wrong = np.ones((6, 40), np.bool_)
    wrong[0, :20] = False
    numbers = run_numbers(outcomes_from(wrong, (CLEAN, *FOG)), default_reference())

    assert numbers.values["corruptions.fog.error"] == 1.0
    assert numbers.reasons["corruptions.fog.error"] == NO_SPREAD
    assert numbers.intervals["corruptions.fog.severities.5"].low == pytest.approx(0.912, abs=1e-3)
    assert numbers.reasons[
        "mean_top5_error" if "mean_top5_error" in numbers.values else "corruptions.fog.top5_error"
    ].startswith("1 whole block of images")
    assert "clean_top5_error" in numbers.intervals


def test_scores_that_are_equal_but_for_rounding_have_no_spread():
    """Each image is wrong in one of the five cells: the mean is 0.2 in every resample."""
    wrong = np.zeros((5, 50), np.bool_)
    wrong[np.arange(50) % 5, np.arange(50)] = True
    numbers = run_numbers(outcomes_from(wrong, FOG), default_reference())

    assert numbers.reasons["corruptions.fog.ce"] == NO_SPREAD


def test_no_cells_no_numbers():
    numbers = run_numbers(outcomes_of([], 20), default_reference())

    assert (numbers.values, numbers.intervals, numbers.reasons) == ({}, {}, {})


def test_extra_corruptions_have_theirs():
    extra = (Condition("spatter", 1), Condition("spatter", 4))
    outcomes = outcomes_from(np.random.default_rng(1).random((2, 300)) < 0.5, extra)
    numbers = run_numbers(outcomes, default_reference())

    assert numbers.intervals["corruptions.spatter.error"].method == "bootstrap"
    assert numbers.intervals["corruptions.spatter.severities.4"].method == "wilson"
    assert "mean_top5_error" not in numbers.values
