"""How people see one value of a table."""

from __future__ import annotations

from typing import Any


def as_text(value: Any) -> str:
    """Text as it is; several values separated by a comma."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return str(value)


def as_fraction_percent(value: float) -> str:
    """A fraction in [0, 1] as percent with two decimals: the last is one image in 10,000."""
    return f"{100 * value:.2f}"


def as_percent(value: float) -> str:
    """A percent (CE, mCE) with two decimals, as papers print it."""
    return f"{value:.2f}"


def as_count(value: int) -> str:
    """A count with its thousands set apart."""
    return f"{value:,}"


def as_millions(value: int) -> str:
    """Parameters in millions."""
    return f"{value / 1e6:.2f} M"
