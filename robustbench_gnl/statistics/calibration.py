"""Expected calibration error from the stored bins.

Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", 2017, equation 3,
with 15 bins of equal width: the mean over images of |accuracy - confidence| of their bin.

Random variation separates accuracy from confidence, so ECE is biased upwards for few images: a
perfectly calibrated model has about 0.04 in a cell of 1,000 images. The interval is that of the ECE
at the same number of images. Compare ECE only between runs on the same images.
"""

from __future__ import annotations

import numpy as np

from robustbench_gnl.statistics.outcomes import Floats


def calibration_error(bins: Floats) -> Floats:
    """ECE in [0, 1] of bins (..., 3, 15): images, right answers, sum of the confidences.

    A bin of n images has |right - confidences| / n as its gap and n / N as its weight, so n
    cancels, and an empty bin adds nothing.
    """
    gaps = calibration_gaps(bins).sum(axis=-1)
    return np.asarray(gaps / bins[..., 0, :].sum(axis=-1), np.float64)


def calibration_gaps(bins: Floats) -> Floats:
    """(..., 15): |right answers - sum of the confidences| of each bin of bins (..., 3, 15)."""
    return np.abs(bins[..., 1, :] - bins[..., 2, :])
