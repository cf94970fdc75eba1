"""How people see one value: counts, percents, differences, intervals, p-values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robustbench_gnl.metrics import Interval

Format = Callable[[Any], str]
DASH = "-"
"""Stands where there is no value; the reason stands elsewhere."""


def as_text(value: Any) -> str:
    """Text as it is; several values separated by a comma."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return str(value)


def as_count(value: int) -> str:
    """A count with its thousands set apart."""
    return f"{value:,}"


def as_millions(value: int) -> str:
    """Parameters in millions."""
    return f"{value / 1e6:.2f} M"


def as_share(level: float) -> str:
    """A level as `95 %`."""
    return f"{100 * level:g} %"


def as_p_value(value: float) -> str:
    """A p-value: three decimals, and no false 0."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def as_interval(format: Format) -> Callable[[Interval], str]:
    """`[63.10, 66.00]`: both ends, each as `format` shows it."""
    return lambda interval: f"[{format(interval.low)}, {format(interval.high)}]"


def with_interval(text: str, interval: Interval | None, format: Format) -> str:
    """`64.61 [63.10, 66.00]`: a number, and its interval where it has one."""
    return text if interval is None else f"{text} {as_interval(format)(interval)}"


def or_dash(value: Any, format: Format) -> str:
    """The value as people see it; a dash where there is none."""
    return DASH if value is None else format(value)
