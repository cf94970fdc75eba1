"""The confidence interval of a metric."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_gnl.levels import LEVEL


@dataclass(frozen=True)
class Interval:
    """A confidence interval over other images of the same kind and number."""

    low: float
    high: float
    level: float = LEVEL
    """The confidence level."""
    method: str = "bootstrap"
    """`bootstrap` (over images), `wilson` (one proportion) or `jackknife` (over blocks)."""
