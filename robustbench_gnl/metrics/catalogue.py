"""Every metric, declared once: tables, `--sort`, gate rules, plans, comparisons, explanations and
docs/metrics.md read this file.

To add a metric, write what it is made of as an expression, and add one entry to `METRICS`; a
suite says in its own file which overall metrics are defined for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics.expressions import (
    CellError,
    CorruptionError,
    Difference,
    Expression,
    Mean,
    MeanError,
    RelativeCorruptionError,
)
from robustbench_gnl.metrics.metric import (
    HENDRYCKS,
    Definition,
    Metric,
    MetricId,
    Quantity,
    Scope,
)
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.metrics.unit import FRACTION, NATS, PERCENT, POINTS_OF_MCE
from robustbench_gnl.records import CLEAN
from robustbench_gnl.suites import Suite

NOT_NORMALISED = "not normalised"
"""Qualifier of means that are not divided by the reference's errors."""

ERROR = Quantity(
    key="error",
    label="error",
    unit=FRACTION,
    meaning="share of the images whose top-1 prediction is wrong",
    formula="100 x wrong / images",
    source=HENDRYCKS,
    rule="error",
    is_kept_by_image=True,
    is_count=True,
)
TOP5_ERROR = Quantity(
    key="top5_error",
    label="top-5 error",
    unit=FRACTION,
    meaning="share of the images whose label is not among the top five predictions",
    formula="100 x wrong in all five / images",
    source="Russakovsky et al. 2015, section 4",
    rule="top5_error",
    is_count=True,
)
NEGATIVE_LOG_LIKELIHOOD = Quantity(
    key="negative_log_likelihood",
    label="negative log likelihood",
    unit=NATS,
    meaning="how improbable the label is to the model",
    formula="mean of -log p(label)",
    source="Guo et al. 2017, section 2",
    rule="nll",
)
CALIBRATION_ERROR = Quantity(
    key="calibration_error",
    label="expected calibration error",
    unit=FRACTION,
    meaning="how far confidence is from accuracy, over 15 bins of confidence",
    formula="100 x sum over bins of |right - sum of confidences| / images",
    source="Guo et al. 2017, equation 3",
    rule="ece",
)
QUANTITIES = (ERROR, TOP5_ERROR, NEGATIVE_LOG_LIKELIHOOD, CALIBRATION_ERROR)
BLOCK_QUANTITIES = tuple(one for one in QUANTITIES if not one.is_kept_by_image)
"""Those that are kept as sums of blocks, and not by image."""


def _clean_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return CellError(CLEAN) if suite.has_clean else None


def _main_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    """Of a suite of a single condition."""
    return CellError(suite.main_conditions[0]) if len(suite.main_conditions) == 1 else None


def _corruption_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return MeanError(suite.conditions_of(of), is_partial=True)


def _complete_error(suite: Suite, of: str) -> Expression:
    """Of a mean over corruptions, each of which must have all its severities."""
    return MeanError(suite.conditions_of(of))


def _ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return CorruptionError(suite.conditions_of(of), reference.error_sum(of))


def _relative_ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    if not suite.has_clean:
        return None
    conditions = suite.conditions_of(of)
    return RelativeCorruptionError(conditions, reference.error_sum(of), reference.clean_error)


def _group_ce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    members = suite.groups.get(of, ())
    parts = (CorruptionError(suite.conditions_of(n), reference.error_sum(n)) for n in members)
    return Mean(tuple(parts)) if members else None


def _mean_error(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return Mean(tuple(_complete_error(suite, name) for name in suite.corruptions))


def _mean_error_of_all(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return Mean(tuple(_complete_error(suite, name) for name in suite.all_corruptions))


def _mce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return _mean_of(_ce, suite, reference)


def _relative_mce(suite: Suite, reference: Reference, of: str) -> Expression | None:
    return _mean_of(_relative_ce, suite, reference)


def _mean_of(definition: Definition, suite: Suite, reference: Reference) -> Expression | None:
    found = [definition(suite, reference, name) for name in suite.corruptions]
    parts = tuple(part for part in found if part is not None)
    return Mean(parts) if len(parts) == len(found) else None


def _robustness_gap(suite: Suite, reference: Reference, of: str) -> Expression | None:
    if not suite.has_clean:
        return None
    return Difference(
        Mean(tuple(_complete_error(suite, name) for name in suite.corruptions)), CellError(CLEAN)
    )


def _quantity_metrics(quantity: Quantity) -> tuple[Metric, ...]:
    """A quantity that is kept by block: clean, as a mean, of a single condition, and of each
    corruption."""
    clean = Metric(
        key=f"clean_{quantity.key}",
        label=f"clean {quantity.label}",
        unit=quantity.unit,
        meaning=quantity.meaning,
        formula=quantity.formula,
        source=quantity.source,
        quantity=quantity,
        cells=lambda suite, _: (CLEAN,) if suite.has_clean else (),
        is_headline=False,
    )
    mean = Metric(
        key=f"mean_{quantity.key}",
        label=f"mean {quantity.label}",
        unit=quantity.unit,
        meaning=f"{quantity.meaning}; mean over the {{n_cells}} cells",
        formula=f"mean of the {{n}} {quantity.label}s",
        source=quantity.source,
        quantity=quantity,
        cells=lambda suite, _: suite.main_conditions,
        is_headline=False,
    )
    single = Metric(
        key=quantity.key,
        label=quantity.label,
        unit=quantity.unit,
        meaning=quantity.meaning,
        formula=quantity.formula,
        source=quantity.source,
        quantity=quantity,
        cells=lambda suite, _: suite.main_conditions,
        is_headline=False,
    )
    by_corruption = Metric(
        key=quantity.key,
        label=quantity.label,
        unit=quantity.unit,
        meaning=f"{quantity.meaning}; mean over the severities",
        formula=f"mean of the {quantity.label}s by severity",
        source=quantity.source,
        scope=Scope.CORRUPTION,
        quantity=quantity,
        cells=lambda suite, of: suite.conditions_of(of),
        of_cell=quantity,
        is_compared=False,
        is_headline=False,
    )
    return clean, mean, single, by_corruption


CLEAN_ERROR = Metric(
    key="clean_error",
    label="clean error",
    unit=FRACTION,
    meaning=ERROR.meaning,
    formula=ERROR.formula,
    source=HENDRYCKS,
    definition=_clean_error,
    rule="clean_error",
    is_column=True,
    narrow_title="clean\nerror\n%",
    is_planned=True,
)
TOP1_ERROR = Metric(
    key="top1_error",
    label="top-1 error",
    unit=FRACTION,
    meaning=ERROR.meaning,
    formula=ERROR.formula,
    source="Russakovsky et al. 2015, section 4",
    definition=_main_error,
    rule="top1_error",
    is_column=True,
    is_planned=True,
)
MCE = Metric(
    key="mce",
    label="mCE",
    unit=PERCENT,
    meaning="{reference} is 100",
    formula="mean of the {n} CEs",
    source=HENDRYCKS,
    definition=_mce,
    rule="mCE",
    is_column=True,
    is_planned=True,
)
RELATIVE_MCE = Metric(
    key="relative_mce",
    label="relative mCE",
    unit=PERCENT,
    meaning="what corruption adds to the clean error, relative to the reference",
    formula="mean of the {n} relative CEs",
    source=HENDRYCKS,
    definition=_relative_mce,
    rule="relative_mCE",
    is_column=True,
    narrow_title="relative\nmCE",
    is_planned=True,
)
MEAN_CORRUPTION_ERROR = Metric(
    key="mean_corruption_error",
    label="mean corruption error",
    unit=FRACTION,
    meaning="plain mean over the {n} corruptions; not mCE",
    formula="mean of the {n} errors",
    source=HENDRYCKS,
    definition=_mean_error,
    qualifier=NOT_NORMALISED,
    is_column=True,
    narrow_title="mean\ncorr.\nerr. %",
)
MEAN_ERROR_OF_ALL = Metric(
    key="mean_error_19",
    label="mean error over all 19",
    unit=FRACTION,
    meaning="what the GroupNL authors' script prints as mCE (unnormalized)",
    formula="mean of the {n_all} errors",
    source="val_imagenet_c.py of GroupNL",
    definition=_mean_error_of_all,
    qualifier=NOT_NORMALISED,
    is_optional=True,
)
MEAN_ERROR = Metric(
    key="error",
    label="mean error",
    unit=FRACTION,
    meaning="mean over the corruption cells that there are, or that both runs have",
    formula="mean of the errors",
    source=HENDRYCKS,
    qualifier="of the cells that both runs have",
    is_planned=True,
)
"""Of runs that are not complete, whose mean over all corruptions is undefined: the cells that it
is over are those at hand, so no suite lists it."""
ROBUSTNESS_GAP = Metric(
    key="robustness_gap",
    label="robustness gap",
    unit=FRACTION,
    meaning="what corruption adds to the error",
    formula="mean corruption error - clean error",
    source="RobustBench, Croce et al. 2021",
    definition=_robustness_gap,
    qualifier="mean corruption error minus clean error",
    is_headline=False,
)
EFFECTIVE_ROBUSTNESS = Metric(
    key="effective_robustness",
    label="effective robustness",
    unit=POINTS_OF_MCE,
    meaning="how far mCE is below what the clean error predicts; above 0 is better",
    qualifier="below the line",
    formula="expected mCE - mCE",
    source="Taori et al. 2020, section 2",
    lower_is_better=False,
    is_compared=False,
    is_headline=False,
)
"""A distance to a line through published results, which `statistics.trend` fits."""
GROUP_CE = Metric(
    key="ce",
    label="CE",
    unit=PERCENT,
    meaning="a group of the paper",
    formula="mean of its {n} CEs",
    source=HENDRYCKS,
    scope=Scope.GROUP,
    definition=_group_ce,
    rule="CE",
    is_column=True,
)
CORRUPTION_ERROR = Metric(
    key="error",
    label="error",
    unit=FRACTION,
    meaning="mean over its severities",
    formula="mean of the errors by severity",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=_corruption_error,
    of_cell=ERROR,
)
CE = Metric(
    key="ce",
    label="CE",
    unit=PERCENT,
    meaning="its errors as a share of those of {reference}",
    formula="100 x sum of the errors / sum of the reference's errors",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=_ce,
    rule="CE",
    is_column=True,
)
RELATIVE_CE = Metric(
    key="relative_ce",
    label="relative CE",
    unit=PERCENT,
    meaning="the same of what corruption adds to the clean error",
    formula="100 x sum of (error - clean error) / the same sum of the reference",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=_relative_ce,
    is_compared=False,
)

METRICS: list[Metric] = [
    CLEAN_ERROR,
    TOP1_ERROR,
    MEAN_ERROR,
    MEAN_CORRUPTION_ERROR,
    MEAN_ERROR_OF_ALL,
    MCE,
    RELATIVE_MCE,
    ROBUSTNESS_GAP,
    GROUP_CE,
    CORRUPTION_ERROR,
    CE,
    RELATIVE_CE,
    *(metric for quantity in BLOCK_QUANTITIES for metric in _quantity_metrics(quantity)),
    EFFECTIVE_ROBUSTNESS,
]
"""The catalogue, in the order of comparisons."""


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
    """The linear metrics of the reference's suite by path, each with what it is made of; those of
    single cells left out."""
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
    """The metric that stands under a path of the JSON of a run, or is overall of that key.

    Raises:
        UsageError: There is none.
    """
    known = ids_by_path(suite)
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
