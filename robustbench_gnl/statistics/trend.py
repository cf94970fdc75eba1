"""Effective robustness: by how much a model's mCE is below what its clean error predicts.

Taori et al., "Measuring Robustness to Natural Distribution Shifts in Image Classification",
2020, section 2: the distance to a regression line through other models. Here the line is fitted to
the published results that state no resampling of the released images: mCE as a function of the
clean error, both in percent, by least squares.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from robustbench_gnl.metrics.catalogue import CLEAN_ERROR, EFFECTIVE_ROBUSTNESS, MCE
from robustbench_gnl.metrics.reference import Published, load_published
from robustbench_gnl.statistics.linear_metrics import LinearMetric

FIELD = EFFECTIVE_ROBUSTNESS.key


@dataclass(frozen=True)
class Trend:
    """mCE = intercept + slope x clean error, both in percent."""

    slope: float
    intercept: float
    r_squared: float
    n_results: int
    clean_errors: tuple[float, float]
    """The lowest and the highest clean error of these results, in percent."""

    def remark(self, clean_error: float) -> str | None:
        """A remark for a model outside the range of clean errors that the line was fitted on, else
        None."""
        low, high = self.clean_errors
        if low <= 100 * clean_error <= high:
            return None
        return (
            f"extrapolated: the line was fitted on clean errors of {low:.2f} to {high:.2f} %, "
            f"not {100 * clean_error:.2f} %"
        )

    def __str__(self) -> str:
        return (
            f"mCE = {self.intercept:.2f} + {self.slope:.3f} x clean error in %, least squares "
            f"through {self.n_results} published results on the released images, "
            f"R2 = {self.r_squared:.2f}"
        )


def published_trend(published: Sequence[Published] | None = None) -> Trend:
    """The line through those published results that state no resampling, and both numbers."""
    points = [
        (100 * one.clean_error, one.mce)
        for one in (load_published() if published is None else published)
        if one.kind != "reference"  # AlexNet is listed among the results, too
        and one.resampling == "none"
        and one.test_time_adaptation in ("", "none")
        and one.clean_error is not None
        and one.mce is not None
    ]
    clean, mce = zip(*points, strict=True)
    slope, intercept = statistics.linear_regression(clean, mce)
    return Trend(
        slope,
        intercept,
        statistics.correlation(clean, mce) ** 2,
        len(points),
        (min(clean), max(clean)),
    )


def effective_robustness_metric(
    fields: Mapping[str, LinearMetric], trend: Trend
) -> LinearMetric | None:
    """Expected mCE minus mCE, in points: above 0 is better than the line.

    None where the cells do not allow mCE and a clean error. The line is taken as given: the
    uncertainty of its fit is not part of the interval.
    """
    mce, clean = fields.get(MCE.key), fields.get(CLEAN_ERROR.key)
    if mce is None or clean is None:
        return None
    weights = trend.slope * 100 * clean.weights - mce.weights
    return replace(mce, name=FIELD, weights=weights, constant=trend.intercept)
