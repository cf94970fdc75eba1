"""The answer of a comparison: which run is better, and what else changed significantly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import corruptions
from robustbench_gnl.reports.formatting import as_signed, with_interval
from robustbench_gnl.reports.metric_labels import format_value, metric_label, unit_of
from robustbench_gnl.statistics.comparison import SHARED
from robustbench_gnl.statistics.paired_tests import holm
from robustbench_gnl.text import some_of

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Comparison


def answer(name: str, baseline_name: str, comparison: Comparison) -> str:
    """The answer by mCE, or by the mean error of what was run; with what changed significantly
    the other way, or at all where the answer is not significant."""
    found = comparison.differences
    paths = ("mce", "mean_corruption_error", SHARED, "clean_error")
    path = next(path for path in paths if path in found)
    one, signed = found[path], as_signed(unit_of(path).format)
    label = metric_label(path)
    if path == SHARED:
        label = f"mean {label} of the cells that both have"
    how = {
        "better": f"{name} is significantly better than {baseline_name}",
        "worse": f"{name} is significantly worse than {baseline_name}",
        "~": f"{name} and {baseline_name} do not differ significantly",
    }[one.mark]
    change = with_interval(signed(one.difference), one.interval, signed)
    sentences = [
        f"{how}: {label} {format_value(path, one.candidate)} compared with "
        f"{format_value(path, one.baseline)}, {change}.",
        *_other_changes(comparison, besides=one.mark),
    ]
    if fell_without_gain(comparison):
        sentences.append(
            "Relative mCE and the robustness gap fall when the clean error rises: here that is no "
            "gain."
        )
    return " ".join(sentences)


def fell_without_gain(comparison: Comparison) -> list[str]:
    """Relative mCE and the robustness gap where they fall because the clean error rises.

    Both subtract the clean error. Where mCE or the mean error falls too, they may be a gain.
    """
    marks = {path: one.mark for path, one in comparison.differences.items()}
    if marks.get("clean_error") != "worse":
        return []
    if "better" in (marks.get("mce"), marks.get("mean_corruption_error")):
        return []
    return [path for path in ("relative_mce", "robustness_gap") if marks.get(path) == "better"]


def _other_changes(comparison: Comparison, besides: str) -> list[str]:
    """`Better: fog; worse: snow, frost and contrast.`, or nothing."""
    parts = []
    for mark in ("better", "worse"):
        names = [] if mark == besides else significant(mark, comparison)
        labels = ["clean error" if name == "clean" else name for name in names]
        if labels:
            parts.append(f"{mark}: {some_of(labels, last=' and ')}")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []


def significant(mark: str, comparison: Comparison) -> list[str]:
    """The clean images, as `clean`, and the corruptions that are significantly so, with Holm's
    correction of their paired tests for how many they are."""
    paths = {"clean_error": "clean"}
    paths |= {ce_or_error(name, comparison): name for name in corruptions.names("all")}
    found = comparison.differences
    names = {path: name for path, name in paths.items() if path in found}
    p_values = holm([found[path].p_value or 0.0 for path in names])
    return [
        name
        for (path, name), p in zip(names.items(), p_values, strict=True)
        if found[path].mark == mark and p <= 1 - comparison.level + 1e-12
    ]


def ce_or_error(name: str, comparison: Comparison) -> str:
    """The path of a corruption's CE, or of its error where there is no CE."""
    ce = f"corruptions.{name}.ce"
    return ce if ce in comparison.differences else f"corruptions.{name}.error"
