"""The conclusion of a comparison: which run is better, and what else changed significantly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_gnl.metrics import MetricId, metric_id
from robustbench_gnl.metrics.catalogue import (
    CE,
    CLEAN_ERROR,
    CORRUPTION_ERROR,
    MCE,
    MEAN_CORRUPTION_ERROR,
    MEAN_ERROR,
    RELATIVE_MCE,
    ROBUSTNESS_GAP,
)
from robustbench_gnl.records import CLEAN
from robustbench_gnl.reports.formatting import with_interval
from robustbench_gnl.statistics.paired_tests import holm
from robustbench_gnl.text import some_of

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Comparison


def answer(name: str, baseline_name: str, comparison: Comparison) -> str:
    """The conclusion by the metric that the suite is ranked by, or by the mean error over shared
    cells, followed by other significant changes."""
    found = comparison.differences
    keys = (*comparison.suite.ranked_by, MEAN_ERROR.key, CLEAN_ERROR.key)
    # One metric decides, fixed beforehand: the best of many would always look significant.
    path = next(key for key in keys if key in found)
    one, metric = found[path], metric_id(path, comparison.suite).metric
    unit, label = metric.unit, metric.label
    if metric is MEAN_ERROR:
        label = f"{label} {metric.qualifier}"
    how = {
        "better": f"{name} is significantly better than {baseline_name}",
        "worse": f"{name} is significantly worse than {baseline_name}",
        "~": f"{name} and {baseline_name} do not differ significantly",
    }[one.mark]
    change = with_interval(unit.signed(one.difference), one.interval, unit.signed)
    sentences = [
        f"{how}: {label} {unit.number(one.candidate)} compared with "
        f"{unit.number(one.baseline)}, {change}.",
        *_other_changes(comparison, besides=one.mark),
    ]
    if fell_without_gain(comparison):
        sentences.append(
            "Relative mCE and the robustness gap fall when the clean error rises: here that is no "
            "gain."
        )
    return " ".join(sentences)


def fell_without_gain(comparison: Comparison) -> list[str]:
    """Metrics that decrease only because the clean error, which they subtract, increases.

    Empty if mCE or the mean error decreases too: then it may be an improvement.
    """
    marks = {path: one.mark for path, one in comparison.differences.items()}
    if marks.get(CLEAN_ERROR.key) != "worse":
        return []
    if "better" in (marks.get(MCE.key), marks.get(MEAN_CORRUPTION_ERROR.key)):
        return []
    without_clean = (RELATIVE_MCE.key, ROBUSTNESS_GAP.key)
    return [path for path in without_clean if marks.get(path) == "better"]


def _other_changes(comparison: Comparison, besides: str) -> list[str]:
    """`Better: fog; worse: snow, frost and contrast.` as a list, empty if there are none."""
    parts = []
    for mark in ("better", "worse"):
        # The same direction follows from the conclusion; only what goes against it is news.
        names = [] if mark == besides else significant(mark, comparison)
        labels = [CLEAN_ERROR.label if name == CLEAN.corruption else name for name in names]
        if labels:
            parts.append(f"{mark}: {some_of(labels, last=' and ')}")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []


def significant(mark: str, comparison: Comparison) -> list[str]:
    """`clean` and the corruptions with this mark that are significant after Holm's correction of
    their paired tests."""
    paths = {CLEAN_ERROR.key: CLEAN.corruption}
    for name in comparison.suite.all_corruptions:
        paths[ce_or_error(name, comparison).path] = name
    found = comparison.differences
    names = {path: name for path, name in paths.items() if path in found}
    # Missing p-values count as 0: such a metric was marked by its interval alone.
    p_values = holm([found[path].p_value or 0.0 for path in names])
    return [
        name
        for (path, name), p in zip(names.items(), p_values, strict=True)
        if found[path].mark == mark and p <= 1 - comparison.level + 1e-12
    ]


def ce_or_error(name: str, comparison: Comparison) -> MetricId:
    """The CE of a corruption, or its error if CE is undefined."""
    ce = MetricId(CE, name)
    return ce if ce.path in comparison.differences else MetricId(CORRUPTION_ERROR, name)
