"""The jackknife over blocks: intervals of quantities that are stored by block and not by image.

Top-5 error, negative log likelihood and calibration error are kept as sums of blocks. The
blocks need not be of one size: Busing, Meijer & van der Leeden, "Delete-m jackknife for
unequal m", 1999. Student's t with one degree of freedom fewer than there are whole blocks: a
last block of a few images hardly counts, (sum of sizes)^2 / sum of their squares being as many
equal ones as are worth as much (Kish, "Survey Sampling", 1965, section 11.7).

Blocks follow the sorted keys, hence the classes: where some classes are harder, blocks differ
by more than chance, and the interval is wider than one over images would be, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import ALPHA, LEVEL
from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.metrics.quantities import (
    CALIBRATION_ERROR,
    NEGATIVE_LOG_LIKELIHOOD,
    TOP5_ERROR,
    Quantity,
)
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.calibration import calibration_error
from robustbench_gnl.statistics.outcomes import Counts, Floats, Outcomes
from robustbench_gnl.text import counted

FEWEST_BLOCKS = 4
"""With fewer, t is so wide (4.3 standard errors for three, 12.7 for two) that an interval
is of no use, and a gate on it would never fail."""
OTHER_BLOCKS = "what is kept by block has an interval only where both runs have the same blocks"


@dataclass(frozen=True, eq=False)
class BlockValues:
    """One quantity of each cell, with all blocks and without each of them."""

    conditions: tuple[Condition, ...]
    n_images_by_block: Counts
    values: Floats
    """(n_cells,)"""
    without: Floats
    """(n_blocks, n_cells): row b is the number without block b."""

    def mean(self, chosen: Iterable[Condition]) -> Jackknife:
        """The mean over these cells, which must be among the conditions."""
        columns = [self.conditions.index(condition) for condition in chosen]
        return jackknife(
            float(self.values[columns].mean()),
            self.without[:, columns].mean(axis=1),
            self.n_images_by_block,
        )

    def has_blocks_of(self, other: BlockValues) -> bool:
        return np.array_equal(self.n_images_by_block, other.n_images_by_block)

    def minus(self, baseline: BlockValues) -> BlockValues:
        """The differences to the same cells and blocks of another run.

        Raises:
            UsageError: It was worked in other blocks, which cannot be left out of both.
        """
        if not self.has_blocks_of(baseline):
            one, other = (int(run.n_images_by_block[0]) for run in (baseline, self))
            raise UsageError(
                "expected two runs worked in the same blocks of images, got blocks of "
                f"{one:,} and {other:,}: {OTHER_BLOCKS}; evaluate both with one block size",
                block_sizes=(one, other),
            )
        return BlockValues(
            self.conditions,
            self.n_images_by_block,
            self.values - baseline.values,
            self.without - baseline.without,
        )


@dataclass(frozen=True)
class Jackknife:
    """A number and its standard error by leaving out blocks."""

    value: float
    standard_error: float | None
    """None where there are fewer than FEWEST_BLOCKS whole blocks."""
    n_whole_blocks: float
    """As many blocks of one size as are worth as much."""
    corrected: float | None = None
    """The value minus its bias, as estimated by leaving out blocks: a calibration error is a
    sum of sizes, and so comes out too high with few images. None without a standard error."""

    @property
    def reason(self) -> str | None:
        """Why there is no standard error."""
        if self.standard_error is not None:
            return None
        n_blocks = round(self.n_whole_blocks)
        return (
            f"{counted(n_blocks, 'whole block')} of images, and the "
            f"jackknife needs {FEWEST_BLOCKS}: evaluate more images"
        )

    def interval(self, level: float = LEVEL) -> Interval | None:
        if self.standard_error is None:
            return None
        half = self._t_quantile((1 + level) / 2) * self.standard_error
        return Interval(self.value - half, self.value + half, level, "jackknife")

    def lower_bound(self, alpha: float = ALPHA) -> float | None:
        """A lower confidence bound of the true value, at level 1 - alpha."""
        if self.standard_error is None:
            return None
        return self.value - self._t_quantile(1 - alpha) * self.standard_error

    def upper_bound(self, alpha: float = ALPHA) -> float | None:
        """An upper confidence bound of the true value, at level 1 - alpha."""
        if self.standard_error is None:
            return None
        return self.value + self._t_quantile(1 - alpha) * self.standard_error

    def p_value(self, limit: float = 0.0) -> float | None:
        """One-sided p of the test that the true value is above the limit."""
        if self.standard_error is None:
            return None
        excess = self.value - limit
        # Without spread t is 0 / 0 or infinite, and the estimate itself decides.
        if self.standard_error == 0:
            return 0.0 if excess > 0 else 1.0
        from scipy.special import stdtr

        return float(stdtr(self.n_whole_blocks - 1, -excess / self.standard_error))

    def _t_quantile(self, probability: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.n_whole_blocks - 1, probability))


def block_values(outcomes: Outcomes, quantity: Quantity) -> BlockValues:
    """A quantity of every cell that is kept by block, with all blocks and without each of them."""
    sizes = outcomes.n_images_by_block
    sums = {
        TOP5_ERROR: sizes - outcomes.n_top5,
        NEGATIVE_LOG_LIKELIHOOD: outcomes.negative_log_likelihood,
        CALIBRATION_ERROR: outcomes.calibration,
    }[quantity]  # (n_cells, n_blocks, ...)
    total = sums.sum(axis=1)  # (n_cells, ...)
    without = np.moveaxis(total[:, None] - sums, 1, 0)  # (n_blocks, n_cells, ...)
    if quantity is CALIBRATION_ERROR:
        values, left = calibration_error(total), _calibration_or_nan(without)
    else:
        values = total / sizes.sum()
        with np.errstate(invalid="ignore"):  # A single block leaves no image.
            left = without / (sizes.sum() - sizes)[:, None]
    return BlockValues(outcomes.conditions, sizes, values, left)


def jackknife(value: float, without: Sequence[float] | Floats, sizes: Counts) -> Jackknife:
    """The standard error of a value from those without each block.

    Args:
        without: (n_blocks,)
        sizes: (n_blocks,): images of each block.
    """
    n_whole_blocks = float(sizes.sum() ** 2 / np.square(sizes).sum())
    # Rounded, so that a last block that is nearly full counts.
    if round(n_whole_blocks) < FEWEST_BLOCKS:
        return Jackknife(value, None, n_whole_blocks)
    shares = sizes.sum() / sizes  # h in the paper
    # Pseudo-values; blocks differ in size, so each weighs 1 / h in their mean.
    pseudo = shares * value - (shares - 1) * np.asarray(without)
    centre = float((pseudo / shares).sum())
    variance = float(((pseudo - centre) ** 2 / (shares - 1)).mean())
    return Jackknife(value, math.sqrt(variance), n_whole_blocks, centre)


def _calibration_or_nan(bins: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return calibration_error(bins)
