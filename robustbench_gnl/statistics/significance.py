"""Whether two runs differ on the same images: exact tests, and what many of them cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.statistics.evidence import Counts, Evidence, Floats


def discordant(baseline: Evidence, candidate: Evidence) -> tuple[Counts, Counts]:
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
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepwise))
    return adjusted
