"""The registry of suites (benchmarks): no other package has the number of conditions or classes.

suite = get_suite("imagenet-c")
suite.conditions, suite.groups, suite.labels.n_classes, suite.input.crop
"""

from __future__ import annotations

from functools import cache

from robustbench_gnl.errors import NEWER, StoreError, UsageError, did_you_mean
from robustbench_gnl.records import CLEAN, DEFAULT_SUITE_NAME, Condition, Protocol
from robustbench_gnl.suites.imagenet_c import IMAGENET_C
from robustbench_gnl.suites.natural_shifts import (
    IMAGENET_A,
    IMAGENET_R,
    IMAGENET_SKETCH,
    IMAGENET_V2,
)
from robustbench_gnl.suites.suite import (
    ClassFolderLayout,
    InputRecipe,
    LabelSpace,
    ReferenceErrors,
    Suite,
)
from robustbench_gnl.text import quoted

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (IMAGENET_C, IMAGENET_V2, IMAGENET_SKETCH, IMAGENET_A, IMAGENET_R)
}
DEFAULT_SUITE = SUITES[DEFAULT_SUITE_NAME]

__all__ = [
    "DEFAULT_SUITE",
    "SUITES",
    "ClassFolderLayout",
    "InputRecipe",
    "LabelSpace",
    "ReferenceErrors",
    "Suite",
    "condition_order",
    "get_suite",
    "suite_of",
]


def get_suite(name: str) -> Suite:
    """The suite of a name.

    Raises:
        UsageError: There is none.
    """
    if name not in SUITES:
        raise UsageError(
            f"unknown suite {name!r}; expected one of {', '.join(SUITES)}"
            f"{did_you_mean(name, SUITES)}",
            suite=name,
        )
    return SUITES[name]


def suite_of(protocol: Protocol) -> Suite:
    """The suite of stored results.

    Raises:
        StoreError: This version does not know it. Such a run can be listed, exported and deleted,
            but not interpreted or continued.
    """
    suite = SUITES.get(protocol.suite)
    if suite is None:
        raise StoreError(
            f"the protocol {protocol.name!r} is of the suite {quoted(protocol.suite)}; "
            f"expected one of {', '.join(SUITES)}; {NEWER}",
            suite=protocol.suite,
        )
    return suite


@cache
def condition_order(condition: Condition) -> tuple[int, str, int]:
    """A sort key for conditions in the order of the papers: clean first, unknown ones last."""
    if condition == CLEAN:
        return -1, "", 0
    known = (
        place
        for suite in SUITES.values()
        for place, name in enumerate(suite.all_corruptions)
        if name == condition.corruption
    )
    return next(known, 10**6), condition.corruption, condition.severity
