"""Power of the one-sided paired test, by the number of images.

The mean of n differences with standard deviation sd has the standard error sd / sqrt(n). A
change d is detected when its estimate is above both the threshold of the rule and t standard
errors, t being Student's quantile at 1 - alpha; the estimate falls normally around d.
Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, section 2.5.

A single cell is tested by counting: its differences have one size, the `step`, and its exact
test is coarse. The sum of the differences moves by two steps at a time, so that it is on
average one step above what t standard errors ask.

Units are those of the field: fractions for errors, percents for CEs.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import ALPHA, POWER
from robustbench_gnl.statistics.linear_metrics import LinearMetric
from robustbench_gnl.statistics.outcomes import Outcomes
from robustbench_gnl.statistics.paired_tests import paired_differences, standard_deviation

# Far beyond any data set; without a bound the search for a tiny change would not end.
_MOST_IMAGES = 2**40


def paired_sd(baseline: Outcomes, candidate: Outcomes, field: LinearMetric) -> float:
    """The standard deviation of the differences of two runs, image by image.

    Use it if two runs are available that differ as much as future ones. It is 0 if both runs have
    the same errors, and then is no estimate for other pairs.
    """
    return standard_deviation(paired_differences(baseline, candidate, field))


def assumed_sd(outcomes: Outcomes, field: LinearMetric, correlation: float = 0.0) -> float:
    """The same where there is one run: that of the difference to a run whose scores spread as
    widely and go with this one's by `correlation`.

    0 is conservative: models have errors on the same images, so the actual correlation is higher
    and fewer images are needed.

    Raises:
        UsageError: The correlation is not in [-1, 1).
    """
    if not -1 <= correlation < 1:
        raise UsageError(
            "expected a correlation of at least -1 and below 1 between the scores of two runs, "
            f"got {correlation}; 0 is cautious",
            correlation=correlation,
        )
    return math.sqrt(2 * (1 - correlation)) * float(field.scores(outcomes).std(ddof=1))


def power_of(
    change: float,
    sd: float,
    n_images: int,
    *,
    alpha: float = ALPHA,
    threshold: float = 0.0,
    step: float = 0.0,
) -> float:
    """How often a true change is detected with that many images."""
    error = _standard_error(sd, n_images)
    needed = _needed(error, n_images, alpha, threshold, step)
    return NormalDist().cdf((change - needed) / error)


def detectable_change(
    sd: float,
    n_images: int,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    threshold: float = 0.0,
    step: float = 0.0,
) -> float:
    """The minimum detectable change: the smallest that is detected with that power.

    Args:
        threshold: Of a rule that must be passed as well, such as the 0.5 of `mCE:+0.5`.
        step: `LinearMetric.step`: the size of the differences where all have one, else 0.
    """
    error = _standard_error(sd, n_images)
    needed = _needed(error, n_images, alpha, threshold, step)
    return needed + NormalDist().inv_cdf(power) * error


def images_needed(
    change: float,
    sd: float,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    threshold: float = 0.0,
    step: float = 0.0,
) -> int:
    """The fewest images that detect that change with that power.

    Raises:
        UsageError: No number of images does.
    """
    if change <= max(threshold, 0.0):
        raise UsageError(
            f"expected a change above {max(threshold, 0.0):g}, got {change:g}: a change at the "
            "threshold is over it one time in two, however many the images",
            change=change,
        )
    options = {"alpha": alpha, "power": power, "threshold": threshold, "step": step}
    # No closed form: Student's quantile depends on the number of images. Doubling, then bisection.
    low, high = 1, 2  # Too few, and perhaps enough.
    while detectable_change(sd, high, **options) > change:
        low, high = high, 2 * high
        if high > _MOST_IMAGES:
            raise UsageError(f"a change of {change:g} needs more than {_MOST_IMAGES:,} images")
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = detectable_change(sd, middle, **options) <= change
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def _standard_error(sd: float, n_images: int) -> float:
    if not sd > 0 or n_images < 2:
        raise UsageError(
            f"expected a standard deviation above 0 and 2 images or more, got {sd:g} and "
            f"{n_images}; of two runs with the same errors, plan from one of them alone",
            sd=sd,
            n_images=n_images,
        )
    return sd / math.sqrt(n_images)


def _needed(error: float, n_images: int, alpha: float, threshold: float, step: float) -> float:
    """What an estimate must be above: the threshold of its rule, and significantly above 0."""
    from scipy.special import stdtrit

    significant = float(stdtrit(n_images - 1, 1 - alpha)) * error + step / n_images
    return max(threshold, significant)
