"""Explanations of metrics: meaning, formula, and the formula with the numbers of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from robustbench_gnl.metrics import (
    FRACTION,
    UNITS,
    Interval,
    MetricId,
    Summary,
    Unit,
    headline_metrics,
    overall_metrics,
    summarize,
    why_undefined,
    worst_corruption,
)
from robustbench_gnl.metrics.catalogue import (
    CE,
    CLEAN_ERROR,
    EFFECTIVE_ROBUSTNESS,
    GROUP_CE,
    MCE,
    MEAN_CORRUPTION_ERROR,
    METRICS,
)
from robustbench_gnl.metrics.expressions import (
    CellError,
    CorruptionError,
    Difference,
    Expression,
    Mean,
    MeanError,
    RelativeCorruptionError,
)
from robustbench_gnl.metrics.metric import Scope, with_unit
from robustbench_gnl.metrics.quantities import (
    CALIBRATION_ERROR,
    NEGATIVE_LOG_LIKELIHOOD,
    TOP5_ERROR,
    Quantity,
)
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Condition, Run
from robustbench_gnl.reports.formatting import (
    DASH,
    Format,
    as_count,
    as_interval,
    as_share,
    or_dash,
)
from robustbench_gnl.reports.run_summary import worst_of_all
from robustbench_gnl.suites import Suite
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

METHODS = {
    "bootstrap": "percentiles of 1,000 resamples of the images (Efron & Tibshirani 1993)",
    "wilson": "Wilson 1927",
    "jackknife": "leaving out blocks of images (Busing et al. 1999), Student's t",
}


@dataclass(frozen=True)
class Explanation:
    """The explanation of one metric of a run."""

    number: str
    """Label of the metric, without its unit."""
    value: float | str | None
    """The raw value; a name if the unit is None."""
    unit: str | None
    """Name of the unit, a key of `UNITS`."""
    shown: str
    """The formatted value: a fraction in percent."""
    meaning: str
    formula: str
    worked: str
    """The formula with the numbers of the run."""
    source: str
    interval: Interval | None = None
    interval_shown: str | None = None
    """The interval and its method in JSON and CSV: `58.10-61.20, 95 %: Wilson 1927`."""
    reason: str | None = None
    """Why the value or its interval is undefined."""
    remark: str | None = None
    """What must be shown with the value."""

    @property
    def label(self) -> str:
        """The label with the symbol of the unit."""
        return with_unit(self.number, UNITS[self.unit].symbol) if self.unit else self.number

    @property
    def interval_text(self) -> str | None:
        """The interval and its method: `[58.10, 61.20], 95 %: Wilson 1927`."""
        if self.interval is None or self.unit is None:
            return None
        ends = as_interval(UNITS[self.unit].number)(self.interval)
        return f"{ends}, {_method(self.interval)}"


def explanations(run: Run, reference: Reference, details: RunStatistics) -> list[Explanation]:
    """Explanations of all metrics, from one cell up to the metrics of the whole run."""
    one = _Explained(run, reference, details)
    return [
        *(one.explanation(id_) for id_ in _explained_ids(one.summary)),
        *([_worst_corruption(one.summary)] if one.summary.suite.has_severities else []),
        _worst_class(details, one.summary.suite),
    ]


def _explained_ids(summary: Summary) -> Iterator[MetricId]:
    """The metrics to explain, each after those it is computed from. The worst corruption stands for
    all corruptions; optional metrics are included only if they are defined."""
    suite = summary.suite
    # From the parts to the whole: each formula uses numbers that the reader has seen before it.
    first, *headline = headline_metrics(suite)
    yield MetricId(first)
    if (worst := worst_corruption(summary)) is not None:
        severity = next(s for s in suite.severities if Condition(worst, s) in summary.errors)
        linear = [one for one in METRICS if one.scope is Scope.CORRUPTION and one.definition]
        yield MetricId(linear[0], worst, severity)
        yield from (MetricId(one, worst) for one in linear)
    yield from (MetricId(one) for one in headline if not one.is_optional)
    yield from (MetricId(GROUP_CE, group) for group in suite.groups)
    optional = (MetricId(one) for one in headline if one.is_optional)
    yield from (one for one in optional if summary.value(one) is not None)
    yield from (MetricId(one) for one in overall_metrics(suite) if not one.is_headline)


@dataclass(frozen=True)
class _Explained:
    """The run to explain, with its statistics."""

    run: Run
    reference: Reference
    details: RunStatistics

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.run.cells, self.reference)

    def explanation(self, one: MetricId) -> Explanation:
        metric, suite, path = one.metric, self.summary.suite, one.path
        numbers, unit = self.details.numbers, metric.unit
        value = self._value(one)
        formula = one.formula(suite, self.reference)
        # The line is fitted to published results, so the formula alone does not state it.
        if metric is EFFECTIVE_ROBUSTNESS and self.details.trend is not None:
            formula = f"{formula}, where expected {self.details.trend}"
        interval = numbers.intervals.get(path)
        return Explanation(
            number=one.label,
            value=value,
            unit=unit.name,
            shown=or_dash(value, unit.number),
            meaning=one.meaning(suite, self.reference),
            formula=formula,
            worked=DASH if value is None else self._worked(one),
            source=metric.source,
            interval=interval,
            interval_shown=f"{_range(interval, unit)}, {_method(interval)}" if interval else None,
            reason=numbers.reasons.get(path) if value is not None else self._why_undefined(one),
            remark=self.details.remarks.get(path),
        )

    def _value(self, one: MetricId) -> float | None:
        if one.severity is not None:
            return self.summary.errors.get(Condition(one.of, one.severity))
        if one.metric.is_headline:
            return self.summary.value(one)
        return self.details.numbers.values.get(one.path)

    def _why_undefined(self, one: MetricId) -> str | None:
        reasons = {**self.summary.reasons, **self.details.reasons}
        if one.metric.quantity is None or one.path in reasons:
            return reasons.get(one.path)
        needed = MeanError(one.cells(self.summary.suite))
        return why_undefined(needed, self.summary.errors, self.reference)

    def _worked(self, one: MetricId) -> str:
        """The formula with the numbers of the run, of a metric that is defined."""
        metric, suite = one.metric, self.summary.suite
        if metric.quantity is not None:
            cells = one.cells(suite)
            if len(cells) == 1:
                return self._worked_of_cell(metric.quantity, cells[0])
            # All corruptions have equally many cells, so this is the mean over all cells.
            parts = [
                self.details.numbers.values.get(MetricId(other, name).path)
                for other in METRICS
                if other.scope is Scope.CORRUPTION and other.quantity is metric.quantity
                for name in suite.corruptions
            ]
            return _mean_of(parts, metric.unit.precise)
        expression = one.expression(suite, self.reference)
        if expression is not None:
            return _worked_out(self, expression, metric.unit)
        # What has neither a quantity nor an expression is effective robustness.
        trend, values = self.details.trend, self.summary.values
        assert trend is not None  # since the effective robustness is known
        clean_error = or_dash(values[CLEAN_ERROR.key], CLEAN_ERROR.unit.precise)
        line = f"{MCE.unit.precise(trend.intercept)} + {MCE.unit.precise(trend.slope)}"
        return f"{line} x {clean_error} - {or_dash(values[MCE.key], MCE.unit.precise)}"

    def _worked_of_cell(self, quantity: Quantity, condition: Condition) -> str:
        cell = self.run.cells[condition]
        n_images = as_count(cell.n_images)
        # Plain numbers: a gap is a sum over images, of right answers minus confidences.
        gaps = _sum(self.details.calibration_gaps, MCE.unit.precise)
        return {
            TOP5_ERROR: f"100 x {as_count(cell.n_images - cell.n_top5)} / {n_images}",
            NEGATIVE_LOG_LIKELIHOOD: f"{cell.negative_log_likelihood_sum:.3f} / {n_images}",
            CALIBRATION_ERROR: f"100 x ({gaps}) / {n_images}",
        }[quantity]


def _worked_out(one: _Explained, expression: Expression, unit: Unit) -> str:
    """An expression with the errors of the run, expanded by one level."""
    errors = one.summary.errors
    match expression:
        case CellError(condition):
            cell = one.run.cells[condition]
            return f"100 x {as_count(cell.n_images - cell.n_top1)} / {as_count(cell.n_images)}"
        case MeanError(conditions):
            return _mean_of(_known(conditions, errors.get), unit.precise)
        case CorruptionError(conditions):
            summed, divisor = _sums(one, conditions)
            return f"100 x ({summed}) / ({divisor})"
        case RelativeCorruptionError(conditions):
            summed, divisor = _sums(one, conditions)
            own, other = (
                f" - {len(conditions)} x {or_dash(error, FRACTION.precise)}"
                for error in (one.summary.values[CLEAN_ERROR.key], one.reference.clean_error)
            )
            return f"100 x ({summed}{own}) / ({divisor}{other})"
        # Only one level: the CEs of all corruptions fit on a line, their errors would not.
        case Mean(parts):
            return _mean_of([part.value(errors) for part in parts], unit.precise)
        case Difference(minuend, subtrahend):
            both = (part.value(errors) for part in (minuend, subtrahend))
            return " - ".join(or_dash(value, unit.precise) for value in both)
    raise TypeError(f"no worked form of {type(expression).__name__}")


def _sums(one: _Explained, conditions: Sequence[Condition]) -> tuple[str, str]:
    """The errors of a corruption and of the reference, of which only the sum may be known."""
    name = conditions[0].corruption
    divisor = one.reference.errors.get(name) or (one.reference.error_sum(name),)
    errors = _known(conditions, one.summary.errors.get)
    return _sum(errors, FRACTION.precise), _sum(divisor, FRACTION.precise)


def _known(
    conditions: Sequence[Condition], error: Callable[[Condition], float | None]
) -> list[float]:
    return [one for one in map(error, conditions) if one is not None]


def _sum(values: Iterable[float | None], format: Format) -> str:
    """`31.60 + 50.60`."""
    return " + ".join(or_dash(value, format) for value in values)


def _mean_of(values: Sequence[float | None], format: Format) -> str:
    """`(31.60 + 50.60) / 2`."""
    return f"({_sum(values, format)}) / {len(values)}"


def _method(interval: Interval) -> str:
    return f"{as_share(interval.level)}: {METHODS[interval.method]}"


def _range(interval: Interval, unit: Unit) -> str:
    """`58.10-61.20` as in JSON and CSV, or `-1.00 to 2.00` if an end is negative."""
    # Two hyphens in a row, as in `-1.00--0.20`, would be hard to read.
    low, high = unit.number(interval.low), unit.number(interval.high)
    return f"{low}{' to ' if '-' in (low[0], high[0]) else '-'}{high}"


def _worst_corruption(summary: Summary) -> Explanation:
    name, worked, reason = worst_of_all(summary), DASH, None
    if name is not None:
        worst = summary.corruptions[name]
        ce = or_dash(worst.ce, CE.unit.number)
        worked = f"{CE.label} {ce}, error {or_dash(worst.error, FRACTION.value)}"
    else:
        reason = summary.reasons[MEAN_CORRUPTION_ERROR.key]
    meaning = f"the highest CE of the {len(summary.suite.corruptions)}, or error without CEs"
    return _named("worst corruption", name, meaning, worked, reason)


def _worst_class(details: RunStatistics, suite: Suite) -> Explanation:
    where = "mean error over the corruption cells" if suite.has_severities else "error"
    worst, worked = details.worst_class, DASH
    if worst is not None:
        worked = f"{FRACTION.value(worst.error)} of {counted(worst.n_images, 'image')}"
    return _named(
        "worst class",
        worst.name if worst else None,
        f"the class with the highest {where}",
        worked,
        details.reasons.get("worst_class"),
    )


def _named(
    number: str, name: str | None, meaning: str, worked: str, reason: str | None
) -> Explanation:
    return Explanation(
        number, name, None, name or DASH, meaning, "argmax", worked, "", reason=reason
    )
