"""The catalogue of metrics, and the metrics of a run computed from the counts of its cells.

summary = summary_of(run)
summary.mce, summary.groups["noise"], summary.reasons
"""

from robustbench_gnl.metrics.catalogue import METRICS
from robustbench_gnl.metrics.chance import is_near_chance, is_run_near_chance
from robustbench_gnl.metrics.expressions import Expression, mean
from robustbench_gnl.metrics.interval import Interval
from robustbench_gnl.metrics.lookup import (
    column_ids,
    headline_metrics,
    ids_by_path,
    metric_id,
    metric_ids,
    overall_metrics,
)
from robustbench_gnl.metrics.metric import Metric, MetricId, Scope
from robustbench_gnl.metrics.quantities import BLOCK_QUANTITIES, QUANTITIES, Quantity
from robustbench_gnl.metrics.reference import (
    KnownImageSet,
    Published,
    Reference,
    default_reference,
    known_image_sets,
    load_bibliography,
    load_published,
    load_reference,
)
from robustbench_gnl.metrics.summary import (
    CorruptionSummary,
    Summary,
    cells_of,
    summarize,
    summary_of,
    why_undefined,
    worst_corruption,
)
from robustbench_gnl.metrics.unit import FRACTION, NATS, PERCENT, UNITS, Unit

__all__ = [
    "BLOCK_QUANTITIES",
    "FRACTION",
    "METRICS",
    "NATS",
    "PERCENT",
    "QUANTITIES",
    "UNITS",
    "CorruptionSummary",
    "Expression",
    "Interval",
    "KnownImageSet",
    "Metric",
    "MetricId",
    "Published",
    "Quantity",
    "Reference",
    "Scope",
    "Summary",
    "Unit",
    "cells_of",
    "column_ids",
    "default_reference",
    "headline_metrics",
    "ids_by_path",
    "is_near_chance",
    "is_run_near_chance",
    "known_image_sets",
    "load_bibliography",
    "load_published",
    "load_reference",
    "mean",
    "metric_id",
    "metric_ids",
    "overall_metrics",
    "summarize",
    "summary_of",
    "why_undefined",
    "worst_corruption",
]
