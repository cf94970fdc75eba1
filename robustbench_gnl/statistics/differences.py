"""Differences of the metrics of two runs on the same images, with intervals and significance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from statistics import NormalDist
from typing import Literal

import numpy as np

from robustbench_gnl.levels import LEVEL
from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.bootstrap import (
    N_RESAMPLES,
    SEED,
    Replicates,
    resampled_sums,
)
from robustbench_gnl.statistics.linear_metrics import LinearMetric
from robustbench_gnl.statistics.outcomes import Floats, Outcomes
from robustbench_gnl.statistics.paired_tests import (
    check_pair,
    discordant,
    holm,
    mcnemar_exact,
    paired_differences,
    paired_test,
)

Mark = Literal["better", "worse", "~", "untested"]
"""Of the candidate; `~` is not significant, `untested` has no interval. Lower numbers are
better."""


@dataclass(frozen=True)
class Difference:
    """One number of two runs."""

    field: str
    baseline: float
    candidate: float
    difference: float
    """Candidate minus baseline: below 0 the candidate is better."""
    interval: Interval | None
    """Of the difference: from resamples that both runs share, or by leaving out blocks."""
    n_differing: int | None
    """Images whose scores differ; None for quantities that are stored by block."""
    mark: Mark
    reason: str | None = None
    """Why there is no interval."""
    p_value: float | None = None
    """Two-sided, of `paired_tests`; None for quantities that are stored by block."""


@dataclass(frozen=True)
class CellTest:
    """One cell of two runs, tested by McNemar's exact test."""

    condition: Condition
    baseline: float
    """Error in [0, 1]."""
    candidate: float
    only_baseline: int
    """Images that only the baseline gets wrong."""
    only_candidate: int
    p_value: float
    p_holm: float
    """The same with Holm's correction for the number of cells."""
    mark: Mark
    """From the corrected p."""


def differences(
    baseline: Outcomes,
    candidate: Outcomes,
    fields: Mapping[str, LinearMetric],
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> dict[str, Difference]:
    """The difference of each field, made for the conditions that both have.

    Raises:
        UsageError: They do not hold the same cells of the same number of images.
    """
    replicates = paired_bootstrap(baseline, candidate, n_resamples=n_resamples, seed=seed)
    before, after = baseline.errors, candidate.errors
    found = {}
    for name, field in fields.items():
        # A constant cancels in a difference.
        slope = replace(field, constant=0.0)
        change = paired_differences(baseline, candidate, slope)
        n_differing = int(np.count_nonzero(change))
        one_cell = float(np.abs(slope.weights).max(initial=0.0))
        interval = with_two_more_images(replicates.interval(slope, level), change, one_cell)
        found[name] = Difference(
            field=name,
            baseline=float(field.value(before)),
            candidate=float(field.value(after)),
            difference=replicates.value(slope),
            interval=interval,
            n_differing=n_differing,
            mark=mark_of(interval, n_differing),
            p_value=two_sided_p(change),
        )
    return found


def two_sided_p(change: Floats) -> float:
    """p-value of the two-sided paired test that a mean change (n_images,) is 0."""
    return min(1.0, 2 * min(paired_test(change).p_value, paired_test(-change).p_value))


def paired_bootstrap(
    baseline: Outcomes,
    candidate: Outcomes,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Replicates:
    """Replicates of the differences, candidate minus baseline: those of `bootstrap` of the one
    minus those of the other, at half the work.

    Raises:
        UsageError: They do not hold the same cells of the same number of images.
    """
    check_pair(baseline, candidate)
    change = candidate.wrong.astype(np.int8) - baseline.wrong
    return Replicates(
        conditions=baseline.conditions,
        n_images=baseline.n_images,
        seed=seed,
        observed=change.sum(axis=1, dtype=np.int64),
        counts=resampled_sums(change, n_resamples=n_resamples, seed=seed),
    )


def with_two_more_images(interval: Interval, change: Floats, one_cell: float) -> Interval:
    """The interval of a mean change, widened as if two more images had changed, one in each
    direction.

    Resampling underestimates the variance if only a few images changed, because the draws never
    contain other images that might have changed. For a single cell, two more images are what Bonett
    & Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data", 2012, add. For metrics of several cells, the squared size of their change is
    sum d^4 / sum d^2, which gives large changes the most weight.

    Args:
        change: (n_images,): d_i, whose mean the interval is of.
        one_cell: The change of an image that changes only in the cell with the largest weight.
    """
    squares = np.square(change)
    size_squared = max(one_cell**2, float((squares**2).sum() / (squares.sum() or 1.0)))
    more = NormalDist().inv_cdf((1 + interval.level) / 2) * math.sqrt(2 * size_squared)
    middle = float(change.mean())
    return replace(
        interval,
        low=middle - math.hypot(middle - interval.low, more / len(change)),
        high=middle + math.hypot(interval.high - middle, more / len(change)),
    )


def mark_of(interval: Interval, n_differing: int | None = None) -> Mark:
    """Whether an interval of a difference is significant, and in which direction.

    Resampling a few differing images underestimates the spread: four that all changed in one
    direction would be significant, although this has a probability of 1/8 by chance. At least n
    images must differ, with 2 / 2**n at most 1 - level: six at 95 %.
    """
    if n_differing is not None and n_differing < fewest_changed(interval.level):
        return "~"
    if interval.high < 0:
        return "better"
    return "worse" if interval.low > 0 else "~"


def fewest_changed(level: float) -> int:
    """How many images must differ for a mark at that level; see `mark_of`."""
    return next(n for n in count(1) if 2.0 ** (1 - n) <= 1 - level + 1e-12)


def cell_tests(
    baseline: Outcomes, candidate: Outcomes, *, level: float = LEVEL
) -> tuple[CellTest, ...]:
    """McNemar's exact test of every cell, with Holm's correction over the cells.

    Raises:
        UsageError: They do not hold the same cells of the same number of images.
    """
    check_pair(baseline, candidate)
    only_baseline, only_candidate = discordant(baseline, candidate)
    p_values = mcnemar_exact(only_baseline, only_candidate)
    adjusted = holm(p_values)
    before, after = baseline.errors, candidate.errors
    tests = []
    for i, condition in enumerate(baseline.conditions):
        is_significant = adjusted[i] <= 1 - level + 1e-12
        worse = only_candidate[i] > only_baseline[i]
        tests.append(
            CellTest(
                condition=condition,
                baseline=float(before[i]),
                candidate=float(after[i]),
                only_baseline=int(only_baseline[i]),
                only_candidate=int(only_candidate[i]),
                p_value=float(p_values[i]),
                p_holm=float(adjusted[i]),
                mark=("worse" if worse else "better") if is_significant else "~",
            )
        )
    return tuple(tests)
