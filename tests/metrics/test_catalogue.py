"""The catalogue: every metric is whole, and means what its formula says."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics import METRICS, default_reference, ids_by_path, metric_id, summarize
from robustbench_gnl.metrics.catalogue import CLEAN_ERROR
from robustbench_gnl.metrics.lookup import linear_expressions, overall_metrics
from robustbench_gnl.metrics.metric import MetricId, Scope
from robustbench_gnl.metrics.quantities import QUANTITIES
from robustbench_gnl.records import Cell, Condition
from robustbench_gnl.suites import SUITES, Suite

EACH_SUITE = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
EACH_METRIC = pytest.mark.parametrize(
    "metric", METRICS, ids=lambda metric: f"{metric.scope.value}-{metric.key}"
)


@EACH_METRIC
def test_a_metric_says_what_it_is(metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.key)
    assert metric.label
    assert not metric.label.endswith("%")
    assert metric.meaning
    assert not metric.meaning.endswith(".")
    assert metric.formula
    assert metric.source
    for suite in SUITES.values():
        one = MetricId(metric, "fog" if metric.scope is Scope.CORRUPTION else "")
        for text in (one.meaning, one.formula):
            assert "{" not in text(suite, default_reference(suite))


@pytest.mark.parametrize(
    "use", [{"is_column": True}, {"rule": "x"}, {"is_compared": True}, {"is_planned": True}]
)
def test_a_metric_that_is_ranked_or_tested_is_better_when_lower(use: dict[str, object]) -> None:
    """Ranks, bold numbers, rules and marks take the lower value as the better one."""
    base = {"is_column": False, "rule": "", "is_compared": False, "is_planned": False}
    with pytest.raises(ValueError, match="take lower as better: declare clean_error as an error"):
        replace(CLEAN_ERROR, lower_is_better=False, **{**base, **use})
    assert not replace(CLEAN_ERROR, lower_is_better=False, **base).lower_is_better


def test_no_two_metrics_share_a_key_or_a_name() -> None:
    keys = [(one.scope, one.key) for one in METRICS]
    assert len(set(keys)) == len(keys)
    labels = [(one.scope, one.label) for one in METRICS]
    assert len(set(labels)) == len(labels)
    rules = [one.rule.lower() for one in METRICS if one.rule and one.scope is Scope.OVERALL]
    rules += [one.rule.lower() for one in QUANTITIES] + ["ce"]
    assert len(set(rules)) == len(rules)


@EACH_SUITE
def test_a_suite_defines_metrics_of_the_catalogue(suite: Suite) -> None:
    found = overall_metrics(suite)
    assert {metric.key for metric in found} == set(suite.metrics)
    for path, one in ids_by_path(suite).items():
        assert one.path == path
        assert metric_id(path, suite) == one
        assert (one.metric.definition is None) or one.expression(suite, default_reference(suite))
        assert (one.metric.quantity is None) == (not one.cells(suite))
    assert [metric.key for metric in found if metric.is_column][0:1]


@EACH_SUITE
@pytest.mark.parametrize("seed", range(5))
def test_a_value_is_the_weighted_sum_of_the_errors(suite: Suite, seed: int) -> None:
    """The formula of the paper, and the weights that resampling works with, are one number."""
    rng = random.Random(seed)
    reference = default_reference(suite)
    present = [c for c in suite.conditions if seed == 0 or rng.random() < 0.9]
    cells = {c: Cell(400, rng.randint(0, 400), 400, 1.0) for c in present}
    errors = {c: cell.error for c, cell in cells.items()}
    values = summarize(cells, reference).values
    for path, (_, expression) in linear_expressions(reference).items():
        value = expression.value(errors)
        weights = expression.weights(present.__contains__)
        assert (value is None) == (weights is None)
        if path in values:
            assert values[path] == value
        if value is not None and weights is not None:
            weighted = np.sum([weight * errors[c] for c, weight in weights.items()])
            assert weighted == pytest.approx(value, abs=1e-9)
            assert set(weights) <= set(expression.needs)


def test_paths_of_metrics_are_those_of_the_json_of_a_run() -> None:
    paths = set(ids_by_path(SUITES["imagenet-c"]))
    assert {
        "mce",
        "groups.noise",
        "corruptions.fog.ce",
        "corruptions.fog.error",
        "corruptions.fog.severities.3",
        "corruptions.fog.severities.3.top5_error",
        "corruptions.spatter.relative_ce",
        "clean_calibration_error",
    } <= paths
    assert "top1_error" not in paths
    assert "top1_error" in ids_by_path(SUITES["imagenet-r"])


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"unknown metric 'mcee' of ImageNet-C; did you mean 'mce'"
    ):
        metric_id("mcee", SUITES["imagenet-c"])


@pytest.mark.parametrize(
    ("path", "value", "shown", "change"),
    [
        ("clean_error", 0.235, "23.50 %", "+23.50 pp"),
        ("mce", 64.608, "64.61", "+64.61"),
        ("clean_negative_log_likelihood", 1.23456, "1.235 nats", "+1.235 nats"),
        ("effective_robustness", -0.5, "-0.50 points of mCE", "-0.50 points of mCE"),
        ("mce", -0.001, "0.00", "0.00"),
    ],
)
def test_a_unit_says_how_values_and_changes_are_written(
    path: str, value: float, shown: str, change: str
) -> None:
    unit = metric_id(path, SUITES["imagenet-c"]).metric.unit
    assert (unit.value(value), unit.change(value)) == (shown, change)


def test_a_metric_of_single_condition_suites_is_the_error_of_that_condition() -> None:
    suite = SUITES["imagenet-a"]
    summary = summarize(
        {Condition("imagenet-a", 0): Cell(200, 50, 80, 1.0)}, default_reference(suite)
    )
    assert summary.top1_error == 0.75
    assert summary.is_complete
    assert not summary.corruptions
    with pytest.raises(AttributeError, match="ImageNet-A has no metric 'mce'"):
        _ = summary.mce
