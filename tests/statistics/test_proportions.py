"""Wilson's interval against SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robustbench_gnl.errors import UsageError
from robustbench_gnl.statistics import wilson


@given(
    st.integers(1, 50_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.5, 0.9, 0.95, 0.999]),
)
def test_it_is_scipys(counts: tuple[int, int], level: float):
    n_wrong, n_images = counts
    found = wilson(n_wrong, n_images, level)
    expected = stats.binomtest(n_wrong, n_images).proportion_ci(level, method="wilson")

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= n_wrong / n_images <= found.high <= 1
    assert (found.level, found.method) == (level, "wilson")


def test_a_cell_without_an_error_still_has_a_width():
    assert wilson(0, 20).low == 0
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)  # z^2 / (n + z^2)


@pytest.mark.parametrize(("n_wrong", "n_images"), [(-1, 5), (6, 5), (0, 0)])
def test_counts_that_are_none_are_refused(n_wrong: int, n_images: int):
    with pytest.raises(UsageError, match=f"got {n_wrong} of {n_images}"):
        wilson(n_wrong, n_images)


def test_a_level_in_percent_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1"):
        wilson(1, 2, 95)
