"""How people see one value of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from robustbench_gnl.metrics import Interval


class Lines(tuple[str, ...]):
    """Lines of one cell; only a terminal shows them one below the other."""


def as_text(value: Any) -> str:
    """Text as it is; several values separated by a comma."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return str(value)


def as_fraction_percent(value: float) -> str:
    """A fraction in [0, 1] as percent with two decimals: the last is one image in 10,000."""
    return f"{100 * value:z.2f}"  # z: rounded to nothing, it has no sign


def as_percent(value: float) -> str:
    """A percent (CE, mCE) with two decimals, as papers print it."""
    return f"{value:z.2f}"


def as_precise(value: float) -> str:
    """What a formula is worked with: four decimals, so that two come out right, less zeros."""
    text = f"{value:z.4f}"
    return text[:-2] + text[-2:].rstrip("0")


def as_precise_percent(value: float) -> str:
    """The same of a fraction in [0, 1], in percent."""
    return as_precise(100 * value)


def as_count(value: int) -> str:
    """A count with its thousands set apart."""
    return f"{value:,}"


def as_millions(value: int) -> str:
    """Parameters in millions."""
    return f"{value / 1e6:.2f} M"


def as_signed(format: Callable[[Any], str]) -> Callable[[Any], str]:
    """The same with its sign: what a difference looks like."""

    def signed(value: float) -> str:
        text = format(value)
        is_plain = text.startswith("-") or not text.strip("0.")
        return text if is_plain else f"+{text}"

    return signed


TO, HYPHEN = " to ", "-"
"""What may stand between the ends of an interval: a hyphen where none could be taken for a sign."""


def joint_of(intervals: Iterable[Interval]) -> str:
    """What stands between the ends of all intervals of one table."""
    return TO if any(one.low < 0 for one in intervals) else HYPHEN


def as_interval(format: Callable[[Any], str], joint: str | None = None) -> Callable[[Any], str]:
    """An interval's ends, each seen as `format` says: `58.10-61.20`, `-0.50 to +1.20`.

    Args:
        joint: Between the ends; None: `TO` where one has a sign.
    """

    def ends(interval: Interval) -> str:
        low, high = format(interval.low), format(interval.high)
        own = TO if {"-", "+"} & {low[0], high[0]} else HYPHEN
        return f"{low}{joint or own}{high}"

    return ends


def as_share(level: float) -> str:
    """A level as `95 %`."""
    return f"{100 * level:g} %"


def as_number(value: float) -> str:
    """A number without a unit, such as nats."""
    return f"{value:z.3f}"


def as_p_value(value: float) -> str:
    """A p-value: three decimals, and no false 0."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"
