"""Paired tests of two runs on the same images, McNemar's test, and Holm's correction.

The one-sided paired test asks whether one run's number is above another's.

d_i is the score of image i in the candidate minus that in the baseline. Under the null hypothesis
that both runs have the same error probabilities, d_i and -d_i are equally likely. p is computed in
one of three ways:

- `binomial`: all d_i that are not 0 have one size, as in a single cell. Their signs are then
  a fair coin's, and p is exact (McNemar, one-sided).
- `signs`: at most MOST_ENUMERATED images differ. Every way to turn their signs is counted, so
  p is exact (Fisher, "The Design of Experiments", 1935, section 21). Student's t would
  give false positives too often here: three images of three have p = 0.04 by it, and 0.125 by a
  fair coin.
- `t`: the paired t-test (Student, "The probable error of a mean", 1908).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import ALPHA
from robustbench_gnl.statistics.linear_metrics import LinearMetric
from robustbench_gnl.statistics.outcomes import Counts, Floats, Outcomes
from robustbench_gnl.text import some_of

# 65,536 sums of signs; each further image would double them.
MOST_ENUMERATED = 16
_ROUNDING = 1e-9
"""Relative tolerance: closer scores differ only by the order of summation."""


@dataclass(frozen=True)
class PairedTest:
    """The test that a mean difference is above 0."""

    difference: float
    """The mean of the d_i: candidate minus baseline."""
    standard_error: float
    n_images: int
    n_differing: int
    """Images whose d_i is not 0."""
    p_value: float
    method: Literal["binomial", "signs", "t"]
    n_above: int
    """Images whose d_i is above 0."""

    def lower_bound(self, alpha: float = ALPHA) -> float:
        """A lower confidence bound of the true difference, at level 1 - alpha.

        Above 0 exactly when `p_value` is at most alpha.
        """
        if self.method == "binomial":
            bound = self._binomial_bound(alpha)
        else:
            bound = self.difference - _t_quantile(1 - alpha, self.n_images) * self.standard_error
        # Where the two ways to see it part by a rounding or a handful of images, p decides.
        if self.p_value > alpha:
            return min(bound, 0.0)
        return max(bound, math.ulp(0.0))

    def _binomial_bound(self, alpha: float) -> float:
        """From the bound of Clopper & Pearson 1934 on the share of d_i above 0."""
        from scipy.special import betaincinv

        above, below = self.n_above, self.n_differing - self.n_above
        share = float(betaincinv(above, below + 1, alpha)) if above else 0.0
        size = abs(self.difference) * self.n_images / abs(above - below) if above != below else 0.0
        return (2 * share - 1) * size * self.n_differing / self.n_images


def paired_differences(baseline: Outcomes, candidate: Outcomes, field: LinearMetric) -> Floats:
    """(n_images,): d_i of a field made for the conditions that both have.

    Raises:
        UsageError: They do not hold the same cells of the same number of images.
    """
    check_pair(baseline, candidate)
    field.check_cells(baseline.conditions)
    used = np.flatnonzero(field.weights)
    # int8, because NumPy refuses to subtract booleans.
    change = candidate.wrong[used].astype(np.int8) - baseline.wrong[used]
    return _rounded(field.weights[used] @ change, float(np.abs(field.weights).max(initial=0.0)))


def standard_deviation(differences: Floats) -> float:
    """Of two differences or more; 0 where all are the same, whatever rounding leaves of it."""
    largest = float(np.abs(differences).max())
    return float(differences.std(ddof=1)) if np.ptp(differences) > _ROUNDING * largest else 0.0


def check_pair(baseline: Outcomes, candidate: Outcomes) -> None:
    """Refuse two runs that are not of the same cells and images.

    Raises:
        UsageError: Their cells or numbers of images differ.
    """
    if baseline.n_images != candidate.n_images:
        raise UsageError(
            f"expected two runs of the same images, got {baseline.n_images:,} and "
            f"{candidate.n_images:,} images; compare runs of one protocol",
            n_images=(baseline.n_images, candidate.n_images),
        )
    if baseline.conditions != candidate.conditions:
        differing = sorted(set(baseline.conditions) ^ set(candidate.conditions))
        raise UsageError(
            f"expected two runs with the same cells in the same order, got {len(differing)} "
            f"that one lacks ({some_of(differing, 6)}); narrow both to what they "
            "share first",
            differing=tuple(differing),
        )


def paired_test(differences: Floats) -> PairedTest:
    """Test that the mean of differences (n_images,) is above 0."""
    n = len(differences)
    mean = float(differences.mean())
    error = standard_deviation(differences) / math.sqrt(n) if n > 1 else math.inf
    sizes = np.abs(differences)
    largest = float(sizes.max())
    differing = differences[sizes > _ROUNDING * largest]
    n_above = int((differing > 0).sum())
    method: Literal["binomial", "signs", "t"] = "t"
    if not len(differing) or float(np.ptp(np.abs(differing))) <= _ROUNDING * largest:
        method, p = "binomial", _binomial_p(n_above, len(differing))
    elif len(differing) <= MOST_ENUMERATED:
        method, p = "signs", _signs_p(differing, largest)
    else:
        p = _t_p(mean / error, n)
    return PairedTest(mean, error, n, len(differing), p, method, n_above)


def _binomial_p(n_above: int, n_differing: int) -> float:
    """P(X >= n_above) for X ~ Binomial(n_differing, 1/2)."""
    from scipy.special import bdtrc

    # bdtrc(k, n, p) is P(X > k), hence k = n_above - 1.
    return float(bdtrc(n_above - 1, n_differing, 0.5)) if n_above else 1.0


def _signs_p(differing: Floats, largest: float) -> float:
    """The share of sign assignments whose sum is at least the observed one."""
    sums = np.zeros(1)
    for size in np.abs(differing):
        sums = np.concatenate([sums - size, sums + size])
    # Equal sums in another order differ in their last bits, and must count.
    return float((sums >= differing.sum() - _ROUNDING * largest).mean())


def _t_p(t: float, n_images: int) -> float:
    from scipy.special import stdtr

    return float(stdtr(n_images - 1, -t))


def _t_quantile(probability: float, n_images: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n_images - 1, probability)) if n_images > 1 else math.inf


def _rounded(differences: Floats, scale: float) -> Floats:
    """Rounded so that increases and decreases that cancel give exactly 0."""
    differences[np.abs(differences) <= _ROUNDING * scale] = 0.0
    return differences


def discordant(baseline: Outcomes, candidate: Outcomes) -> tuple[Counts, Counts]:
    """(n_cells,) each: images that only the baseline, and only the candidate, gets wrong.

    Both must have the same conditions and images.
    """
    only_baseline = (baseline.wrong & ~candidate.wrong).sum(axis=1, dtype=np.int64)
    only_candidate = (candidate.wrong & ~baseline.wrong).sum(axis=1, dtype=np.int64)
    return only_baseline, only_candidate


def mcnemar_exact(
    only_baseline: NDArray[np.integer] | int, only_candidate: NDArray[np.integer] | int
) -> Floats:
    """Two-sided p of McNemar's exact test, elementwise; 1 where no image is discordant.

    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", 1947: of the discordant images half go either way, were the two the same.
    """
    from scipy.special import bdtr

    fewer = np.minimum(only_baseline, only_candidate)
    total = np.add(only_baseline, only_candidate)
    # Twice a tail is above 1 where both tails hold the middle outcome.
    return np.asarray(np.minimum(1.0, 2 * bdtr(fewer.astype(float), total, 0.5)), np.float64)


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values (n,): those at or below alpha are rejected, and with them the chance
    of any false alarm is at most alpha.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepwise = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    # The running maximum: no rule is rejected whose smaller p-value was not.
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepwise))
    return adjusted
