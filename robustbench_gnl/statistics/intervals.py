"""Confidence intervals of all metrics of a run.

| number | method |
|---|---|
| error or top-5 error of one cell | Wilson |
| means of errors, CE, mCE, relative mCE, groups, gap | bootstrap over images |
| mean top-5 error, negative log likelihood, calibration error | jackknife over blocks |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from robustbench_gnl.levels import LEVEL
from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.metrics.lookup import metric_ids
from robustbench_gnl.metrics.metric import MetricId
from robustbench_gnl.metrics.quantities import BLOCK_QUANTITIES, Quantity
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.bootstrap import Replicates, bootstrap
from robustbench_gnl.statistics.jackknife import BlockValues, block_values
from robustbench_gnl.statistics.linear_metrics import LinearMetric, linear_metrics
from robustbench_gnl.statistics.outcomes import Outcomes
from robustbench_gnl.statistics.proportions import wilson
from robustbench_gnl.suites import Suite

NO_SPREAD = "every image scores the same, so resampling shows no spread"


@dataclass(frozen=True)
class Numbers:
    """Values, intervals and reasons of metrics, by path."""

    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a number has no interval."""

    def add(self, name: str, value: float, interval: Interval | None, reason: str | None) -> None:
        self.values[name] = value
        if interval is not None:
            self.intervals[name] = interval
        elif reason is not None:
            self.reasons[name] = reason

    def update(self, other: Numbers) -> None:
        self.values.update(other.values)
        self.intervals.update(other.intervals)
        self.reasons.update(other.reasons)


def run_numbers(
    outcomes: Outcomes,
    reference: Reference,
    *,
    replicates: Replicates | None = None,
    level: float = LEVEL,
) -> Numbers:
    """Every number of a run with its interval.

    Args:
        replicates: Replicates of these cells, if already computed.
    """
    if not outcomes.conditions:
        return Numbers()
    numbers = error_numbers(replicates or bootstrap(outcomes), reference, level)
    for quantity in BLOCK_QUANTITIES:
        numbers.update(block_numbers(outcomes, quantity, reference.suite, level))
    return numbers


def error_numbers(replicates: Replicates, reference: Reference, level: float = LEVEL) -> Numbers:
    """The numbers made of top-1 errors, named as in `linear_metrics`; replicates are enough."""
    numbers = Numbers()
    fields = linear_metrics(replicates.conditions, reference)
    intervals = metric_intervals(replicates, list(fields.values()), level)
    for (name, number), interval in zip(fields.items(), intervals, strict=True):
        numbers.add(name, replicates.value(number), interval, NO_SPREAD)
    return numbers


def metric_intervals(
    replicates: Replicates, fields: Sequence[LinearMetric], level: float = LEVEL
) -> list[Interval | None]:
    """Of each, Wilson's for the error of one cell, else the percentile interval; None without
    spread."""
    return [
        wilson(int(replicates.observed[cell]), replicates.n_images, level)
        if (cell := _only_cell(field)) is not None
        else _with_spread(percentiles)
        for field, percentiles in zip(fields, replicates.intervals(fields, level), strict=True)
    ]


def _only_cell(field: LinearMetric) -> int | None:
    """The cell whose error the field is, None where it is another number."""
    used = np.flatnonzero(field.weights)
    is_error = len(used) == 1 and field.weights[used[0]] == 1 and not field.constant
    return int(used[0]) if is_error else None


def _with_spread(interval: Interval) -> Interval | None:
    # Sums of the same score in another order differ in their last bits.
    spread = interval.high - interval.low
    return interval if spread > 1e-12 * (abs(interval.low) + abs(interval.high)) else None


def block_numbers(
    outcomes: Outcomes, quantity: Quantity, suite: Suite, level: float = LEVEL
) -> Numbers:
    """The metrics of one quantity that is kept by block, by path: overall, and of each corruption
    and severity."""
    values = block_values(outcomes, quantity)
    numbers = Numbers()
    for one, cells in ids_of_quantity(outcomes.conditions, quantity, suite):
        found = values.mean(cells)
        interval = found.interval(level)
        if one.metric.method(len(cells)) == "wilson":
            interval = _top5_interval(outcomes, values, cells[0], level)
        numbers.add(one.path, found.value, interval, found.reason)
    return numbers


def _top5_interval(
    outcomes: Outcomes, values: BlockValues, cell: Condition, level: float
) -> Interval:
    row = values.conditions.index(cell)
    n_right = int(outcomes.n_top5[row].sum())
    return wilson(outcomes.n_images - n_right, outcomes.n_images, level)


def ids_of_quantity(
    conditions: Sequence[Condition], quantity: Quantity, suite: Suite
) -> Iterator[tuple[MetricId, list[Condition]]]:
    """The metrics of a quantity that some conditions allow, and the cells whose mean they are: of
    a whole run all of its cells, of a corruption those severities that are there."""
    present = set(conditions)
    for one in metric_ids(suite):
        if one.metric.quantity is not quantity:
            continue
        cells = one.cells(suite)
        there = [cell for cell in cells if cell in present]
        if there and (one.of or len(there) == len(cells)):
            yield one, there
