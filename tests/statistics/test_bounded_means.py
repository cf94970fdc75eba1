"""Bounds of the mean of bounded values: exact where they are counts, else against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.statistics.bounded_means import BoundedMean, bounded_change
from robustbench_gnl.statistics.paired_tests import MOST_ENUMERATED
from tests.statistics.samples import chances, draw


def counted(n_wrong: int, n_images: int) -> BoundedMean:
    values = np.zeros(n_images)
    values[:n_wrong] = 1.0
    return BoundedMean(values, 0.0, 1.0)


@pytest.mark.parametrize(("n_wrong", "n"), [(0, 20), (1, 20), (7, 20), (20, 20), (130, 500)])
def test_of_counts_they_are_those_of_clopper_and_pearson(n_wrong: int, n: int) -> None:
    """scipy's exact test of a proportion is another implementation of the same bound."""
    test = stats.binomtest(n_wrong, n, 0.25, alternative="greater")
    expected = test.proportion_ci(0.95, method="exact").low
    above = stats.binomtest(n_wrong, n, 0.25, alternative="less")

    assert counted(n_wrong, n).has_two_sizes
    assert counted(n_wrong, n).p_value(0.25) == pytest.approx(test.pvalue)
    assert counted(n_wrong, n).lower_bound(0.05) == pytest.approx(expected, abs=1e-12)
    upper = above.proportion_ci(0.95, method="exact").high
    assert counted(n_wrong, n).upper_bound(0.05) == pytest.approx(upper, abs=1e-12)


@pytest.mark.parametrize("n", [4, 15, 60, 500])
@pytest.mark.parametrize("shape", [(0.6, 0.9), (8, 1), (0.1, 3)])
def test_of_other_values_they_are_those_of_the_bayesian_bootstrap(n: int, shape) -> None:
    """By drawing the weights: of the values, and of one more as low as a value can be."""
    rng = np.random.default_rng(n)
    values = 100 * rng.beta(*shape, n)
    found = BoundedMean(values, 0.0, 100.0)
    weights = rng.dirichlet(np.ones(n + 1), 40_000)
    means = weights @ np.append(values, 0.0)

    assert not found.has_two_sizes
    for limit in np.quantile(means, [0.003, 0.05, 0.4, 0.5, 0.6, 0.97]):
        drawn = float((means <= limit).mean())
        slack = 4 * np.sqrt(drawn * (1 - drawn) / len(means))
        assert found.p_value(float(limit)) == pytest.approx(drawn, rel=0.02, abs=slack)
    for alpha in (0.01, 0.05, 0.3):
        assert found.p_value(found.lower_bound(alpha)) == pytest.approx(alpha, rel=1e-3)
        mirrored = BoundedMean(100 - values, 0.0, 100.0)
        assert found.upper_bound(alpha) == pytest.approx(100 - mirrored.lower_bound(alpha))


def test_the_p_value_passes_smoothly_through_the_middle() -> None:
    """Where the mean is at the limit the saddlepoint's formula is 0 / 0."""
    found = BoundedMean(np.random.default_rng(0).beta(0.6, 0.9, 300), 0.0, 1.0)
    middle = float(np.append(found.values, 0.0).mean())
    limits = middle + np.linspace(-1e-3, 1e-3, 2001)
    p_values = np.array([found.p_value(float(limit)) for limit in limits])

    assert (np.diff(p_values) > 0).all()
    assert np.diff(p_values).max() < 2 * np.diff(p_values).mean()


def test_values_that_are_all_alike_are_not_taken_for_certain() -> None:
    """Ten images that are all right do not show an error of 0: of 26 % of them wrong, none is
    drawn one time in twenty."""
    none, all_of_them = counted(0, 10), counted(10, 10)

    assert (none.lower_bound(), none.p_value(0.0)) == (0.0, 1.0)
    assert none.upper_bound() == pytest.approx(1 - 0.05**0.1)
    assert all_of_them.lower_bound() == pytest.approx(0.05**0.1)
    assert all_of_them.p_value(0.9) == pytest.approx(0.9**10)


def test_few_differences_leave_the_others_free_and_many_do_not() -> None:
    for n_differing in (0, MOST_ENUMERATED, MOST_ENUMERATED + 1):
        differences = np.zeros(400)
        differences[:n_differing] = -2.0
        found = bounded_change(differences, 128.0)
        few = n_differing <= MOST_ENUMERATED
        assert (found.low, found.high) == ((-128.0, 128.0) if few else (-2.0, 0.0))


@pytest.mark.parametrize("n_images", [12, 100])
def test_a_bound_is_above_the_truth_at_most_alpha_of_the_time(n_images: int) -> None:
    """Of shares that are mostly small, all or nothing, and mostly large: percentiles of a
    bootstrap of 12 such images are above the truth one time in ten and more."""
    rng = np.random.default_rng(3)
    population = chances(rng, 4000)
    for power in (0.3, 1.0, 4.0):
        truth = float((population**power).mean())
        n_above = 0
        for _ in range(300):
            chosen = population[:, rng.integers(0, 4000, n_images)] ** power
            wrong = draw(rng, chosen).mean(axis=0)
            n_above += BoundedMean(wrong, 0.0, 1.0).lower_bound(0.05) > truth
        assert n_above <= stats.binom.ppf(0.999, 300, 0.05)
