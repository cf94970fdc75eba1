"""Default levels of intervals and tests. Without NumPy: the command line shows them in its help."""

from __future__ import annotations

from robustbench_gnl.errors import UsageError

LEVEL = 0.95
"""Confidence level of intervals."""
ALPHA = 0.05
"""Significance level of tests."""
POWER = 0.8
"""Probability with which a detectable increase is detected."""


def check_level(level: float) -> None:
    """Refuse a confidence level that is not between 0 and 1.

    Raises:
        UsageError: It is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise UsageError(
            f"expected a level between 0 and 1, such as {LEVEL:g}, got {level:g}", level=level
        )
