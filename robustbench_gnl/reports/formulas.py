"""How each number of a run comes about: its meaning, its formula, and the run's numbers in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import corruptions
from robustbench_gnl.metrics import GROUPS, Interval, Summary, summarize, worst_corruption
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import CLEAN, Condition, Run
from robustbench_gnl.reports.formatting import (
    DASH,
    Format,
    as_count,
    as_fraction_percent,
    as_interval,
    as_percent,
    as_precise,
    as_precise_percent,
    as_share,
    or_dash,
)
from robustbench_gnl.reports.metric_labels import (
    NATS,
    UNITS,
    kind_label,
    named_label,
    unit_of,
    with_unit,
)
from robustbench_gnl.reports.run_summary import worst_of_all

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

HENDRYCKS = "Hendrycks & Dietterich 2019, section 4"
METHODS = {
    "bootstrap": "percentiles of 1,000 resamples of the images (Efron & Tibshirani 1993)",
    "wilson": "Wilson 1927",
    "jackknife": "leaving out blocks of images (Busing et al. 1999), Student's t",
}


@dataclass(frozen=True)
class Explanation:
    """One number of a run."""

    number: str
    """Its name, without the unit."""
    value: float | str | None
    """In its unit; a name where the unit is None."""
    unit: str | None
    """One of `UNITS`."""
    shown: str
    """The value as people see it: a fraction in percent."""
    meaning: str
    formula: str
    worked: str
    """The formula with the run's numbers."""
    source: str
    interval: Interval | None = None
    interval_shown: str | None = None
    """The interval and its method as JSON and CSV have them: `58.10-61.20, 95 %: Wilson 1927`."""
    reason: str | None = None
    """Why there is no value, or no interval."""
    remark: str | None = None
    """What must stand beside the value."""

    @property
    def label(self) -> str:
        """Its name with the unit that people see it in."""
        return with_unit(self.number, UNITS[self.unit]) if self.unit else self.number

    @property
    def interval_text(self) -> str | None:
        """The interval and its method as people see them: `[58.10, 61.20], 95 %: Wilson 1927`."""
        if self.interval is None or self.unit is None:
            return None
        ends = as_interval(UNITS[self.unit].format)(self.interval)
        return f"{ends}, {_method(self.interval)}"


class _Kind(NamedTuple):
    """A kind of number that every cell has besides its top-1 error."""

    key: str
    meaning: str
    formula: str
    source: str


KINDS = (
    _Kind(
        "top5_error",
        "share of the images whose label is not among the top five predictions",
        "100 x wrong in all five / images",
        "Russakovsky et al. 2015, section 4",
    ),
    _Kind(
        "negative_log_likelihood",
        "how improbable the label is to the model",
        "mean of -log p(label)",
        "Guo et al. 2017, section 2",
    ),
    _Kind(
        "calibration_error",
        "how far confidence is from accuracy, over 15 bins of confidence",
        "100 x sum over bins of |right - sum of confidences| / images",
        "Guo et al. 2017, equation 3",
    ),
)


def explanations(run: Run, reference: Reference, details: RunStatistics) -> list[Explanation]:
    """Every number, from one cell up to mCE, and below it what the details add."""
    one = _Explained(run, reference, details)
    return [
        *_cells(one),
        *_means(one),
        *(found for kind in KINDS for found in (_clean(one, kind), _mean(one, kind))),
        _robustness_gap(one),
        _effective_robustness(one),
        _worst_corruption(one),
        _worst_class(one),
    ]


@dataclass(frozen=True)
class _Explained:
    """The run that is explained, and all that is known of it."""

    run: Run
    reference: Reference
    details: RunStatistics

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.run.cells, self.reference)

    def explain(
        self,
        path: str,
        value: float | None,
        meaning: str,
        formula: str,
        worked: str,
        *,
        source: str = HENDRYCKS,
        needs: Sequence[str] = (),
    ) -> Explanation:
        """The explanation of a value, with the interval and the reason that stand under `path`.

        Args:
            needs: Numbers whose reasons are this one's, where it has none of its own.
        """
        numbers, unit = self.details.numbers, unit_of(path)
        number = named_label(path)
        if value is None:
            reasons = {**self.summary.reasons, **self.details.reasons}
            known = [path] if path in reasons else [name for name in needs if name in reasons]
            reason = "; ".join(reasons[name] for name in known) or None
            return Explanation(
                number, None, unit.name, DASH, meaning, formula, DASH, source, reason=reason
            )
        interval = numbers.intervals.get(path)
        return Explanation(
            number,
            value,
            unit.name,
            unit.format(value),
            meaning,
            formula,
            worked,
            source,
            interval,
            f"{_range(interval, unit.format)}, {_method(interval)}" if interval else None,
            numbers.reasons.get(path),
            self.details.remarks.get(path),
        )


def _method(interval: Interval) -> str:
    return f"{as_share(interval.level)}: {METHODS[interval.method]}"


def _range(interval: Interval, format: Format) -> str:
    """`58.10-61.20`, as JSON and CSV have it; parted by a word where an end has a sign."""
    low, high = format(interval.low), format(interval.high)
    return f"{low}{' to ' if '-' in (low[0], high[0]) else '-'}{high}"


def _sum(values: Iterable[float | None], format: Format) -> str:
    """`31.60 + 50.60`."""
    return " + ".join(or_dash(value, format) for value in values)


def _mean_of(values: Iterable[float | None], format: Format) -> str:
    """`(31.60 + 50.60) / 2`."""
    members = list(values)
    return f"({_sum(members, format)}) / {len(members)}"


def _cells(one: _Explained) -> Iterator[Explanation]:
    """Of clean images, and of the worst corruption, which stands for all of them."""
    yield _cell(one, CLEAN, "clean_error")
    worst = worst_corruption(one.summary)
    if worst is not None:
        severity = next(s for s in corruptions.SEVERITIES if Condition(worst, s) in one.run.cells)
        path = f"corruptions.{worst}.severities.{severity}"
        yield _cell(one, Condition(worst, severity), path)
        yield from _corruption(one, worst)


def _cell(one: _Explained, condition: Condition, path: str) -> Explanation:
    cell = one.run.cells.get(condition)
    return one.explain(
        path,
        cell.error if cell else None,
        "share of the images whose top-1 prediction is wrong",
        "100 x wrong / images",
        f"100 x {as_count(cell.n_images - cell.n_top1)} / {as_count(cell.n_images)}"
        if cell
        else DASH,
    )


def _corruption(one: _Explained, name: str) -> Iterator[Explanation]:
    summary, path = one.summary.corruptions[name], f"corruptions.{name}"
    known = [error for error in summary.severities if error is not None]
    # The five errors of the reference, or their sum, where they are not known one by one.
    five = one.reference.errors.get(name) or (one.reference.error_sum(name),)
    errors, divisor = (_sum(values, as_precise_percent) for values in (known, five))
    clean = or_dash(one.summary.clean_error, as_precise_percent)
    clean_of_reference = or_dash(one.reference.clean_error, as_precise_percent)
    yield one.explain(
        f"{path}.error",
        summary.error,
        "mean error over the severities of the corruption",
        "mean of the errors by severity",
        _mean_of(known, as_precise_percent),
    )
    yield one.explain(
        f"{path}.ce",
        summary.ce,
        f"errors of the corruption as a share of those of {one.reference.name}",
        "100 x sum of the errors / sum of the reference's errors",
        f"100 x ({errors}) / ({divisor})",
    )
    yield one.explain(
        f"{path}.relative_ce",
        summary.relative_ce,
        "what the corruption adds to the clean error, as a share of what it adds to the "
        "reference's",
        "100 x sum of (error - clean error) / the same sum of the reference",
        f"100 x ({errors} - 5 x {clean}) / ({divisor} - 5 x {clean_of_reference})",
    )


def _means(one: _Explained) -> Iterator[Explanation]:
    summary = one.summary
    common = [summary.corruptions[name] for name in corruptions.names("common")]
    yield one.explain(
        "mean_corruption_error",
        summary.mean_corruption_error,
        "plain mean over the 15 corruptions; not mCE",
        "mean of the 15 errors",
        _mean_of([member.error for member in common], as_precise_percent),
    )
    yield one.explain(
        "mce",
        summary.mce,
        f"{one.reference.name} is 100",
        "mean of the 15 CEs",
        _mean_of([member.ce for member in common], as_precise),
    )
    yield one.explain(
        "relative_mce",
        summary.relative_mce,
        "what corruption adds to the clean error, relative to the reference",
        "mean of the 15 relative CEs",
        _mean_of([member.relative_ce for member in common], as_precise),
    )
    for group in GROUPS:
        ces = [summary.corruptions[name].ce for name in corruptions.names(group)]
        yield one.explain(
            f"groups.{group}",
            summary.groups[group],
            "mean CE of a group of corruptions",
            f"mean of its {len(ces)} CEs",
            _mean_of(ces, as_precise),
        )
    # Only where it is defined: most runs leave the extra corruptions out.
    if summary.mean_error_19 is not None:
        errors = [summary.corruptions[name].error for name in corruptions.names("all")]
        yield one.explain(
            "mean_error_19",
            summary.mean_error_19,
            "what the GroupNL authors' script prints as mCE (unnormalized)",
            "mean of the 19 errors",
            _mean_of(errors, as_precise_percent),
            source="val_imagenet_c.py of GroupNL",
        )


def _clean(one: _Explained, kind: _Kind) -> Explanation:
    path, cell, worked = f"clean_{kind.key}", one.run.cells.get(CLEAN), DASH
    if cell is not None:
        n_images = as_count(cell.n_images)
        worked = {
            "top5_error": f"100 x {as_count(cell.n_images - cell.n_top5)} / {n_images}",
            "negative_log_likelihood": f"{cell.negative_log_likelihood_sum:.3f} / {n_images}",
            "calibration_error": f"100 x ({_sum(one.details.clean_gaps, as_precise)}) / {n_images}",
        }[kind.key]
    value = one.details.numbers.values.get(path)
    return one.explain(
        path, value, kind.meaning, kind.formula, worked,
        source=kind.source, needs=("clean_error",),
    )  # fmt: skip


def _mean(one: _Explained, kind: _Kind) -> Explanation:
    """By corruption: each has five cells, so the mean of the 15 is that of the 75."""
    path, values = f"mean_{kind.key}", one.details.numbers.values
    members = [values.get(f"corruptions.{n}.{kind.key}") for n in corruptions.names("common")]
    return one.explain(
        path,
        values.get(path),
        f"{kind.meaning}; mean over the 75 cells",
        f"mean of the 15 {kind_label(kind.key)}s",
        _mean_of(members, as_precise if unit_of(path) == NATS else as_precise_percent),
        source=kind.source,
        needs=("mean_corruption_error",),
    )


def _robustness_gap(one: _Explained) -> Explanation:
    mean_error = or_dash(one.summary.mean_corruption_error, as_precise_percent)
    clean_error = or_dash(one.summary.clean_error, as_precise_percent)
    return one.explain(
        "robustness_gap",
        one.details.numbers.values.get("robustness_gap"),
        "what corruption adds to the error",
        "mean corruption error - clean error",
        f"{mean_error} - {clean_error}",
        source="RobustBench, Croce et al. 2021",
        needs=("mean_corruption_error", "clean_error"),
    )


def _effective_robustness(one: _Explained) -> Explanation:
    trend, formula, worked = one.details.trend, "expected mCE - mCE", DASH
    if trend is not None:
        clean_error = or_dash(one.summary.clean_error, as_precise_percent)
        mce = or_dash(one.summary.mce, as_precise)
        formula = f"{formula}, where expected {trend}"
        line = f"{as_precise(trend.intercept)} + {as_precise(trend.slope)} x {clean_error}"
        worked = f"{line} - {mce}"
    return one.explain(
        "effective_robustness",
        one.details.numbers.values.get("effective_robustness"),
        "how far mCE is below what the clean error predicts; above 0 is better",
        formula,
        worked,
        source="Taori et al. 2020, section 2",
    )


def _worst_corruption(one: _Explained) -> Explanation:
    name, worked = worst_of_all(one.summary), DASH
    if name is not None:
        worst = one.summary.corruptions[name]
        ce, error = or_dash(worst.ce, as_percent), or_dash(worst.error, as_fraction_percent)
        worked = f"CE {ce}, error {error} %"
    reason = one.summary.reasons["mean_corruption_error"] if name is None else None
    meaning = "the highest CE of the 15, or error without CEs"
    return _named("worst corruption", name, meaning, worked, reason)


def _worst_class(one: _Explained) -> Explanation:
    worst, worked = one.details.worst_class, DASH
    if worst is not None:
        worked = f"{as_fraction_percent(worst.error)} % of {as_count(worst.n_images)} images"
    return _named(
        "worst class",
        worst.name if worst else None,
        "the class with the highest mean error over the corruption cells",
        worked,
        one.details.reasons.get("worst_class"),
    )


def _named(
    number: str, name: str | None, meaning: str, worked: str, reason: str | None
) -> Explanation:
    return Explanation(
        number, name, None, name or DASH, meaning, "argmax", worked, "", reason=reason
    )
