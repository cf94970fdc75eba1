"""Metrics of the catalogue by suite and by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics.catalogue import METRICS, NOT_NORMALISED
from robustbench_gnl.metrics.expressions import Expression
from robustbench_gnl.metrics.metric import Metric, MetricId, Scope
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.suites import Suite


def overall_metrics(suite: Suite) -> tuple[Metric, ...]:
    """The metrics of a whole run that a suite defines, in the order that it names them."""
    by_key = {one.key: one for one in METRICS if one.scope is Scope.OVERALL}
    return tuple(by_key[key] for key in suite.metrics)


def headline_metrics(suite: Suite) -> tuple[Metric, ...]:
    """Those of them that stand first in a report."""
    return tuple(one for one in overall_metrics(suite) if one.is_headline)


def column_ids(suite: Suite) -> tuple[MetricId, ...]:
    """What a leaderboard of a suite shows and may be sorted by: overall, of groups, of
    corruptions."""
    # The metrics are part of the cache's key, since a plug-in or a test may add one.
    return _column_ids(suite, overall_metrics(suite), tuple(METRICS))


@lru_cache(maxsize=16)
def _column_ids(
    suite: Suite, overall: tuple[Metric, ...], metrics: tuple[Metric, ...]
) -> tuple[MetricId, ...]:
    # Cached, since a leaderboard asks for it with every entry.
    columns = [one for one in metrics if one.is_column]
    shown = [one for one in overall if one.is_column]
    # Unnormalised means come last, so that nobody takes them for mCE.
    shown.sort(key=lambda one: one.qualifier == NOT_NORMALISED)
    found = [MetricId(one) for one in shown]
    places = {Scope.GROUP: tuple(suite.groups), Scope.CORRUPTION: suite.corruptions}
    for scope, names in places.items() if suite.groups else ():
        found += [MetricId(m, name) for name in names for m in columns if m.scope is scope]
    return tuple(found)


def metric_ids(suite: Suite) -> Iterator[MetricId]:
    """Every metric of a run at every place of a suite: overall, by group, corruption, severity."""
    for metric in overall_metrics(suite):
        yield MetricId(metric)
    if not suite.groups:
        return
    by_group = [one for one in METRICS if one.scope is Scope.GROUP]
    yield from (MetricId(metric, group) for metric in by_group for group in suite.groups)
    for name in suite.all_corruptions:
        for metric in METRICS:
            if metric.scope is Scope.CORRUPTION:
                yield MetricId(metric, name)
                if metric.of_cell is not None:
                    yield from (MetricId(metric, name, s) for s in suite.severities)


def linear_expressions(reference: Reference) -> Mapping[str, tuple[MetricId, Expression]]:
    """The linear metrics of the reference's suite by path, each with its expression, without those
    of single cells."""
    return _linear_expressions(reference, tuple(METRICS))


@lru_cache(maxsize=16)
def _linear_expressions(
    reference: Reference, metrics: tuple[Metric, ...]
) -> Mapping[str, tuple[MetricId, Expression]]:
    # Cached, since a leaderboard asks for the same hundred expressions for each of its runs.
    return {
        one.path: (one, expression)
        for one in metric_ids(reference.suite)
        if one.severity is None
        and (expression := one.expression(reference.suite, reference)) is not None
    }


def metric_id(path: str, suite: Suite) -> MetricId:
    """The metric at a path of a run's JSON, such as `mce` or `corruptions.fog.ce`; an overall
    metric is found by its key whatever the suite.

    Raises:
        UsageError: There is no metric with this path.
    """
    known = ids_by_path(suite)
    # `compare` has a metric that no suite lists: the mean error over the cells that both runs have.
    if path not in known:
        for one in METRICS:
            if one.scope is Scope.OVERALL and one.key == path:
                return MetricId(one)
        raise UsageError(
            f"unknown metric {path!r} of {suite.title}{did_you_mean(path, known)}", metric=path
        )
    return known[path]


def ids_by_path(suite: Suite) -> Mapping[str, MetricId]:
    """Every metric of a suite by its path."""
    return {one.path: one for one in metric_ids(suite)}
