"""Two runs on the same images: the differences of their metrics, with intervals and marks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from statistics import NormalDist
from typing import Literal

import numpy as np

from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.bootstrap import (
    LEVEL,
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
    """Of the difference, from resamples that both share, or by leaving out blocks."""
    n_differing: int | None
    """Images whose score is not the same in both; None of what is not kept by image."""
    mark: Mark
    reason: str | None = None
    """Why there is no interval."""
    p_value: float | None = None
    """Two-sided, of the test of `onesided`; None of what is not kept by image."""


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
    """p of the test of `onesided` that a mean change (n_images,) is not 0."""
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
    """The interval of a mean change, each end moved out as two more images would that changed,
    one to either side.

    Resampling underestimates the variance where a few images make all the change: that others
    might have changed too is not in the draws. For a single cell two more are what Bonett & Price,
    "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", 2012, add. Of numbers of several cells they are of the size of those that matter,
    sum d^4 / sum d^2 being its square.

    Args:
        change: (n_images,): d_i, whose mean the interval is of.
        one_cell: How much an image changes at least that changes in the cell of most weight.
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
    """What an interval of a difference says of the candidate.

    Resampling a handful of images that differ shows too little spread: four that all went one
    way would pass, though a coin does that one time in eight. So at least as many must differ
    as make 2 / 2**n at most 1 - level: six at 95 %.
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
