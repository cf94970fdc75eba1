"""Resampled images, against the closed form of a mean and against counting by hand."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import bootstrap, linear_metrics, percentile_interval
from robustbench_gnl.statistics.bootstrap import image_counts, resampled_sums
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

FOG = Condition("fog", 3)


def drawn(n_images: int, **options: int) -> np.ndarray:
    return np.concatenate(list(image_counts(n_images, **options)))


@pytest.mark.parametrize("n_images", [1, 2, 7, 500, 4097])
def test_every_resample_has_as_many_images(n_images: int):
    counts = drawn(n_images, n_resamples=50)

    assert counts.shape == (50, n_images)
    assert set(counts.sum(axis=1)) == {n_images}


def test_every_image_is_as_likely():
    total = drawn(101, n_resamples=2000).sum(axis=0)

    assert stats.chisquare(total).pvalue > 0.001


FIRST_DRAWS = [[0, 2, 0, 1, 2, 2, 1, 0], [1, 2, 1, 1, 2, 1, 0, 0]]


def test_the_draws_are_the_same_in_every_version():
    """Written down once: kept replicates stand on them."""
    assert drawn(8, n_resamples=2, seed=0).tolist() == FIRST_DRAWS
    assert drawn(8, n_resamples=2, seed=1).tolist() != FIRST_DRAWS


def test_fewer_resamples_are_the_first_of_more(monkeypatch: pytest.MonkeyPatch):
    many = drawn(31, n_resamples=100)
    np.testing.assert_array_equal(drawn(31, n_resamples=10), many[:10])
    # In chunks of any size.
    monkeypatch.setattr(sys.modules[image_counts.__module__], "_CHUNK_BYTES", 31 * 4 * 7)
    assert len(next(image_counts(31, n_resamples=100))) == 7
    np.testing.assert_array_equal(drawn(31, n_resamples=100), many)


def test_sums_are_whole_and_those_of_counting():
    rng = np.random.default_rng(0)
    values = rng.integers(-1, 2, (4, 3001))
    sums = resampled_sums(values, n_resamples=60, seed=5)
    by_hand = drawn(3001, n_resamples=60, seed=5).astype(np.int64) @ values.T

    assert sums.dtype == np.int64
    np.testing.assert_array_equal(sums, by_hand)


@pytest.mark.parametrize("name", ["clean_error", "mce", "relative_mce", "corruptions.fog.ce"])
def test_the_standard_error_is_that_of_a_mean(name: str):
    """Of a mean of n scores it is sd / sqrt(n); of 4,000 resamples, give or take 1.1 %."""
    rng = np.random.default_rng(1)
    outcomes = outcomes_from(draw(rng, chances(rng, 700)), ALL_CELLS)
    field = linear_metrics(outcomes.conditions, default_reference())[name]
    replicates = bootstrap(outcomes, n_resamples=4000)
    closed = field.scores(outcomes).std() / math.sqrt(700)

    assert replicates.values(field).std() == pytest.approx(closed, rel=0.045)
    assert replicates.values(field).mean() == pytest.approx(
        replicates.value(field), abs=5 * closed / math.sqrt(4000)
    )
    interval = replicates.interval(field)
    normal = stats.norm.interval(0.95, replicates.value(field), closed)
    assert (interval.low, interval.high) == pytest.approx(normal, abs=0.2 * closed)


def test_cells_share_their_images():
    """Two equal cells have equal replicates, two opposite ones opposite ones."""
    row = np.random.default_rng(2).random(200) < 0.3
    outcomes = outcomes_from(np.array([row, row, ~row]), (CLEAN, FOG, Condition("contrast", 1)))
    counts = bootstrap(outcomes, n_resamples=50).counts

    np.testing.assert_array_equal(counts[:, 0], counts[:, 1])
    np.testing.assert_array_equal(counts[:, 0] + counts[:, 2], np.full(50, 200))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), order_seed=st.integers(0, 2**32))
def test_the_order_of_images_moves_an_interval_by_chance_alone(seed: int, order_seed: int):
    rng = np.random.default_rng(seed)
    wrong = draw(rng, chances(rng, 300, (CLEAN, FOG)))
    shuffled = wrong[:, np.random.default_rng(order_seed).permutation(300)]
    intervals = []
    for bits in (wrong, shuffled):
        outcomes = outcomes_from(bits, (CLEAN, FOG))
        field = linear_metrics(outcomes.conditions, default_reference())["corruptions.fog.error"]
        replicates = bootstrap(outcomes, n_resamples=400)
        intervals.append(replicates.interval(field))
        assert replicates.value(field) == wrong[1].mean()
    closed = wrong[1].std() / math.sqrt(300)
    assert intervals[0].low == pytest.approx(intervals[1].low, abs=closed)
    assert intervals[0].high == pytest.approx(intervals[1].high, abs=closed)


def test_percentiles_are_those_of_rank_p_times_n_plus_1():
    interval = percentile_interval(np.arange(1.0, 1000.0), 0.95)  # 999 replicates

    assert (interval.low, interval.high) == pytest.approx((25, 975))
    assert (interval.level, interval.method) == (0.95, "bootstrap")


def test_replicates_are_narrowed_by_cell():
    outcomes = outcomes_from(np.random.default_rng(3).random((2, 50)) < 0.5, (CLEAN, FOG))
    whole, part = (
        bootstrap(outcomes, n_resamples=40),
        bootstrap(outcomes.only([FOG]), n_resamples=40),
    )

    np.testing.assert_array_equal(whole.only([FOG]).counts, part.counts)
    np.testing.assert_array_equal(whole.only([FOG]).observed, part.observed)
    assert whole.only([FOG]).conditions == (FOG,)
    assert whole.n_resamples == 40


@pytest.mark.parametrize("options", [{"n_resamples": 0}, {"seed": -1}, {"seed": 2**63}])
def test_settings_without_a_meaning_are_refused(options: dict[str, int]):
    with pytest.raises(UsageError, match=r"expected 1 resample or more and a seed of 0 to 2\*\*63"):
        next(image_counts(10, **options))


def test_no_images_are_refused():
    with pytest.raises(UsageError, match="expected 1 to 16,777,215 images to resample, got 0"):
        resampled_sums(np.zeros((2, 0), np.bool_))


def test_levels_and_their_resamples_are_checked():
    with pytest.raises(
        UsageError,
        match=r"at most 0\.948718, which needs 38 resamples; got 0\.94999.*, which needs 39",
    ):
        percentile_interval(np.arange(38.0))
    assert percentile_interval(np.arange(39.0)).low == pytest.approx(0, abs=1e-12)
    with pytest.raises(UsageError, match=r"a level between 0 and 1, such as 0\.95, got 95"):
        percentile_interval(np.arange(1000.0), 95)
