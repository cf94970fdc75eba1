"""All statistics of one run: metrics with intervals, worst class and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from robustbench_gnl.levels import LEVEL
from robustbench_gnl.metrics.catalogue import CLEAN_ERROR
from robustbench_gnl.metrics.chance import is_near_chance
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import CLEAN
from robustbench_gnl.statistics.bootstrap import Replicates, bootstrap
from robustbench_gnl.statistics.calibration import calibration_gaps
from robustbench_gnl.statistics.intervals import NO_SPREAD, Numbers, metric_intervals, run_numbers
from robustbench_gnl.statistics.linear_metrics import linear_metrics
from robustbench_gnl.statistics.outcomes import Outcomes
from robustbench_gnl.statistics.trend import (
    FIELD,
    Trend,
    effective_robustness_metric,
    published_trend,
)
from robustbench_gnl.suites import Suite

NEAR_CHANCE = "the model is near chance on clean images, so its clean error has no predictive value"
FEWEST_IMAGES_PER_CLASS = 10
"""With fewer images, the maximum over many classes mostly reflects chance."""


@dataclass(frozen=True)
class WorstClass:
    """The class with the highest error, averaged over the corruption cells that were run."""

    name: str
    """The class folder: a WordNet id, for ImageNet."""
    error: float
    """In [0, 1]."""
    n_images: int


@dataclass(frozen=True)
class RunStatistics:
    """What a report of one run shows besides its cells."""

    numbers: Numbers
    level: float
    trend: Trend | None
    """What `effective_robustness` is measured from; None where that is not defined."""
    worst_class: WorstClass | None
    reasons: Mapping[str, str]
    """Why `effective_robustness` or `worst_class` is undefined."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Remarks that must be shown with a metric, by its path."""
    calibration_gaps: tuple[float, ...] = ()
    """By bin of confidence: how far the number of right answers is from the sum of the
    confidences, on the clean images or, if the suite has none, on its only condition. Their sum as
    a share of the images is the calibration error."""
    n_image_classes: int = 0
    """Number of classes of the images; the model may have more outputs."""


def run_statistics(
    outcomes: Outcomes,
    keys: Sequence[str],
    reference: Reference,
    *,
    replicates: Replicates | None = None,
    level: float = LEVEL,
    n_classes: int | None = None,
) -> RunStatistics:
    """Everything that is known of a run.

    Args:
        keys: The image keys, in the order of the outcomes's images.
        n_classes: Number of outputs of the model; None: no test for chance accuracy.
        replicates: Replicates of these cells, if already computed.
    """
    reasons: dict[str, str] = {}
    n_image_classes = len({key.split("/", 1)[0] for key in keys})
    if not outcomes.conditions:
        none = dict.fromkeys((FIELD, "worst_class"), "no cell is complete")
        return RunStatistics(Numbers(), level, None, None, none, n_image_classes=n_image_classes)
    replicates = replicates or bootstrap(outcomes)
    numbers = run_numbers(outcomes, reference, replicates=replicates, level=level)
    trend, remarks = None, {}
    if FIELD not in reference.suite.metrics:
        pass
    elif not reference.is_defined:
        reasons[FIELD] = reference.protocol
    # The line goes through published mCEs, which are percent of that reference.
    elif reference != default_reference(reference.suite):
        expected = default_reference(reference.suite).name
        reasons[FIELD] = f"published mCEs are against {expected}, not {reference.name}"
    else:
        trend = published_trend()
        fields = linear_metrics(outcomes.conditions, reference)
        distance = effective_robustness_metric(fields, trend)
        clean_error = numbers.values.get(CLEAN_ERROR.key)
        if distance is None or clean_error is None:
            trend, reasons[FIELD] = None, "it needs mCE and the clean error"
        elif n_classes and _is_near_chance(outcomes, n_classes):
            trend, reasons[FIELD] = None, NEAR_CHANCE
        else:
            (interval,) = metric_intervals(replicates, [distance], level)
            numbers.add(FIELD, replicates.value(distance), interval, NO_SPREAD)
            if (remark := trend.remark(clean_error)) is not None:
                remarks[FIELD] = remark
    worst, reason = worst_class(outcomes, keys)
    if reason is not None:
        reasons["worst_class"] = reason
    gaps = _calibration_gaps(outcomes, reference.suite)
    return RunStatistics(numbers, level, trend, worst, reasons, remarks, gaps, n_image_classes)


def _calibration_gaps(outcomes: Outcomes, suite: Suite) -> tuple[float, ...]:
    condition = CLEAN if suite.has_clean else suite.main_conditions[0]
    if condition not in outcomes.conditions:
        return ()
    bins = outcomes.calibration[outcomes.conditions.index(condition)].sum(axis=0)
    return tuple(map(float, calibration_gaps(bins)))


def _is_near_chance(outcomes: Outcomes, n_classes: int) -> bool:
    n_wrong = int(outcomes.wrong[outcomes.conditions.index(CLEAN)].sum())
    return is_near_chance(outcomes.n_images - n_wrong, outcomes.n_images, n_classes)


def worst_class(outcomes: Outcomes, keys: Sequence[str]) -> tuple[WorstClass | None, str | None]:
    """The class with the highest error, or the reason why there is none."""
    rows = [i for i, condition in enumerate(outcomes.conditions) if not condition.is_clean]
    if not rows:
        return None, "no corruption was evaluated"
    names, index = np.unique([key.split("/", 1)[0] for key in keys], return_inverse=True)
    n_images = np.bincount(index)
    if n_images.min() < FEWEST_IMAGES_PER_CLASS:
        return None, (
            f"it takes {FEWEST_IMAGES_PER_CLASS} images of every class, and one has "
            f"{n_images.min()}, so the maximum would mostly reflect chance"
        )
    by_image = outcomes.wrong[rows].mean(axis=0)
    errors = np.bincount(index, weights=by_image) / n_images
    worst = int(errors.argmax())
    return WorstClass(str(names[worst]), float(errors[worst]), int(n_images[worst])), None
