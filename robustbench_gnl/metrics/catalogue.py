"""The catalogue of metrics, which tables, `--sort`, gate rules, plans and docs/metrics.md read.

To add a metric, write its expression and add one entry to `METRICS`. Each suite lists in its own
file which overall metrics are defined for it.
"""

from __future__ import annotations

from robustbench_gnl.metrics import definitions
from robustbench_gnl.metrics.metric import Metric, Scope
from robustbench_gnl.metrics.quantities import BLOCK_QUANTITIES, ERROR, HENDRYCKS, Quantity
from robustbench_gnl.metrics.unit import FRACTION, PERCENT, POINTS_OF_MCE
from robustbench_gnl.records import CLEAN

NOT_NORMALISED = "not normalised"
"""Qualifier of means that are not divided by the reference's errors."""


def _quantity_metrics(quantity: Quantity) -> tuple[Metric, ...]:
    """The metrics of a quantity that is stored by block: on clean images, as a mean over the
    cells, of a suite with a single condition, and by corruption."""
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
    definition=definitions.clean_error,
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
    definition=definitions.main_error,
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
    definition=definitions.mce,
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
    definition=definitions.relative_mce,
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
    definition=definitions.mean_error,
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
    definition=definitions.mean_error_of_all,
    qualifier=NOT_NORMALISED,
    is_optional=True,
)
MEAN_ERROR = Metric(
    key="error",
    label="mean error",
    unit=FRACTION,
    meaning="mean over the corruption cells that were evaluated, or that both runs have",
    formula="mean of the errors",
    source=HENDRYCKS,
    qualifier="of shared cells",
    is_planned=True,
)
"""For incomplete runs, whose mean over all corruptions is undefined. Which cells it averages
depends on the runs that are compared, so no suite lists it."""
ROBUSTNESS_GAP = Metric(
    key="robustness_gap",
    label="robustness gap",
    unit=FRACTION,
    meaning="what corruption adds to the error",
    formula="mean corruption error - clean error",
    source="RobustBench, Croce et al. 2021",
    definition=definitions.robustness_gap,
    qualifier="mean corruption error minus clean error",
    is_headline=False,
)
EFFECTIVE_ROBUSTNESS = Metric(
    key="effective_robustness",
    label="effective robustness",
    unit=POINTS_OF_MCE,
    meaning="how far mCE is below what the clean error predicts; above 0 is better",
    qualifier="expected mCE minus mCE",
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
    meaning="mean CE of a group of corruptions",
    formula="mean of its {n} CEs",
    source=HENDRYCKS,
    scope=Scope.GROUP,
    definition=definitions.group_ce,
    rule="CE",
    is_column=True,
)
CORRUPTION_ERROR = Metric(
    key="error",
    label="error",
    unit=FRACTION,
    meaning="mean error over the severities of the corruption",
    formula="mean of the errors by severity",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=definitions.corruption_error,
    of_cell=ERROR,
)
CE = Metric(
    key="ce",
    label="CE",
    unit=PERCENT,
    meaning="errors of the corruption as a share of those of {reference}",
    formula="100 x sum of the errors / sum of the reference's errors",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=definitions.ce,
    rule="CE",
    is_column=True,
)
RELATIVE_CE = Metric(
    key="relative_ce",
    label="relative CE",
    unit=PERCENT,
    meaning=(
        "what the corruption adds to the clean error, as a share of what it adds to the reference's"
    ),
    formula="100 x sum of (error - clean error) / the same sum of the reference",
    source=HENDRYCKS,
    scope=Scope.CORRUPTION,
    definition=definitions.relative_ce,
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
