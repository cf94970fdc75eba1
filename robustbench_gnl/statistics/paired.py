"""Two runs on the same images: what changed, how sure it is, and the mark that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import numpy as np

from robustbench_gnl.metrics import Interval
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.bootstrap import (
    LEVEL,
    N_RESAMPLES,
    SEED,
    Replicates,
    resampled_sums,
)
from robustbench_gnl.statistics.evidence import Evidence
from robustbench_gnl.statistics.linear import LinearField
from robustbench_gnl.statistics.onesided import check_pair, paired_differences
from robustbench_gnl.statistics.significance import discordant, holm, mcnemar_exact

Mark = Literal["better", "worse", "~", "untested"]
"""Of the candidate; `~` is inside the noise, `untested` what has no interval. Lower numbers are
better."""


@dataclass(frozen=True)
class Difference:
    """One number of two runs."""

    field: str
    baseline: float
    candidate: float
    difference: float
    """Candidate less baseline: below 0 the candidate is better."""
    interval: Interval | None
    """Of the difference, from resamples that both share, or by leaving out blocks."""
    n_differing: int | None
    """Images whose score is not the same in both; None of what is not kept by image."""
    mark: Mark
    reason: str | None = None
    """Why there is no interval."""


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
    baseline: Evidence,
    candidate: Evidence,
    fields: Mapping[str, LinearField],
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
        n_differing = int(np.count_nonzero(paired_differences(baseline, candidate, slope)))
        interval = replicates.interval(slope, level)
        found[name] = Difference(
            field=name,
            baseline=float(field.value(before)),
            candidate=float(field.value(after)),
            difference=replicates.value(slope),
            interval=interval,
            n_differing=n_differing,
            mark=mark_of(interval, n_differing),
        )
    return found


def paired_bootstrap(
    baseline: Evidence,
    candidate: Evidence,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Replicates:
    """Replicates of the differences, candidate less baseline: those of `bootstrap` of the one
    less those of the other, at half the work.

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
    baseline: Evidence, candidate: Evidence, *, level: float = LEVEL
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
        surely = adjusted[i] <= 1 - level + 1e-12
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
                mark=("worse" if worse else "better") if surely else "~",
            )
        )
    return tuple(tests)
