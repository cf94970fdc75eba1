"""Ranges of ranks: from 1 + the significantly better runs to N - the significantly worse ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import LEVEL
from robustbench_gnl.statistics.outcomes import Floats

_ROUNDING = 1e-9
"""Relative tolerance: closer numbers differ only by the order of summation."""


@dataclass(frozen=True)
class RankRange:
    """The ranks that the images allow a run; 1 is best."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def rank_ranges(
    values: Sequence[float] | Floats, replicates: Floats, level: float = LEVEL
) -> list[RankRange]:
    """The range of each run of a board; lower values are better.

    One run is significantly better than another when the interval of their difference, at `level`
    for that pair, excludes 0. Its standard error comes from the covariance of the replicates:
    the same images were drawn for all, so what two runs share cancels.

    Args:
        values: (n_runs,)
        replicates: (n_runs, n_resamples), all from the same draws.
    """
    value = np.asarray(values, np.float64)
    if replicates.ndim != 2 or len(replicates) != len(value) or replicates.shape[1] < 2:
        raise UsageError(
            f"expected replicates of {len(value)} runs, two or more each, "
            f"got an array of shape {replicates.shape}"
        )
    centred = replicates - replicates.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / (replicates.shape[1] - 1)  # (n_runs, n_runs)
    variance = np.diag(covariance)
    # The variance of a difference; for runs that are nearly alike rounding leaves it below 0.
    error = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0.0))
    # [i, j]: by how much j is above i, beyond the interval of their difference.
    margin = value - value[:, None] - NormalDist().inv_cdf((1 + level) / 2) * error
    better = margin > _ROUNDING * np.abs(value).max(initial=0.0)  # i is significantly better than j
    n_better, n_worse = better.sum(axis=0), better.sum(axis=1)
    return [
        RankRange(1 + int(above), len(value) - int(below))
        for above, below in zip(n_better, n_worse, strict=True)
    ]
