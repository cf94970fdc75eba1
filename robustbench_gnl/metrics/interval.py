"""The confidence interval of a number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Where a number would lie with as many other images of the same kind."""

    low: float
    high: float
    level: float = 0.95
    """The confidence level."""
    method: str = "bootstrap"
    """`bootstrap` (over images), `wilson` (one proportion) or `jackknife` (over blocks)."""
