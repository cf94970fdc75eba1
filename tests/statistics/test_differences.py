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
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, conditions_of
from robustbench_gnl.statistics import (
    bootstrap,
    cell_tests,
    differences,
    linear_metrics,
    mark_of,
    paired_bootstrap,
    paired_differences,
)
from robustbench_gnl.statistics.differences import with_two_more_images
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

CELLS = (CLEAN, *conditions_of(("snow", "fog"), (1, 2, 3, 4, 5)))
FIELDS = linear_metrics(CELLS, default_reference())


def two_runs(seed: int, n_images: int, shift: float = 0.0, cells=CELLS):
    rng = np.random.default_rng(seed)
    chance = chances(rng, n_images, cells)
    odds = np.log(chance / (1 - chance)) + shift
    before, after = draw(rng, chance), draw(rng, 1 / (1 + np.exp(-odds)))
    return outcomes_from(before, cells), outcomes_from(after, cells)


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
        assert (found.difference, found.mark, found.n_differing) == (0, "~", 0), name
        # As two images that change in the cell of most weight would leave it.
        size = np.abs(FIELDS[name].weights).max()
        expected = stats.norm.ppf(0.975) * math.sqrt(2) * size / 100
        assert (found.interval.low, found.interval.high) == pytest.approx((-expected, expected))
        assert found.p_value == 1
    assert {test.mark for test in cell_tests(a, a)} == {"~"}
    assert {test.p_value for test in cell_tests(a, a)} == {1.0}


@pytest.mark.parametrize(("only_before", "only_after"), [(30, 45), (3, 9), (1, 5)])
def test_two_more_images_are_those_of_bonett_and_price(only_before: int, only_after: int):
    """Their interval of 2012: one more to either side, then Wald's. 400 images make two more a
    small share of all, so that n + 2 is as good as n."""
    n_images = 400
    change = np.zeros(n_images)
    change[:only_before], change[-only_after:] = -1.0, 1.0
    mean, error = change.mean(), change.std() / math.sqrt(n_images)
    wald = Interval(*stats.norm.interval(0.95, mean, error))
    found = with_two_more_images(wald, change, 1.0)

    p, q = (only_after + 1) / (n_images + 2), (only_before + 1) / (n_images + 2)
    theirs = math.sqrt((p + q - (p - q) ** 2) / (n_images + 2))
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * theirs, rel=0.01)
    assert (found.low + found.high) / 2 == pytest.approx(mean)


def nearly_alike(rng: np.random.Generator, n_images: int, kind: str):
    """Two runs as a network and its quantised copy: a few answers flip, or a few images break."""
    before = draw(rng, chances(rng, n_images, CELLS))
    after = before ^ (rng.random(before.shape) < 0.005)
    if kind == "broken":
        after[:, rng.random(n_images) < 0.01] = True
    return before, after


def coverage_of_near_twins(kind: str, n_experiments: int) -> dict[str, float]:
    """How often the interval of each difference holds the truth."""
    rng = np.random.default_rng(8)
    names = ("clean_error", "corruptions.fog.ce", "corruptions.fog.relative_ce")
    fields = {name: FIELDS[name] for name in names}
    population = [run.mean(axis=1) for run in nearly_alike(rng, 200_000, kind)]
    truth = {name: np.subtract(*map(one.value, population[::-1])) for name, one in fields.items()}
    held = dict.fromkeys(names, 0)
    for _ in range(n_experiments):
        runs = (outcomes_from(run, CELLS) for run in nearly_alike(rng, 500, kind))
        for name, one in differences(*runs, fields).items():
            held[name] += one.interval.low <= truth[name] <= one.interval.high
    return {name: count / n_experiments for name, count in held.items()}


@pytest.mark.parametrize("kind", ["flips", "broken"])
def test_intervals_hold_where_a_few_images_make_all_the_change(kind: str):
    """Resampling alone holds the truth in 75 to 90 of 100 of them."""
    least = stats.binom.ppf(1e-4, 200, 0.93) / 200
    for name, held in coverage_of_near_twins(kind, 200).items():
        assert held >= least, name


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flips", "broken"])
def test_intervals_of_near_twins_hold_over_many_experiments(kind: str):
    for name, held in coverage_of_near_twins(kind, 1000).items():
        assert held >= 0.93, name


def test_p_of_a_single_cell_is_mcnemars_and_of_many_is_students():
    a, b = two_runs(3, 300, shift=0.3)
    found = differences(a, b, FIELDS)
    tests = {test.condition: test for test in cell_tests(a, b)}
    field = FIELDS["corruptions.fog.ce"]

    assert found["clean_error"].p_value == pytest.approx(tests[CLEAN].p_value)
    scores = [field.scores(run) for run in (b, a)]
    assert found[field.name].p_value == pytest.approx(stats.ttest_rel(*scores).pvalue)


def test_pairing_narrows_the_interval_as_the_closed_form_says():
    a, b = two_runs(1, 800, cells=ALL_CELLS)
    field = linear_metrics(ALL_CELLS, default_reference())["mce"]
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
    c, d = (outcomes_from(run.wrong[:, order], CELLS) for run in (a, b))

    assert cell_tests(c, d) == cell_tests(a, b)


def test_runs_of_other_cells_are_refused():
    a, b = two_runs(5, 40)
    for compare in (paired_bootstrap, cell_tests):
        with pytest.raises(UsageError, match="expected two runs with the same cells"):
            compare(a, b.only(CELLS[1:]))
