"""McNemar and Holm against SciPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import holm, mcnemar_exact
from robustbench_gnl.statistics.paired_tests import discordant
from tests.statistics.samples import outcomes_from

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=80)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_the_two_sided_binomial_test(a: int, b: int):
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0

    assert float(mcnemar_exact(a, b)) == pytest.approx(expected, rel=1e-9, abs=1e-280)


@pytest.mark.parametrize(("a", "b"), [(0, 1), (3, 0), (5, 12), (40, 40), (101, 59)])
def test_mcnemar_is_statsmodels(a: int, b: int):
    expected = mcnemar([[900, a], [b, 50]], exact=True).pvalue

    assert float(mcnemar_exact(a, b)) == pytest.approx(expected, rel=1e-12)


def test_mcnemar_of_many_cells_is_that_of_each():
    a, b = np.array([0, 3, 10]), np.array([0, 9, 10])

    np.testing.assert_allclose(mcnemar_exact(a, b), [1.0, float(mcnemar_exact(3, 9)), 1.0])


def test_discordant_images_are_counted_by_side():
    before = outcomes_from(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 1]], bool), (CLEAN, _fog()))
    after = outcomes_from(np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool), (CLEAN, _fog()))
    only_before, only_after = discordant(before, after)

    assert only_before.tolist() == [1, 0]
    assert only_after.tolist() == [2, 0]


@settings(max_examples=40)
@given(p_values)
def test_holm_is_statsmodels(values: list[float]):
    expected = multipletests(values, method="holm")[1]

    np.testing.assert_allclose(holm(values), expected, rtol=1e-12, atol=0)


def test_holm_of_nothing_is_nothing():
    assert holm([]).shape == (0,)


def _fog() -> Condition:
    return Condition("fog", 1)
