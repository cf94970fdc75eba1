"""Measurements for gate rules: the estimate of a rule, and its tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robustbench_gnl.metrics.quantities import TOP5_ERROR
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.bounded_means import BoundedMean, bounded_change
from robustbench_gnl.statistics.jackknife import Jackknife, block_values
from robustbench_gnl.statistics.linear_metrics import LinearMetric, mean_error_metric
from robustbench_gnl.statistics.outcomes import Outcomes
from robustbench_gnl.statistics.paired_tests import PairedTest, paired_differences, paired_test
from robustbench_gnl.statistics.rules import Rule, cells_of, metric_of


@dataclass(frozen=True)
class Measurement:
    """A rule's number in the runs, and what it can be tested by."""

    rule: Rule
    baseline: float | None
    candidate: float
    estimate: float
    """The change, or the value of a limit."""
    bound: float
    """What the estimate must not be above."""
    spread: BoundedMean | Jackknife
    """What is known of the estimate."""
    sign_test: PairedTest | None
    """The test of an increase above 0, of rules that allow one."""
    step: float
    """How far the test asks for more than its quantile of standard errors, times `n_units`."""
    n_units: int
    """Images, or blocks."""
    n_cells: int
    highest: float
    """What the number cannot be above."""
    n_differing: int | None = None
    """Images whose score is not the same in both runs."""
    is_narrowed: bool = False
    """Whether it is of fewer cells than the rule selects."""

    @property
    def null(self) -> float:
        """What the true change or value is tested to be above."""
        return min(0.0, self.bound) if not self.rule.is_limit else self.bound

    @property
    def sd(self) -> float:
        """The standard deviation of the differences or values, by image or by block; 0 where it
        is not known. Of the limit of a single cell it is that of a run at its limit."""
        spread = self.spread
        if self.rule.is_limit and isinstance(spread, BoundedMean) and spread.has_two_sizes:
            share = (self.bound - spread.low) / (spread.high - spread.low)
            return (spread.high - spread.low) * math.sqrt(share * (1 - share))
        return (self.spread.standard_error or 0.0) * math.sqrt(self.n_units)

    @property
    def is_share(self) -> bool:
        """Whether the number cannot be above 1."""
        return self.rule.subject.unit.is_share

    @property
    def method(self) -> str:
        if self.sign_test is not None:
            return self.sign_test.method
        if isinstance(self.spread, Jackknife):
            return "jackknife"
        return "binomial" if self.spread.has_two_sizes else "bootstrap"

    def p_value(self) -> float | None:
        if self.sign_test is not None:
            return self.sign_test.p_value
        return self.spread.p_value(self.null)

    def lower_bound(self, alpha: float) -> float | None:
        return (self.sign_test or self.spread).lower_bound(alpha)


def measure_change(
    rule: Rule,
    baseline: Outcomes,
    candidate: Outcomes,
    reference: Reference,
    common_cells: bool,
) -> Measurement:
    """How far a rule's number rose from the baseline.

    Raises:
        UsageError: A cell is missing, or the number is not defined.
    """
    cells = cells_of(rule, reference.suite, baseline.conditions, candidate.conditions, common_cells)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    selected = rule.selection(reference.suite)
    is_narrowed = selected is not None and len(cells) < len(selected)
    if not rule.subject.is_kept_by_image:
        measured = _measure_block_change(rule, cells, baseline, candidate)
        return replace(measured, is_narrowed=is_narrowed)
    field = _field(rule, cells, reference)
    before, after = float(field.value(baseline.errors)), float(field.value(candidate.errors))
    differences = paired_differences(baseline, candidate, field)
    spread = bounded_change(differences, float(np.abs(field.weights).sum()))
    bound = rule.threshold_from(before)
    test = paired_test(differences)
    return Measurement(
        rule,
        before,
        after,
        after - before,
        bound,
        spread,
        None if rule.is_gain else test,
        bound - spread.low if rule.is_gain else field.step,
        candidate.n_images,
        len(cells),
        highest_of(field),
        test.n_differing,
        is_narrowed,
    )


def measure_value(rule: Rule, candidate: Outcomes, reference: Reference) -> Measurement:
    """The value that a limit is about.

    Raises:
        UsageError: A cell is missing, or the number is not defined.
    """
    cells = cells_of(rule, reference.suite, None, candidate.conditions)
    candidate = candidate.only(cells)
    if not rule.subject.is_kept_by_image:
        return _measure_block_value(rule, cells, candidate)
    field = _field(rule, cells, reference)
    low = float(np.minimum(field.weights, 0).sum()) + field.constant
    value = float(field.value(candidate.errors))
    spread = BoundedMean(field.scores(candidate), low, highest_of(field))
    return _of_value(rule, value, spread, field.step, candidate.n_images, len(cells))


def highest_of(field: LinearMetric) -> float:
    """The largest possible value: all predictions that count are wrong."""
    return float(np.maximum(field.weights, 0).sum()) + field.constant


def _field(rule: Rule, cells: Sequence[Condition], reference: Reference) -> LinearMetric:
    if rule.subject.quantity is not None:  # over the cells that were found, perhaps not all
        return mean_error_metric(rule.text, cells, cells)
    return metric_of(rule, cells, reference)


def _of_value(
    rule: Rule, value: float, spread: BoundedMean, size: float, n_images: int, n_cells: int
) -> Measurement:
    """Args: size: Of the values of a single cell, which are counted; 0 of others."""
    step = size / 2 if size else rule.limit - spread.low
    return Measurement(
        rule, None, value, value, rule.limit, spread, None, step, n_images, n_cells, spread.high
    )


def _measure_block_change(
    rule: Rule, cells: tuple[Condition, ...], baseline: Outcomes, candidate: Outcomes
) -> Measurement:
    assert rule.subject.quantity is not None
    before = block_values(baseline, rule.subject.quantity)
    after = block_values(candidate, rule.subject.quantity)
    change = after.minus(before).mean(cells)
    value = before.mean(cells).value
    return Measurement(
        rule,
        value,
        after.mean(cells).value,
        change.value,
        rule.threshold_from(value),
        change,
        None,
        0.0,
        round(change.n_whole_blocks),
        len(cells),
        math.inf,
    )


def _measure_block_value(
    rule: Rule, cells: tuple[Condition, ...], candidate: Outcomes
) -> Measurement:
    assert rule.subject.quantity is not None
    if rule.subject.quantity is TOP5_ERROR and len(cells) == 1:
        # Counted: which images are right is not kept, but a proportion needs only how many.
        n_images = candidate.n_images
        wrong = np.zeros(n_images)
        wrong[int(candidate.n_top5.sum()) :] = 1.0
        counted = BoundedMean(wrong, 0.0, 1.0)
        return _of_value(rule, counted.mean, counted, 1.0, n_images, 1)
    mean = block_values(candidate, rule.subject.quantity).mean(cells)
    # In a change the bias of both runs cancels; in a single value it does not.
    spread = mean if mean.corrected is None else replace(mean, value=mean.corrected)
    return Measurement(
        rule,
        None,
        mean.value,
        mean.value,
        rule.limit,
        spread,
        None,
        0.0,
        round(mean.n_whole_blocks),
        len(cells),
        math.inf,
    )
