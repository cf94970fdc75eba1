"""What is said to be seen is seen: closed forms, statsmodels, and simulated pairs of runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, conditions_of
from robustbench_gnl.statistics import (
    assumed_sd,
    detectable_change,
    images_needed,
    linear_metrics,
    paired_differences,
    paired_sd,
    paired_test,
    power_of,
)
from tests.statistics.samples import chances, draw, outcomes_from

CELLS = (CLEAN, *conditions_of(("fog",), (1, 2, 3, 4, 5)))
FIELDS = linear_metrics(CELLS, default_reference())


def shifted(chance: np.ndarray, shift: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + shift)))


def test_power_is_statsmodels():
    for change, sd, n_images in ((0.5, 4.0, 400), (0.02, 0.4, 1000), (0.3, 1.0, 60)):
        expected = TTestPower().power(change / sd, n_images, 0.05, alternative="larger")
        assert power_of(change, sd, n_images) == pytest.approx(expected, abs=0.005)


def test_images_needed_are_statsmodels():
    for change, sd in ((0.5, 4.0), (0.02, 0.4), (0.3, 1.0)):
        expected = TTestPower().solve_power(change / sd, None, 0.05, 0.8, alternative="larger")
        assert images_needed(change, sd) == pytest.approx(expected, rel=0.01, abs=1)


def exact_power(above: float, below: float, n_images: int) -> float:
    """Of the one-sided McNemar test: over how many images differ, and of those are worse."""
    n_differing = np.arange(n_images + 1)
    # The fewest of them that a coin shows with a chance of at most 5 %.
    fewest = stats.binom.isf(0.05, n_differing, 0.5) + 1
    seen = stats.binom.sf(fewest - 1, n_differing, above / (above + below))
    return float(stats.binom.pmf(n_differing, n_images, above + below) @ seen)


@pytest.mark.parametrize("n_images", [100, 500, 2000])
@pytest.mark.parametrize("n_sd", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("differing", [0.2, 0.4])
def test_the_power_of_a_single_cell_is_that_of_the_exact_test(
    differing: float, n_sd: float, n_images: int
):
    change = n_sd * math.sqrt(differing / n_images)
    sd = math.sqrt(differing - change**2)
    exact = exact_power((differing + change) / 2, (differing - change) / 2, n_images)

    assert power_of(change, sd, n_images, step=1.0) == pytest.approx(exact, abs=0.021)


def test_a_worked_example():
    """5,000 images, runs that disagree on 5 % of them: sd 0.224, standard error 0.316 points;
    1.645 + 0.842 of those are 0.79 points."""
    assert detectable_change(math.sqrt(0.05), 5000) == pytest.approx(0.00787, abs=1e-5)


@given(
    st.floats(0.01, 10), st.integers(10, 100_000), st.floats(0.001, 0.2), st.floats(0.5, 0.99),
    st.floats(0, 1),
)  # fmt: skip
def test_the_three_questions_have_one_answer(
    sd: float, n_images: int, alpha: float, power: float, threshold: float
):
    options = {"alpha": alpha, "threshold": threshold}
    change = detectable_change(sd, n_images, power=power, **options)

    assert power_of(change, sd, n_images, **options) == pytest.approx(power, abs=1e-9)
    assert change >= threshold
    enough = images_needed(change * (1 + 1e-9), sd, power=power, **options)
    assert enough <= n_images
    assert detectable_change(sd, enough, power=power, **options) <= change * (1 + 1e-9)
    if enough > 2:
        assert detectable_change(sd, enough - 1, power=power, **options) > change


def test_a_change_at_the_threshold_is_seen_one_time_in_two():
    assert power_of(0.5, 1.0, 10**6, threshold=0.5) == pytest.approx(0.5)
    with pytest.raises(UsageError, match=r"expected a change above 0\.5, got 0\.5: a change at"):
        images_needed(0.5, 1.0, threshold=0.5)
    with pytest.raises(UsageError, match="expected a change above 0, got -1"):
        images_needed(-1, 1.0)


def test_a_change_beyond_all_images_is_refused():
    with pytest.raises(UsageError, match="a change of 1e-09 needs more than 1,099,511,627,776 im"):
        images_needed(1e-9, 1.0)


@pytest.mark.parametrize(("sd", "n_images"), [(0.0, 100), (1.0, 1), (math.nan, 100)])
def test_runs_that_answer_alike_are_refused(sd: float, n_images: int):
    with pytest.raises(UsageError, match="of two runs with the same errors, plan from one of them"):
        detectable_change(sd, n_images)


def test_the_spread_of_a_pair_and_of_one_run_by_assumption():
    rng = np.random.default_rng(0)
    chance = chances(rng, 5000, CELLS)
    a, b = (outcomes_from(draw(rng, chance), CELLS) for _ in range(2))
    field = FIELDS["corruptions.fog.ce"]
    scores = [field.scores(run) for run in (a, b)]
    correlation = float(np.corrcoef(*scores)[0, 1])

    assert paired_sd(a, b, field) == pytest.approx(np.std(scores[1] - scores[0], ddof=1))
    assert paired_sd(a, b, field) == pytest.approx(assumed_sd(a, field, correlation), rel=0.02)
    # Images are hard for both, so to assume nothing in common is cautious.
    assert correlation > 0.3
    assert assumed_sd(a, field) > 1.2 * paired_sd(a, b, field)
    assert assumed_sd(a, field) == pytest.approx(math.sqrt(2) * scores[0].std(ddof=1))


@pytest.mark.parametrize("correlation", [1.0, -1.1, 95.0])
def test_a_correlation_that_is_none_is_refused(correlation: float):
    run = outcomes_from(np.eye(6, 9, dtype=bool), CELLS)
    with pytest.raises(UsageError, match="expected a correlation of at least -1 and below 1"):
        assumed_sd(run, FIELDS["clean_error"], correlation)


def seen(
    name: str, n_experiments: int, n_images: int, shift: float, threshold: float = 0.0
) -> tuple[float, float]:
    """How often a true change is seen, and how often that was foretold from two other runs."""
    rng = np.random.default_rng(21)
    field = FIELDS[name]
    population = chances(rng, 200_000, CELLS)
    change = float(field.value((shifted(population, shift) - population).mean(axis=1)))
    pilot = chances(rng, 2000, CELLS)
    sd = paired_sd(
        outcomes_from(draw(rng, pilot), CELLS),
        outcomes_from(draw(rng, shifted(pilot, shift)), CELLS),
        field,
    )
    hits = 0
    for _ in range(n_experiments):
        chance = chances(rng, n_images, CELLS)
        a = outcomes_from(draw(rng, chance), CELLS)
        b = outcomes_from(draw(rng, shifted(chance, shift)), CELLS)
        test = paired_test(paired_differences(a, b, field))
        hits += test.p_value <= 0.05 and test.difference > threshold
    foretold = power_of(change, sd, n_images, threshold=threshold, step=field.step)
    return hits / n_experiments, foretold


CASES = [
    ("corruptions.fog.ce", 500, 0.18, 0.0),
    ("corruptions.fog.relative_ce", 3000, 0.6, 0.0),
    ("clean_error", 500, 0.32, 0.0),
    ("corruptions.fog.severities.5", 1000, 0.2, 0.0),
    ("corruptions.fog.ce", 800, 0.18, 2.5),
]


@pytest.mark.parametrize(("name", "n_images", "shift", "threshold"), CASES)
def test_what_was_foretold_is_seen(name: str, n_images: int, shift: float, threshold: float):
    n = 300
    found, foretold = seen(name, n, n_images, shift, threshold)

    assert 0.4 < foretold < 0.95
    # Five points, and what 300 experiments may be off.
    assert abs(found - foretold) <= 0.05 + 3 * math.sqrt(foretold * (1 - foretold) / n)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_images", "shift", "threshold"), CASES)
def test_what_was_foretold_is_seen_within_five_points(
    name: str, n_images: int, shift: float, threshold: float
):
    found, foretold = seen(name, 4000, n_images, shift, threshold)

    assert abs(found - foretold) <= 0.05


def test_the_quantiles_are_students():
    error = 1.0 / math.sqrt(12)
    expected = (stats.t.ppf(0.95, 11) + stats.norm.ppf(0.8)) * error
    assert detectable_change(1.0, 12) == pytest.approx(expected)
