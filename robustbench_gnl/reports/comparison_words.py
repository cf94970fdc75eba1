"""What a comparison says in words: the answer, and how to read its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import Protocol, Run
from robustbench_gnl.reports.comparison_rows import surely
from robustbench_gnl.reports.formats import (
    TO,
    as_count,
    as_fraction_percent,
    as_interval,
    as_p_value,
    as_percent,
    as_share,
    as_signed,
)
from robustbench_gnl.reports.run_parts import reference_sentence, warning_lines
from robustbench_gnl.statistics.comparison import SHARED
from robustbench_gnl.statistics.differences import fewest_changed

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Comparison, Difference


N_NAMED = 3
"""Corruptions that a sentence names; the others it counts."""


def answer(name: str, baseline_name: str, comparison: Comparison) -> str:
    """The answer by mCE, or by the mean error of what was run; with what surely changed the
    other way, or at all where the answer is inside the noise."""
    found = comparison.differences
    labels = {
        "mce": "mCE",
        "mean_corruption_error": "mean corruption error",
        SHARED: "mean error of the cells that both have",
        "clean_error": "clean error",
    }
    key = next(key for key in labels if key in found)
    format = as_percent if key == "mce" else as_fraction_percent
    said = _verdict(name, baseline_name, found[key], labels[key], format)
    return " ".join(
        [said, *_all_the_same(comparison, besides=found[key].mark), *_no_gain(comparison)]
    )


def fell_without_gain(comparison: Comparison) -> list[str]:
    """Relative mCE and the robustness gap where they fall because the clean error rises.

    Both subtract the clean error. Where mCE or the mean error falls too, they may be a gain.
    """
    marks = {key: one.mark for key, one in comparison.differences.items()}
    if marks.get("clean_error") != "worse":
        return []
    if "better" in (marks.get("mce"), marks.get("mean_corruption_error")):
        return []
    return [key for key in ("relative_mce", "robustness_gap") if marks.get(key) == "better"]


def _no_gain(comparison: Comparison) -> list[str]:
    if not fell_without_gain(comparison):
        return []
    return [
        "Relative mCE and the robustness gap fall when the clean error rises: here that is no gain."
    ]


def _all_the_same(comparison: Comparison, besides: str) -> list[str]:
    """`Better: fog; worse: snow, frost and contrast.`, or nothing."""
    marks = [mark for mark in ("better", "worse") if mark != besides]
    changed = {mark: surely(mark, comparison) for mark in marks}
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
    ends = f" ({as_interval(signed, TO)(found.interval)})" if found.interval else ""
    return (
        f"{how}: {label} {format(found.candidate)} against {format(found.baseline)}, "
        f"{signed(found.difference)}{ends}."
    )


def run_line(role: str, run: Run) -> str:
    """Which run it is: models may repeat."""
    tags = f", tags {', '.join(run.tags)}" if run.tags else ""
    return (
        f"{role}: run {run.id}, checkpoint {run.model.checkpoint_sha256[:8]}, "
        f"begun {run.created_at[:10]}{tags}"
    )


def same_checkpoint_lines(baseline: Run, candidate: Run) -> list[str]:
    """A sentence where both runs are of one file, else nothing."""
    one, other = baseline.model, candidate.model
    if one.checkpoint_sha256 != other.checkpoint_sha256:
        return []
    entries = "" if one.weights == other.weights else f", entries {one.weights} and {other.weights}"
    return [f"Both runs are of the same checkpoint file, {one.checkpoint_sha256[:8]}{entries}."]


def notes_of(comparison: Comparison, protocol: Protocol, reference: str) -> list[str]:
    """How to read the tables; `reference` is whose errors CE divides by."""
    tests = comparison.cell_tests
    share = as_share(comparison.level)
    notes = [
        f"{as_count(protocol.n_images)} images, {len(comparison.cells)} cells; difference "
        f"is candidate less baseline, with its paired {share} interval",
        "numbers: better or worse where the interval leaves out 0 and at least "
        f"{as_count(fewest_changed(comparison.level))} images changed (top-5, likelihood and "
        "calibration: the interval alone); ~: inside the noise",
        "numbers are not corrected for how many they are: by chance alone, "
        f"{as_share(1 - comparison.level)} of those that did not change are marked; what the "
        "answer names besides is corrected (paired tests, Holm)",
        f"cells: better or worse by McNemar's exact test at {as_share(1 - comparison.level)}, with "
        f"Holm's correction for {len(tests)} cells; ~: inside the noise",
        reference_sentence(reference),
    ]
    clean = next((test for test in tests if test.condition.is_clean), None)
    if clean is not None:
        notes.append(f"p of the clean cell (Holm): {as_p_value(clean.p_holm)}")
    if comparison.left_out:
        notes.append(f"{len(comparison.left_out)} cells that only one of the runs has are left out")
    reasons = {one.reason for one in comparison.differences.values() if one.reason}
    notes += [f"?: not tested, for it has no interval: {reason}" for reason in sorted(reasons)]
    return [*notes, *warning_lines(protocol)]
