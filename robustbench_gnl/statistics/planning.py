"""How many images a gate needs: the minimum detectable increase by number of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import ALPHA, POWER
from robustbench_gnl.metrics.catalogue import CLEAN_ERROR, MEAN_ERROR, METRICS
from robustbench_gnl.metrics.metric import Scope
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.metrics.unit import PERCENT
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.linear_metrics import (
    LinearMetric,
    linear_metrics,
    mean_error_metric,
)
from robustbench_gnl.statistics.outcomes import Outcomes, common_cells
from robustbench_gnl.statistics.power import (
    assumed_sd,
    detectable_change,
    images_needed,
    paired_sd,
)
from robustbench_gnl.statistics.rules import Rule, metric_of, subjects


@dataclass(frozen=True)
class PlannedNumber:
    """One number, and the minimum detectable increase of it."""

    name: str
    unit: str
    n_cells: int
    sd: float
    """Standard deviation of its differences between two runs, image by image."""
    detectable: dict[int, float]
    """By the number of images."""


@dataclass(frozen=True)
class PlannedChange:
    """How many images detect an increase."""

    rule: Rule
    sd: float
    n_images: int


@dataclass(frozen=True)
class Spread:
    """The standard deviation of differences: measured from two runs, or assumed from one."""

    outcomes: Outcomes
    other: Outcomes | None = None
    correlation: float = 0.0

    def of(self, field: LinearMetric) -> float:
        """The standard deviation of a field's differences; 0 if it cannot be estimated."""
        if self.other is None:
            return assumed_sd(self.outcomes, field, self.correlation)
        return paired_sd(self.other, self.outcomes, field)

    def nothing_to_plan_from(self, what: str) -> UsageError:
        """The error if the differences have no variance."""
        alike = (
            "every image scores the same"
            if self.other is None
            else "the two runs differ on no image, or on all by as much"
        )
        return UsageError(
            f"{alike} in {what}, so the variance of their differences cannot be estimated; plan "
            "from other runs"
        )


def spread_of(
    outcomes: Outcomes, other: Outcomes | None = None, correlation: float = 0.0
) -> Spread:
    """The spread that a plan is computed from.

    Raises:
        UsageError: There are no cells, or too few images.
    """
    cells = outcomes.conditions if other is None else common_cells(outcomes, other)
    if not cells:
        raise UsageError("there is no complete cell to plan from; evaluate more first")
    if outcomes.n_images < 2:
        raise UsageError("expected a run of at least 2 images to plan from, got one of 1")
    return Spread(outcomes.only(cells), other and other.only(cells), correlation)


def planned_numbers(
    spread: Spread,
    reference: Reference,
    sizes: Sequence[int],
    *,
    alpha: float = ALPHA,
    power: float = POWER,
) -> list[PlannedNumber]:
    """mCE, relative mCE, mean error and clean error, as far as the cells allow them and they
    vary from image to image.

    Raises:
        UsageError: None of them varies.
    """
    chosen = _planned_fields(spread.outcomes.conditions, reference)
    numbers = []
    for name, field in chosen.items():
        sd = spread.of(field)
        if not sd > 0:
            continue
        detectable = {
            n: detectable_change(sd, n, alpha=alpha, power=power, step=field.step) for n in sizes
        }
        n_cells = int((field.weights != 0).sum())
        numbers.append(PlannedNumber(name, field.unit.name, n_cells, sd, detectable))
    if not numbers:
        metrics = {one.key: one.rule or one.key for one in METRICS}
        raise spread.nothing_to_plan_from(", ".join(metrics[name] for name in chosen))
    return numbers


def _planned_fields(cells: Sequence[Condition], reference: Reference) -> dict[str, LinearMetric]:
    """The metrics that are planned, by key, as far as the cells allow them; the mean error is over
    those corruption cells that there are."""
    fields = linear_metrics(cells, reference)
    corrupted = [cell for cell in cells if not cell.is_clean]
    if corrupted and reference.suite.has_severities:
        fields[MEAN_ERROR.key] = mean_error_metric(MEAN_ERROR.key, cells, corrupted)
    planned = [one for one in METRICS if one.scope is Scope.OVERALL and one.is_planned]
    # Ratios first: they are what a gate is mostly about.
    planned.sort(key=lambda one: one.unit is not PERCENT)
    planned.sort(key=lambda one: one is CLEAN_ERROR)
    return {one.key: fields[one.key] for one in planned if one.key in fields}


def planned_change(
    spread: Spread,
    reference: Reference,
    rule: Rule,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
) -> PlannedChange:
    """How many images it takes to detect the increase that a rule names.

    Raises:
        UsageError: It names no increase, its number is not made of top-1 errors or does not vary,
            or its cells are not there.
    """
    if rule.is_limit or rule.is_gain:
        instead = (
            f"the gain that {rule.text} requires is as hard to detect as an increase; write "
            f"{rule.text.replace('-', '+', 1)}"
            if rule.is_gain
            else f"{rule.text} is a limit; write how far the number may be above it, such as "
            f"{rule.subject_text}:+1{'' if rule.subject.is_ratio else 'pp'}"
        )
        raise UsageError(f"expected an increase to plan for: {instead}", rule=rule.text)
    cells = spread.outcomes.conditions
    if not rule.subject.is_kept_by_image:
        known = [one for one in subjects().values() if one.is_defined_for(reference.suite)]
        known.sort(key=lambda one: (not one.is_ratio, one.quantity is None))
        *names, last = (one.name for one in known if one.is_kept_by_image)
        raise UsageError(
            f"expected a change of {', '.join(names)} or {last}, got {rule.text}: what is not kept "
            "by image cannot be planned"
        )
    field = metric_of(rule, cells, reference)
    baseline = float(field.value(spread.outcomes.errors))
    change = rule.threshold_from(baseline)
    sd = spread.of(field)
    if not sd > 0:
        raise spread.nothing_to_plan_from(rule.text)
    n_images = images_needed(change, sd, alpha=alpha, power=power, step=field.step)
    return PlannedChange(rule, sd, n_images)


def images_in_time(seconds: float, seconds_by_image: float) -> int:
    """How many images are evaluated in that time.

    Args:
        seconds_by_image: What one image takes in all cells; 0 where it is not known.

    Raises:
        UsageError: It is not known, or the time is too short for two images.
    """
    if not seconds_by_image > 0:
        raise UsageError(
            "the run does not say how long it took, so no time can be planned with; give a number "
            "of --images, or plan from a run that was evaluated here"
        )
    # 1e-9: 60 s are 600 images of 0.1 s, whatever bits the division loses.
    n_images = int(seconds / seconds_by_image + 1e-9)
    if n_images < 2:
        raise UsageError(
            f"expected time for 2 images or more, got {seconds:.3g} s where one image takes "
            f"{seconds_by_image:.3g} s; allow more time, or fewer --corruptions or --severities",
            n_images=n_images,
        )
    return n_images
