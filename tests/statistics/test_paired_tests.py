"""The one-sided paired test: SciPy's where SciPy has it, and its level by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.statistics import (
    LinearMetric,
    holm,
    linear_metrics,
    mean_error_metric,
    paired_differences,
    paired_test,
)
from tests.statistics.samples import chances, draw, outcomes_from

FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))
CELLS = (CLEAN, *FOG)
WEIGHTS = np.array([0.2, 0.25, 0.3, 0.35, 0.4])


def scores_of(seed: int, n_images: int, n_cells: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return WEIGHTS[:n_cells] @ rng.integers(-1, 2, (n_cells, n_images))


@given(st.integers(0, 2**32), st.integers(40, 400))
def test_many_differing_images_give_the_paired_t_test(seed: int, n_images: int):
    differences = scores_of(seed, n_images)
    test = paired_test(differences)
    expected = stats.ttest_1samp(differences, 0.0, alternative="greater")

    assert test.method == "t"
    assert test.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert test.difference == pytest.approx(differences.mean())
    assert test.standard_error == pytest.approx(stats.sem(differences))
    low = expected.confidence_interval(0.95).low
    assert test.lower_bound(0.05) == pytest.approx(low, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(3, 10))
def test_few_differing_images_give_the_exact_test_of_signs(seed: int, n_differing: int):
    differing = np.random.default_rng(seed).normal(0.2, 1.0, n_differing)
    test = paired_test(np.concatenate([differing, np.zeros(30)]))
    expected = stats.permutation_test(
        (differing,),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="greater",
    )

    assert (test.method, test.n_differing) == ("signs", n_differing)
    assert test.p_value == pytest.approx(expected.pvalue, abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.05, 0.0125]))
def test_differences_of_one_size_give_the_binomial_test(above: int, below: int, alpha: float):
    size, n_images = 0.37, 150
    differences = np.concatenate(
        [np.full(above, size), np.full(below, -size), np.zeros(n_images - above - below)]
    )
    test = paired_test(differences)
    assert (test.method, test.n_above, test.n_differing) == ("binomial", above, above + below)
    if not above + below:
        assert test.p_value == 1.0
        return
    exact = stats.binomtest(above, above + below, alternative="greater")
    assert test.p_value == pytest.approx(exact.pvalue, rel=1e-9)
    share = exact.proportion_ci(1 - alpha, method="exact").low
    if above != below:
        expected = (2 * share - 1) * size * (above + below) / n_images
        assert test.lower_bound(alpha) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 5), st.floats(0.001, 0.3))
def test_the_bound_is_above_0_exactly_when_p_says_so(
    seed: int, n_images: int, n_cells: int, alpha: float
):
    test = paired_test(scores_of(seed, n_images, n_cells))

    assert (test.lower_bound(alpha) > 0) == (test.p_value <= alpha)


def test_a_run_against_itself_shows_nothing():
    test = paired_test(np.zeros(100))

    assert (test.p_value, test.difference, test.n_differing) == (1.0, 0.0, 0)
    assert test.lower_bound() == 0.0


def test_one_image_shows_nothing():
    assert paired_test(np.array([0.5])).p_value == 0.5
    assert paired_test(np.array([0.5])).lower_bound() <= 0


def test_three_images_of_three_are_a_coin_and_not_a_t():
    differences = np.concatenate([[0.5, 0.5, 0.5], np.zeros(500)])

    assert stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue < 0.05
    assert paired_test(differences).p_value == pytest.approx(0.125)


def test_losses_and_gains_of_an_image_that_cancel_do_not_differ():
    before = np.zeros((6, 30), np.bool_)
    after = before.copy()
    before[1, :9] = after[3, :9] = True  # Another severity of the same nine images.
    field = LinearMetric("x", "percent", CELLS, np.array([0.0, *[100 / 3.7] * 5]))
    change = paired_differences(outcomes_from(before, CELLS), outcomes_from(after, CELLS), field)

    assert change.tolist() == [0.0] * 30


@given(st.integers(0, 2**32))
def test_a_difference_is_that_of_the_numbers_and_of_no_order(seed: int):
    rng = np.random.default_rng(seed)
    chance = chances(rng, 60, CELLS)
    before, after = draw(rng, chance), draw(rng, chance)
    a, b = outcomes_from(before, CELLS), outcomes_from(after, CELLS)
    order = rng.permutation(60)
    c, d = outcomes_from(before[:, order], CELLS), outcomes_from(after[:, order], CELLS)
    for field in linear_metrics(CELLS, default_reference()).values():
        test = paired_test(paired_differences(a, b, field))
        expected = float(field.value(b.errors) - field.value(a.errors))
        assert test.difference == pytest.approx(expected, abs=1e-9)
        shuffled = paired_test(paired_differences(c, d, field))
        assert shuffled.p_value == pytest.approx(test.p_value, rel=1e-9)


def test_runs_of_other_images_or_cells_are_refused():
    wrong = np.zeros((6, 30), np.bool_)
    run = outcomes_from(wrong, CELLS)
    field = mean_error_metric("error", CELLS, FOG)

    with pytest.raises(UsageError, match="expected two runs of the same images, got 30 and 29"):
        paired_differences(run, outcomes_from(wrong[:, 1:], CELLS), field)
    with pytest.raises(UsageError, match=r"got 1 that one lacks \(fog/5\); narrow both to what"):
        paired_differences(run, outcomes_from(wrong[:5], CELLS[:5]), field)


def alarms(n_experiments: int, n_images: int, names: list[str], alpha: float) -> list[np.ndarray]:
    """p-values (n_experiments,) of each field, the two runs drawn from the same chances."""
    rng = np.random.default_rng(11)
    fields = linear_metrics(CELLS, default_reference())
    found = []
    for _ in range(n_experiments):
        chance = chances(rng, n_images, CELLS)
        a = outcomes_from(draw(rng, chance), CELLS)
        b = outcomes_from(draw(rng, chance), CELLS)
        found.append(
            [paired_test(paired_differences(a, b, fields[name])).p_value for name in names]
        )
    return list(np.array(found).T)


@pytest.mark.parametrize("n_images", [20, 100, 500])
def test_false_alarms_are_as_rare_as_stated(n_images: int):
    n, alpha = 1000, 0.05
    names = ["clean_error", "corruptions.fog.ce", "corruptions.fog.relative_ce"]
    p = alarms(n, n_images, names, alpha)
    most = stats.binom.ppf(0.9999, n, alpha)
    for name, values in zip(names, p, strict=True):
        assert (values <= alpha).sum() <= most, name
    any_of_them = sum(holm(values).min() <= alpha for values in np.array(p).T)
    assert any_of_them <= most


@pytest.mark.slow
@pytest.mark.parametrize("n_images", [50, 500])
def test_false_alarms_are_as_rare_as_stated_over_many_experiments(n_images: int):
    n, alpha = 20_000, 0.05
    names = ["clean_error", "corruptions.fog.ce", "corruptions.fog.severities.5"]
    for name, values in zip(names, alarms(n, n_images, names, alpha), strict=True):
        rate = (values <= alpha).mean()
        assert rate <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n), name


def test_conditions_are_named_in_refusals_by_the_first_six():
    cells = (CLEAN, *(Condition("snow", s) for s in range(1, 6)), *FOG)
    wrong = np.zeros((11, 8), np.bool_)
    with pytest.raises(UsageError) as caught:
        paired_differences(
            outcomes_from(wrong, cells),
            outcomes_from(wrong[:1], cells[:1]),
            mean_error_metric("x", cells, [CLEAN]),
        )
    assert "got 10 that one lacks (fog/1, fog/2, fog/3, fog/4, fog/5, snow/1 and 4 more);" in str(
        caught.value
    )
