"""The one-sided test that the mean of bounded values is above a limit.

The lower confidence bound is that of Gaffke, "Three test statistics for a nonparametric
one-sided hypothesis on the mean of a nonnegative variable", 2005: the Bayesian bootstrap
(Rubin, "The Bayesian bootstrap", 1981) of the values and of one more that is as low as a value
can be. Of values that are 0 or 1 it is the exact bound of Clopper & Pearson 1934. A percentile
bootstrap of few images is too narrow; this one is not, because the added value represents images
that were not drawn.

With D ~ Dirichlet(1, ..., 1), p = P(sum_j D_j x_j <= limit) = P(sum_j E_j (x_j - limit) <= 0) for
independent exponential E_j. No draws are needed: the saddlepoint approximation of Lugannani &
Rice, "Saddle point approximation for the distribution of the sum of independent random
variables", 1980, gives it to well below 1 % of itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from robustbench_gnl.levels import ALPHA
from robustbench_gnl.statistics.outcomes import Counts, Floats
from robustbench_gnl.statistics.paired_tests import MOST_ENUMERATED, standard_deviation

_NEAR_THE_MEAN = 1e-3
"""This close to 0, the saddlepoint formula is 0 / 0, and its limit is used."""


@dataclass(frozen=True, eq=False)
class BoundedMean:
    """The mean of values in [low, high], with confidence bounds of the true mean."""

    values: Floats
    """(n,)"""
    low: float
    high: float

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def standard_error(self) -> float:
        n = len(self.values)
        return standard_deviation(self.values) / math.sqrt(n) if n > 1 else 0.0

    @property
    def has_two_sizes(self) -> bool:
        """Whether every value is the lowest or the highest: it is then a count."""
        return bool(np.isin(self.values, (self.low, self.high)).all())

    def p_value(self, limit: float) -> float:
        """One-sided p of the test that the true mean is above the limit."""
        return _share_at_most(np.append(self.values, self.low), limit)

    def lower_bound(self, alpha: float = ALPHA) -> float:
        """A lower confidence bound of the true mean, at level 1 - alpha."""
        drawn = np.append(self.values, self.low)
        return _solve(lambda limit: _share_at_most(drawn, limit) - alpha, self.low, self.mean)

    def upper_bound(self, alpha: float = ALPHA) -> float:
        """An upper confidence bound of the true mean, at level 1 - alpha."""
        # Mirrored at 0, an upper bound is a lower one.
        return -BoundedMean(-self.values, -self.high, -self.low).lower_bound(alpha)


def bounded_change(differences: Floats, reach: float) -> BoundedMean:
    """The mean of the differences of two runs (n_images,), none of which is beyond the reach.

    If many images differ, the largest observed differences define the reach. A change of an image
    in all of its cells at once is possible, but allowing for it would hide real changes. If few
    images differ, the observed differences are no estimate of the largest possible one.
    """
    n_differing = int(np.count_nonzero(differences))
    if n_differing > MOST_ENUMERATED:
        return BoundedMean(differences, float(differences.min()), float(differences.max()))
    return BoundedMean(differences, -reach, reach)


def _share_at_most(values: Floats, limit: float) -> float:
    """P(sum_j D_j x_j <= limit), 0 to 1."""
    low, high = float(values.min()), float(values.max())
    if limit >= high:
        return 1.0
    if limit <= low:
        return 0.0
    at_low, at_high = int((values == low).sum()), int((values == high).sum())
    if at_low + at_high == len(values):  # two sizes: exact
        from scipy.special import betainc

        return float(betainc(at_high, at_low, (limit - low) / (high - low)))
    distinct, n_each = np.unique(values - limit, return_counts=True)
    return _exponential_sum_at_most_0(distinct / (high - low), n_each)


def _exponential_sum_at_most_0(weights: Floats, n_each: Counts) -> float:
    """P(sum of n_each standard exponentials times each weight <= 0), by the saddlepoint."""

    def slope(t: float) -> float:
        """K'(t) of K(t) = -sum n log(1 - w t), which rises from -inf to inf between the poles."""
        return float((n_each * weights / (1 - weights * t)).sum())

    ends = 1 / float(weights.min()), 1 / float(weights.max())
    # Just inside the poles, at which the slope is infinite.
    t = _solve(slope, *(end * (1 - 1e-12) for end in ends))
    squares, cubes = (float((n_each * weights**power).sum()) for power in (2, 3))
    normal, near = NormalDist(), t * math.sqrt(squares)
    if abs(near) < _NEAR_THE_MEAN:
        skewness = 2 * cubes / (squares * math.sqrt(squares))
        return normal.cdf(near) + normal.pdf(0) * skewness / 6
    depth = 2 * float((n_each * np.log1p(-weights * t)).sum())  # -2 K(t)
    w = math.copysign(math.sqrt(max(0.0, depth)), t)
    u = t * math.sqrt(float((n_each * (weights / (1 - weights * t)) ** 2).sum()))
    return min(1.0, max(0.0, normal.cdf(w) + normal.pdf(w) * (1 / w - 1 / u)))


def _solve(function: Callable[[float], float], low: float, high: float) -> float:
    """The zero of an increasing function, or an end of the interval if there is none."""
    from scipy.optimize import brentq

    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    # Finer than the 1e-12 with which a gate compares numbers with a threshold.
    return float(brentq(function, low, high, xtol=1e-14, rtol=1e-13))
