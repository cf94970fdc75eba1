"""The bootstrap over images, with the same draws for all cells and all runs of an image set.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 6 and 13. Cells share
their images, so an image is drawn with all its cells; runs share their draws, so that the
replicates of two runs are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import LEVEL, check_level
from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.linear_metrics import LinearMetric
from robustbench_gnl.statistics.outcomes import Counts, Floats, Outcomes

N_RESAMPLES = 1000
SEED = 0
DRAWS = "philox-1"
"""Version of the draws. Another way to draw needs another name, because stored replicates are
reused."""

_CHUNK_BYTES = 32 * 2**20
_MOST_IMAGES = 2**24  # Up to here every partial sum of a float32 product is a whole number.


@dataclass(frozen=True, eq=False)
class Replicates:
    """Counts of wrong predictions in resampled image sets; or differences of such counts of two
    runs."""

    conditions: tuple[Condition, ...]
    n_images: int
    seed: int
    observed: Counts
    """(n_cells,): the counts themselves."""
    counts: Counts
    """(n_resamples, n_cells)"""

    @property
    def n_resamples(self) -> int:
        return len(self.counts)

    def values(self, field: LinearMetric) -> Floats:
        """(n_resamples,): the number in each resampled image set."""
        field.check_cells(self.conditions)
        return field.value(self.counts / self.n_images)

    def value(self, field: LinearMetric) -> float:
        """The number itself."""
        field.check_cells(self.conditions)
        return float(field.value(self.observed / self.n_images))

    def interval(self, field: LinearMetric, level: float = LEVEL) -> Interval:
        """The percentile interval of the number."""
        return self.intervals([field], level)[0]

    def intervals(self, fields: Sequence[LinearMetric], level: float = LEVEL) -> list[Interval]:
        """The percentile interval of each."""
        if not fields:
            return []
        return percentile_intervals(np.stack([self.values(field) for field in fields], 1), level)

    def only(self, conditions: Iterable[Condition]) -> Replicates:
        """The replicates of these cells, which must be among the conditions."""
        wanted = tuple(conditions)
        rows = [self.conditions.index(condition) for condition in wanted]
        return Replicates(
            wanted, self.n_images, self.seed, self.observed[rows], self.counts[:, rows]
        )


def bootstrap(
    outcomes: Outcomes, *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Replicates:
    """The replicates of a run's cells.

    The counts are integers, and identical on every machine. Those of the first 100 resamples are
    the same whether 100 or 1,000 are asked for.
    """
    counts = resampled_sums(outcomes.wrong, n_resamples=n_resamples, seed=seed)
    return Replicates(outcomes.conditions, outcomes.n_images, seed, outcomes.n_wrong, counts)


def resampled_sums(
    values: NDArray[Any], *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Counts:
    """(n_resamples, n_cells): sums over resampled images of values (n_cells, n_images) that
    are -1, 0 or 1."""
    n_cells, n_images = values.shape
    if not 0 < n_images < _MOST_IMAGES:
        raise UsageError(
            f"expected 1 to {_MOST_IMAGES - 1:,} images to resample, got {n_images:,}",
            n_images=n_images,
        )
    # float32, whose sums are exact here (see _MOST_IMAGES): half the memory of float64.
    by_image = np.ascontiguousarray(values.T, np.float32)  # (n_images, n_cells)
    sums = np.empty((n_resamples, n_cells), np.int64)
    start = 0
    for drawn in image_counts(n_images, n_resamples=n_resamples, seed=seed):
        sums[start : start + len(drawn)] = drawn @ by_image
        start += len(drawn)
    return sums


def image_counts(
    n_images: int, *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Iterator[NDArray[np.float32]]:
    """How often each image is drawn: (rows, n_images) at a time, each row adding to n_images.

    The draws depend on (seed, n_images) alone. They are made of Philox's raw words, which
    NumPy promises to keep, and not by its distributions, which may change with a version.
    An index is the high half of 32 random bits times n_images. The relative error of its
    probability is below n_images / 2**32.
    """
    if n_resamples < 1 or not 0 <= seed < 2**63:
        raise UsageError(
            "expected 1 resample or more and a seed of 0 to 2**63 - 1, "
            f"got {n_resamples} and {seed}"
        )
    # The number of images is part of the key: image sets of other sizes get independent draws.
    words = np.random.Philox(key=np.array([seed, n_images], np.uint64))
    n_words = -(-n_images // 2)
    n_rows = max(1, _CHUNK_BYTES // (4 * n_images))
    for start in range(0, n_resamples, n_rows):
        rows = min(n_rows, n_resamples - start)
        counts = np.empty((rows, n_images), np.float32)
        for row in counts:
            raw = words.random_raw(n_words)
            # Each word of 64 bits gives two draws of 32.
            halves = np.concatenate([raw >> 32, raw & 0xFFFFFFFF])[:n_images]
            index = (halves * np.uint64(n_images)) >> 32
            row[:] = np.bincount(index.astype(np.intp), minlength=n_images)
        yield counts


def percentile_interval(replicates: Floats, level: float = LEVEL) -> Interval:
    """The interval between the two outer percentiles of the replicates (n_resamples,)."""
    return percentile_intervals(replicates[:, None], level)[0]


def percentile_intervals(replicates: Floats, level: float = LEVEL) -> list[Interval]:
    """The same of many numbers at once, (n_resamples, n_numbers).

    Percentiles are those of rank p (n + 1) (`weibull`): of 1,000 replicates 2.5 % lie at the
    25th, so that the interval is not too narrow.

    Raises:
        UsageError: There are too few replicates for that level.
    """
    check_level(level)
    # The lower percentile has rank (1 - level) / 2 * (n + 1), which must be 1 or more; 1e-9 keeps
    # rounding from asking for one resample too many.
    fewest = math.ceil(2 / (1 - level) - 1 - 1e-9)
    if len(replicates) < fewest:
        raise UsageError(
            f"expected a level of at most {1 - 2 / (len(replicates) + 1):.6g}, which needs "
            f"{len(replicates)} resamples; got {level:.17g}, which needs {fewest:,}",
            n_resamples=len(replicates),
        )
    ends = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    return [Interval(float(low), float(high), level, "bootstrap") for low, high in ends.T]
