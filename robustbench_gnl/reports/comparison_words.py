"""What a comparison says in words: the answer, and how to read its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import Protocol
from robustbench_gnl.reports.comparison_rows import surely
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_p_value,
    as_percent,
    as_share,
    as_signed,
)
from robustbench_gnl.reports.run_parts import reference_sentence, warning_lines

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Comparison, Difference


N_NAMED = 3
"""Corruptions that a sentence names; the others it counts."""


def answer(name: str, baseline_name: str, comparison: Comparison) -> str:
    """The answer by mCE, or by the mean error of what was run; where that is inside the noise,
    with what surely changed all the same."""
    found = comparison.differences
    key = next((one for one in ("mce", "mean_corruption_error") if one in found), None)
    if key is None:
        said = "The runs share too few cells for an mCE; see the corruptions one by one."
    elif key == "mce":
        said = _verdict(name, baseline_name, found[key], "mCE", as_percent)
    else:
        label = "mean corruption error"
        said = _verdict(name, baseline_name, found[key], label, as_fraction_percent)
    is_sure = key is not None and found[key].mark != "~"
    return said if is_sure else " ".join([said, *_all_the_same(comparison)])


def _all_the_same(comparison: Comparison) -> list[str]:
    """`Better: fog; worse: snow, frost and contrast.`, or nothing."""
    changed = {mark: surely(mark, comparison) for mark in ("better", "worse")}
    parts = [f"{mark}: {_listed(names)}" for mark, names in changed.items() if names]
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []


def _listed(names: Sequence[str]) -> str:
    words = ["clean error" if name == "clean" else name for name in names]
    if len(words) > N_NAMED:
        words = [*words[:N_NAMED], f"{len(words) - N_NAMED} more"]
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _verdict(
    name: str, baseline_name: str, found: Difference, label: str, format: Callable[[Any], str]
) -> str:
    how = {
        "better": f"{name} is better than {baseline_name}",
        "worse": f"{name} is worse than {baseline_name}",
        "~": f"{name} and {baseline_name} cannot be told apart",
    }[found.mark]
    signed = as_signed(format)
    ends = f" ({as_interval(signed)(found.interval)})" if found.interval else ""
    return (
        f"{how}: {label} {format(found.candidate)} against {format(found.baseline)}, "
        f"{signed(found.difference)}{ends}."
    )


def notes_of(comparison: Comparison, protocol: Protocol, reference: str) -> list[str]:
    """How to read the tables; `reference` is whose errors CE divides by."""
    tests = comparison.cell_tests
    share = as_share(comparison.level)
    notes = [
        f"{as_count(protocol.n_images)} images, {len(comparison.cells)} cells; difference "
        f"is candidate less baseline, with its paired {share} interval",
        "better, worse: the interval leaves out 0; ~: inside the noise",
        f"cells: McNemar's exact test, with Holm's correction for {len(tests)} cells at "
        f"{as_share(1 - comparison.level)}",
        reference_sentence(reference),
    ]
    clean = next((test for test in tests if test.condition.is_clean), None)
    if clean is not None:
        notes.append(f"of the clean cell p is {as_p_value(clean.p_holm)}")
    if comparison.left_out:
        notes.append(f"{len(comparison.left_out)} cells that only one of the runs has are left out")
    reasons = {one.reason for one in comparison.differences.values() if one.reason}
    notes += [f"no interval of top-5, likelihood and calibration: {r}" for r in sorted(reasons)]
    return [*notes, *warning_lines(protocol)]
