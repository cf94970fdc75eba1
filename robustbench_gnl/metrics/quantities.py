"""The quantities that are stored for every cell: errors, likelihoods and calibration."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_gnl.metrics.unit import FRACTION, NATS, Unit

HENDRYCKS = "Hendrycks & Dietterich 2019, section 4"


@dataclass(frozen=True)
class Quantity:
    """A quantity that is stored for every cell."""

    key: str
    label: str
    unit: Unit
    meaning: str
    formula: str
    source: str
    rule: str
    """The name of its mean over cells in gate rules."""
    is_kept_by_image: bool = False
    """Whether the outcome of each image is stored, and not only sums over blocks."""
    is_count: bool = False
    """Whether it counts images, so that the interval of a single cell is that of a proportion."""


ERROR = Quantity(
    key="error",
    label="error",
    unit=FRACTION,
    meaning="share of the images whose top-1 prediction is wrong",
    formula="100 x wrong / images",
    source=HENDRYCKS,
    rule="error",
    is_kept_by_image=True,
    is_count=True,
)
TOP5_ERROR = Quantity(
    key="top5_error",
    label="top-5 error",
    unit=FRACTION,
    meaning="share of the images whose label is not among the top five predictions",
    formula="100 x wrong in all five / images",
    source="Russakovsky et al. 2015, section 4",
    rule="top5_error",
    is_count=True,
)
NEGATIVE_LOG_LIKELIHOOD = Quantity(
    key="negative_log_likelihood",
    label="negative log likelihood",
    unit=NATS,
    meaning="how improbable the label is to the model",
    formula="mean of -log p(label)",
    source="Guo et al. 2017, section 2",
    rule="nll",
)
CALIBRATION_ERROR = Quantity(
    key="calibration_error",
    label="expected calibration error",
    unit=FRACTION,
    meaning="how far confidence is from accuracy, over 15 bins of confidence",
    formula="100 x sum over bins of |right - sum of confidences| / images",
    source="Guo et al. 2017, equation 3",
    rule="ece",
)
QUANTITIES = (ERROR, TOP5_ERROR, NEGATIVE_LOG_LIKELIHOOD, CALIBRATION_ERROR)
BLOCK_QUANTITIES = tuple(one for one in QUANTITIES if not one.is_kept_by_image)
"""Quantities of which only sums over blocks of images are stored, not the value of each image."""
