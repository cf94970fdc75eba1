"""Formatting of single values: counts, shares, intervals, p-values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robustbench_gnl.metrics import Interval

Format = Callable[[Any], str]
DASH = "-"
"""Shown for an undefined value."""


def as_text(value: Any) -> str:
    """The text of a value; several values are separated by commas."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return str(value)


def as_count(value: int) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def as_millions(value: int) -> str:
    """A number of parameters in millions."""
    return f"{value / 1e6:.2f} M"


def as_share(level: float) -> str:
    """A confidence level as `95 %`."""
    return f"{100 * level:g} %"


def as_p_value(value: float) -> str:
    """A p-value with three decimals, never rounded to 0."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def as_interval(format: Format) -> Callable[[Interval], str]:
    """A formatter of intervals: `[63.10, 66.00]`."""
    return lambda interval: f"[{format(interval.low)}, {format(interval.high)}]"


def with_interval(text: str, interval: Interval | None, format: Format) -> str:
    """`64.61 [63.10, 66.00]`: a value, with its interval if it has one."""
    return text if interval is None else f"{text} {as_interval(format)(interval)}"


def or_dash(value: Any, format: Format) -> str:
    """The formatted value, or a dash for None."""
    return DASH if value is None else format(value)
