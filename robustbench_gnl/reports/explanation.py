"""One number of a run explained, and what the explanations of a run look up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from robustbench_gnl.metrics import Interval, Summary, summarize
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Run
from robustbench_gnl.reports.formats import (
    as_fraction_percent,
    as_interval,
    as_number,
    as_percent,
    as_share,
)
from robustbench_gnl.reports.tables import DASH

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

HENDRYCKS = "Hendrycks & Dietterich 2019, section 4"
METHODS = {
    "bootstrap": "percentiles of 1,000 resamples of the images (Efron & Tibshirani 1993)",
    "wilson": "Wilson 1927",
    "jackknife": "leaving out blocks of images (Busing et al. 1999), Student's t",
}
Format = Callable[[Any], str]


class Unit(NamedTuple):
    """How people see the values of a unit."""

    seen_in: str
    """What stands behind the name of a number; empty: nothing."""
    format: Format


UNITS = {
    "fraction": Unit("%", as_fraction_percent),
    "percent": Unit("", as_percent),  # of the reference's errors, which the number's name says
    "nats": Unit("nats", as_number),
    "points of mCE": Unit("points of mCE", as_percent),
}
"""What a value may be in."""


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
    reason: str | None = None
    """Why there is no value, or no interval."""
    remark: str | None = None
    """What must stand beside the value."""

    @property
    def label(self) -> str:
        """Its name with the unit that people see it in."""
        seen_in = UNITS[self.unit].seen_in if self.unit else ""
        return f"{self.number}, {seen_in}" if seen_in else self.number


@dataclass(frozen=True)
class Explained:
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
        unit: str,
        *,
        number: str,
        meaning: str,
        formula: str,
        worked: str,
        source: str = HENDRYCKS,
        needs: Sequence[str] = (),
    ) -> Explanation:
        """The explanation of a value, with the interval and the reason that stand under `path`.

        Args:
            needs: Numbers whose reasons are this one's, where it has none of its own.
        """
        numbers = self.details.numbers
        if value is None:
            reason = self._reason(path, needs)
            return Explanation(
                number, None, unit, DASH, meaning, formula, DASH, source, reason=reason
            )
        format = UNITS[unit].format
        interval = numbers.intervals.get(path)
        return Explanation(
            number,
            value,
            unit,
            format(value),
            meaning,
            formula,
            worked,
            source,
            interval,
            _interval_text(interval, format) if interval else None,
            numbers.reasons.get(path),
            self.details.remarks.get(path),
        )

    def _reason(self, path: str, needs: Sequence[str]) -> str | None:
        reasons = {**self.summary.reasons, **self.details.reasons}
        known = [path] if path in reasons else [name for name in needs if name in reasons]
        return "; ".join(reasons[name] for name in known) or None


def _interval_text(interval: Interval, format: Format) -> str:
    ends = as_interval(format)(interval)
    return f"{ends}, {as_share(interval.level)}: {METHODS[interval.method]}"


def or_dash(value: float | None, format: Format) -> str:
    """The value as people see it; a dash where there is none."""
    return DASH if value is None else format(value)


def sum_of(values: Iterable[float | None], format: Format) -> str:
    """`31.60 + 50.60`."""
    return " + ".join(or_dash(value, format) for value in values)


def mean_of(values: Iterable[float | None], format: Format) -> str:
    """`(31.60 + 50.60) / 2`."""
    members = list(values)
    return f"({sum_of(members, format)}) / {len(members)}"
