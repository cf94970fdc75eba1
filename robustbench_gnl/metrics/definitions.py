"""What the linear metrics of the catalogue are made of, as expressions of cell errors.

Each takes a suite, the reference, and the group or the corruption (empty for metrics of a whole
run), and returns None if the suite lacks the cells. The catalogue has the meaning, the formula and
the source of each.
"""

from __future__ import annotations

from robustbench_gnl.metrics.expressions import (
    CellError,
    CorruptionError,
    Difference,
    Expression,
    Mean,
    MeanError,
    RelativeCorruptionError,
)
from robustbench_gnl.metrics.metric import Definition
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import CLEAN
from robustbench_gnl.suites import Suite


def clean_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return CellError(CLEAN) if suite.has_clean else None


def main_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    """The error of the only condition of a suite, such as ImageNet-R."""
    return CellError(suite.main_conditions[0]) if len(suite.main_conditions) == 1 else None


def corruption_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    # Partial: the mean of three severities is worth showing, with a remark that it is one.
    return MeanError(suite.conditions_of(of), is_partial=True)


def _complete_error(suite: Suite, of: str) -> Expression:
    """The mean error of a corruption as part of a mean over corruptions."""
    # Not partial: a mean over corruptions that lack severities would favour the milder ones.
    return MeanError(suite.conditions_of(of))


def ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return CorruptionError(suite.conditions_of(of), reference.error_sum(of))


def relative_ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    if not suite.has_clean:
        return None
    conditions = suite.conditions_of(of)
    return RelativeCorruptionError(conditions, reference.error_sum(of), reference.clean_error)


def group_ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    # A mean of CEs, as mCE is, and not the ratio of the sums over the whole group.
    members = suite.groups.get(of, ())
    parts = (CorruptionError(suite.conditions_of(n), reference.error_sum(n)) for n in members)
    return Mean(tuple(parts)) if members else None


def mean_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return Mean(tuple(_complete_error(suite, name) for name in suite.corruptions))


def mean_error_of_all(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return Mean(tuple(_complete_error(suite, name) for name in suite.all_corruptions))


def mce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return _mean_of(ce, suite, reference)


def relative_mce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return _mean_of(relative_ce, suite, reference)


def _mean_of(definition: Definition, suite: Suite, reference: Reference) -> Expression | None:
    # Only the main corruptions: the extra ones were meant for tuning, not for results.
    found = [definition(suite, reference, name) for name in suite.corruptions]
    parts = tuple(part for part in found if part is not None)
    return Mean(parts) if len(parts) == len(found) else None


def robustness_gap(suite: Suite, reference: Reference, of: str) -> Expression | None:
    if not suite.has_clean:
        return None
    return Difference(
        Mean(tuple(_complete_error(suite, name) for name in suite.corruptions)), CellError(CLEAN)
    )
