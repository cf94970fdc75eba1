"""Writes the section "All metrics" of docs/metrics.md: `python -m tests.metrics_table`."""

from __future__ import annotations

from pathlib import Path

from robustbench_gnl.metrics import METRICS, Metric, MetricId, Scope
from robustbench_gnl.metrics.catalogue import MEAN_ERROR
from robustbench_gnl.metrics.quantities import ERROR
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES, Suite

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN = "<!-- All metrics: written by `python -m tests.metrics_table` -->\n"
END = "<!-- end of all metrics -->\n"
HEADING = (
    "key", "label", "unit", "better", "what it is", "interval", "gate rule", "leaderboard",
    "suites",
)  # fmt: skip
METHODS = {
    "wilson": "Wilson",
    "bootstrap": "resampling of images",
    "jackknife": "jackknife over blocks",
}


def table() -> str:
    """The metrics of the catalogue as a Markdown table, one a row."""
    rows = [HEADING, ("---",) * len(HEADING), *map(_row, METRICS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str) -> str:
    """The page, whose table between the two markers is written anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(metric: Metric) -> tuple[str, ...]:
    suites = _suites(metric)
    suite = suites[0] if suites else DEFAULT_SUITE
    return (
        f"`{_path(metric)}`",
        metric.label,
        metric.unit.name,
        "lower" if metric.lower_is_better else "higher",
        _meaning(metric, suite),
        _interval(metric, suite),
        f"`{_rule(metric)}`" if _rule(metric) else "-",
        "column" if metric.is_column else "-",
        ", ".join(one.title for one in suites) or "comparisons and plans",
    )


def _path(metric: Metric) -> str:
    if metric.scope is Scope.OVERALL:
        return metric.key
    return MetricId(metric, {Scope.GROUP: "GROUP", Scope.CORRUPTION: "NAME"}[metric.scope]).path


def _meaning(metric: Metric, suite: Suite) -> str:
    of = next(iter(suite.groups)) if metric.scope is Scope.GROUP else ""
    return MetricId(metric, of).meaning(suite, default_reference(suite))


def _interval(metric: Metric, suite: Suite) -> str:
    method = METHODS[metric.method(_n_cells(metric, suite))]
    # A single cell is a proportion of the images, its mean over severities is not.
    single = METHODS[metric.method(1)]
    is_by_severity = metric.scope is Scope.CORRUPTION and single != method
    return f"{method}; {single} at one severity" if is_by_severity else method


def _n_cells(metric: Metric, suite: Suite) -> int:
    of = {Scope.GROUP: next(iter(suite.groups), ""), Scope.CORRUPTION: suite.corruptions[0]}
    one = MetricId(metric, of.get(metric.scope, ""))
    expression = one.expression(suite, default_reference(suite))
    if expression is not None:
        return len(expression.needs)
    return len(one.cells(suite)) or len(suite.main_conditions)


def _rule(metric: Metric) -> str:
    """What a gate rule writes for it; empty where no rule may name it."""
    if metric.scope is not Scope.OVERALL:
        name = {Scope.GROUP: "GROUP", Scope.CORRUPTION: "NAME"}[metric.scope]
        if metric.rule:
            return f"{metric.rule}[{name}]"
        # A rule about a quantity selects cells in brackets: error[fog], ece[blur].
        quantity = ERROR if metric.key == ERROR.key else metric.quantity
        return f"{quantity.rule}[{name}]" if quantity else ""
    if metric is MEAN_ERROR:
        return ERROR.rule
    is_clean = metric.key.startswith("clean_")
    return metric.rule or (metric.quantity.rule if metric.quantity and not is_clean else "")


def _suites(metric: Metric) -> tuple[Suite, ...]:
    if metric.scope is not Scope.OVERALL:
        return tuple(suite for suite in SUITES.values() if suite.groups)
    return tuple(suite for suite in SUITES.values() if metric.key in suite.metrics)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
