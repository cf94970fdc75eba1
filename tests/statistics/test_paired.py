"""Differences of two runs: intervals from shared draws, and marks that say what is sure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics import Interval
from robustbench_gnl.records import CLEAN, conditions_of
from robustbench_gnl.reference import load_alexnet
from robustbench_gnl.statistics import (
    bootstrap,
    cell_tests,
    differences,
    linear_fields,
    mark_of,
    paired_bootstrap,
    paired_differences,
)
from tests.statistics.samples import ALL_CELLS, chances, draw, evidence_from

CELLS = (CLEAN, *conditions_of(("snow", "fog"), (1, 2, 3, 4, 5)))
FIELDS = linear_fields(CELLS, load_alexnet())


def two_runs(seed: int, n_images: int, shift: float = 0.0, cells=CELLS):
    rng = np.random.default_rng(seed)
    chance = chances(rng, n_images, cells)
    odds = np.log(chance / (1 - chance)) + shift
    before, after = draw(rng, chance), draw(rng, 1 / (1 + np.exp(-odds)))
    return evidence_from(before, cells), evidence_from(after, cells)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(2, 200))
def test_paired_replicates_are_the_difference_of_each_runs_own(seed: int, n_images: int):
    a, b = two_runs(seed, n_images)
    options = {"n_resamples": 50, "seed": 4}
    paired = paired_bootstrap(a, b, **options)
    own = bootstrap(b, **options).counts - bootstrap(a, **options).counts

    np.testing.assert_array_equal(paired.counts, own)
    np.testing.assert_array_equal(paired.observed, b.n_wrong - a.n_wrong)


def test_a_run_less_itself_is_0():
    a, _ = two_runs(0, 100)
    assert not paired_bootstrap(a, a, n_resamples=50).counts.any()
    for name, found in differences(a, a, FIELDS, n_resamples=50).items():
        assert (found.difference, found.interval.low, found.interval.high) == (0, 0, 0), name
        assert (found.mark, found.n_differing) == ("~", 0), name
    assert {test.mark for test in cell_tests(a, a)} == {"~"}
    assert {test.p_value for test in cell_tests(a, a)} == {1.0}


def test_pairing_narrows_the_interval_as_the_closed_form_says():
    a, b = two_runs(1, 800, cells=ALL_CELLS)
    field = linear_fields(ALL_CELLS, load_alexnet())["mce"]
    found = differences(a, b, {"mce": field}, n_resamples=4000)["mce"]
    error = paired_differences(a, b, field).std() / math.sqrt(800)

    normal = stats.norm.interval(0.95, found.difference, error)
    assert (found.interval.low, found.interval.high) == pytest.approx(normal, abs=0.15 * error)
    # Unpaired, it is at least half as wide again for images this different.
    alone = math.hypot(*(field.scores(run).std() / math.sqrt(800) for run in (a, b)))
    assert alone > 1.5 * error
    assert found.candidate - found.baseline == pytest.approx(found.difference)


def test_what_is_worse_is_marked_worse_and_its_mirror_better():
    a, b = two_runs(2, 400, shift=0.8)
    worse, better = differences(a, b, FIELDS), differences(b, a, FIELDS)
    for name in FIELDS:
        one, other = worse[name], better[name]
        assert one.difference == pytest.approx(-other.difference)
        if one.mark != "~":
            assert {one.mark, other.mark} == {"worse", "better"}, name
    assert worse["clean_error"].mark == worse["corruptions.fog.ce"].mark == "worse"
    assert (worse["corruptions.fog.ce"].interval.low) > 0
    # The gap to clean is all that a field of opposite signs has: here it does not move.
    assert worse["corruptions.fog.relative_ce"].mark == "~"


def test_a_constant_cancels():
    a, b = two_runs(3, 50)
    field = FIELDS["clean_error"]
    moved = replace(field, constant=7.0)
    plain = differences(a, b, {"x": field})["x"]
    found = differences(a, b, {"x": moved})["x"]

    assert found.difference == plain.difference
    assert found.interval == plain.interval
    assert found.baseline == pytest.approx(plain.baseline + 7)


@pytest.mark.parametrize(
    ("low", "high", "n_differing", "mark"),
    [
        (0.1, 0.2, 50, "worse"),
        (-0.2, -0.1, 50, "better"),
        (-0.1, 0.2, 50, "~"),
        (0.0, 0.2, 50, "~"),
        (0.1, 0.2, 5, "~"),  # 2 / 2**5 is above 0.05: five images are too few.
        (0.1, 0.2, 6, "worse"),
    ],
)
def test_marks(low: float, high: float, n_differing: int, mark: str):
    assert mark_of(Interval(low, high), n_differing) == mark


def test_cells_are_tested_by_mcnemar_with_holm():
    a, b = two_runs(4, 300, shift=0.6)
    tests = cell_tests(a, b)

    assert [test.condition for test in tests] == list(CELLS)
    for row, test in enumerate(tests):
        only_a = int((a.wrong[row] & ~b.wrong[row]).sum())
        only_b = int((b.wrong[row] & ~a.wrong[row]).sum())
        assert (test.only_baseline, test.only_candidate) == (only_a, only_b)
        assert test.p_value == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
        assert test.candidate - test.baseline == pytest.approx((only_b - only_a) / 300)
        assert test.p_holm >= test.p_value
        assert test.mark == (
            "~" if test.p_holm > 0.05 else "worse" if only_b > only_a else "better"
        )
    assert {"worse", "~"} <= {test.mark for test in tests}


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_the_order_of_images_changes_no_cell_test(seed: int):
    a, b = two_runs(seed, 80)
    order = np.random.default_rng(seed).permutation(80)
    c, d = (evidence_from(run.wrong[:, order], CELLS) for run in (a, b))

    assert cell_tests(c, d) == cell_tests(a, b)


def test_runs_of_other_cells_are_refused():
    a, b = two_runs(5, 40)
    for compare in (paired_bootstrap, cell_tests):
        with pytest.raises(UsageError, match="expected two runs with the same cells"):
            compare(a, b.only(CELLS[1:]))
