"""Effective robustness: its line against NumPy's, and what stands off the line."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustbench_gnl.metrics.reference import Published, default_reference, load_published
from robustbench_gnl.metrics.unit import PERCENT
from robustbench_gnl.records import CLEAN
from robustbench_gnl.resources import data_folder
from robustbench_gnl.statistics import Trend, linear_metrics, published_trend
from robustbench_gnl.statistics.trend import effective_robustness_metric
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

COMMON_CONDITIONS = DEFAULT_SUITE.main_conditions

TREND = Trend(2.0, 30.0, r_squared=0.9, n_results=7, clean_errors=(20.0, 40.0))


def published(clean: float | None, mce: float | None) -> Published:
    """A result, clean error and mCE in percent, that states no resampling."""
    one = replace(load_published()[1], resampling="none", test_time_adaptation="")
    return replace(one, clean_error=None if clean is None else clean / 100, mce=mce)


def test_the_line_through_the_published_results_is_numpys():
    with (data_folder() / "published.csv").open(encoding="utf-8") as file:
        rows = [
            (float(row["clean_err"]), float(row["mCE"]))
            for row in csv.DictReader(file)
            if row["kind"] != "reference"
            and row["resampling"] == "none"
            and row["test_time_adaptation"] in ("", "none")
            and row["clean_err"]
            and row["mCE"]
        ]
    clean, mce = np.array(rows).T
    trend = published_trend()

    assert [trend.slope, trend.intercept] == pytest.approx(np.polyfit(clean, mce, 1))
    assert trend.r_squared == pytest.approx(np.corrcoef(clean, mce)[0, 1] ** 2)
    assert trend.n_results == len(rows) == 19
    assert trend.clean_errors == pytest.approx((clean.min(), clean.max()))


@given(st.integers(0, 2**32), st.integers(3, 40))
def test_the_line_through_any_results_is_numpys(seed: int, n_results: int):
    rng = np.random.default_rng(seed)
    clean = rng.uniform(15, 50, n_results)
    mce = 20 + 1.7 * clean + rng.normal(0, 5, n_results)
    trend = published_trend([published(*point) for point in zip(clean, mce, strict=True)])
    slope, intercept = np.polyfit(clean, mce, 1)
    residuals = mce - (intercept + slope * clean)

    assert [trend.slope, trend.intercept] == pytest.approx([slope, intercept], rel=1e-6)
    assert trend.r_squared == pytest.approx(1 - residuals.var() / mce.var(), abs=1e-6)


def test_what_was_measured_otherwise_moves_no_line():
    on_it = [published(20, 70), published(30, 90), published(40, 110)]
    others = [
        replace(published(10, 20), kind="reference"),
        replace(published(10, 20), resampling="resized"),
        replace(published(10, 20), resampling=""),
        replace(published(10, 20), test_time_adaptation="batch statistics"),
        published(None, 20),
        published(10, None),
    ]
    trend = published_trend([*others, *on_it])

    assert (trend.slope, trend.intercept) == pytest.approx((2.0, 30.0))
    assert (trend.r_squared, trend.n_results) == (pytest.approx(1.0), 3)
    assert trend.clean_errors == pytest.approx((20, 40))
    adapted = replace(published(50, 130), test_time_adaptation="none")
    assert published_trend([*on_it, adapted]).n_results == 4


def test_it_says_what_it_is():
    assert str(TREND) == (
        "mCE = 30.00 + 2.000 x clean error in %, least squares through 7 published results on "
        "the released images, R2 = 0.90"
    )


def test_effective_robustness_is_the_distance_below_the_line():
    rng = np.random.default_rng(0)
    run = outcomes_from(draw(rng, chances(rng, 200)), ALL_CELLS)
    fields = linear_metrics(ALL_CELLS, default_reference())
    field = effective_robustness_metric(fields, TREND)
    assert field is not None
    mce = np.mean([
        100 * run.wrong[[c.corruption == name for c in ALL_CELLS]].mean() / np.mean(five)
        for name, five in default_reference().errors.items()
    ])  # fmt: skip
    expected = 30 + 2 * 100 * run.wrong[0].mean()

    assert field.value(run.errors) == pytest.approx(expected - mce)
    assert field.scores(run).mean() == pytest.approx(expected - mce)
    assert (field.name, field.unit) == ("effective_robustness", PERCENT)


@pytest.mark.parametrize("cells", [COMMON_CONDITIONS, (CLEAN, *COMMON_CONDITIONS[:-1]), (CLEAN,)])
def test_without_mce_or_clean_error_there_is_none(cells):
    assert effective_robustness_metric(linear_metrics(cells, default_reference()), TREND) is None


def test_off_its_range_the_line_is_extrapolated():
    assert [TREND.remark(error) for error in (0.2, 0.3, 0.4)] == [None] * 3
    for error in (0.1999, 0.4001):
        assert TREND.remark(error) == (
            "extrapolated: the line was fitted on clean errors of 20.00 to 40.00 %, "
            f"not {100 * error:.2f} %"
        )
