"""The Wilson interval of one proportion, such as the error of a single cell."""

from __future__ import annotations

import math
from statistics import NormalDist

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import LEVEL, check_level
from robustbench_gnl.metrics.interval import Interval


def wilson(n_wrong: int, n_images: int, level: float = LEVEL) -> Interval:
    """The interval of n_wrong / n_images.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927:
    the proportions that a test at 1 - level would not reject. The interval is within [0, 1] and
    never empty. The bootstrap interval of a cell without errors would have width 0.

    Raises:
        UsageError: The counts are none, or the level is not between 0 and 1.
    """
    check_level(level)
    if not 0 <= n_wrong <= n_images or n_images < 1:
        raise UsageError(
            f"expected 0 to n_images wrong answers of at least 1 image, got {n_wrong} of {n_images}"
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    proportion = n_wrong / n_images
    weight = 1 / (1 + z * z / n_images)
    centre = weight * (proportion + z * z / (2 * n_images))
    half = (
        weight
        * (z / math.sqrt(n_images))
        * math.sqrt(proportion * (1 - proportion) + z * z / (4 * n_images))
    )
    # The formula gives exactly 0 and 1 there, but for rounding.
    low = 0.0 if n_wrong == 0 else max(0.0, centre - half)
    high = 1.0 if n_wrong == n_images else min(1.0, centre + half)
    return Interval(low, high, level, "wilson")
