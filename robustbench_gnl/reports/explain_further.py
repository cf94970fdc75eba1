"""How the numbers below the headline come about: other kinds, relations, the worst sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import corruptions
from robustbench_gnl.records import CLEAN
from robustbench_gnl.reports.explanation import (
    Explained,
    Explanation,
    mean_of,
    or_dash,
    sum_of,
)
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_percent,
    as_precise,
    as_precise_percent,
)
from robustbench_gnl.reports.run_details import named_worst
from robustbench_gnl.reports.tables import DASH


class _Kind(NamedTuple):
    """A kind of number that every cell has besides its top-1 error."""

    key: str
    name: str
    meaning: str
    formula: str
    unit: str
    source: str


KINDS = (
    _Kind(
        "top5_error",
        "top-5 error",
        "share of the images whose label is not among the first five answers",
        "100 x wrong in all five / images",
        "fraction",
        "Russakovsky et al. 2015, section 4",
    ),
    _Kind(
        "negative_log_likelihood",
        "negative log likelihood",
        "how surprised the network is by the label",
        "mean of -log p(label)",
        "nats",
        "Guo et al. 2017, section 2",
    ),
    _Kind(
        "calibration_error",
        "expected calibration error",
        "how far confidence is from accuracy, over 15 bins of confidence",
        "100 x sum over bins of |right - sum of confidences| / images",
        "fraction",
        "Guo et al. 2017, equation 3",
    ),
)


def explain_further(one: Explained) -> Iterator[Explanation]:
    for kind in KINDS:
        yield _clean(one, kind)
        yield _mean(one, kind)
    yield _robustness_gap(one)
    yield _effective_robustness(one)
    yield _worst_corruption(one)
    yield _worst_class(one)


def _clean(one: Explained, kind: _Kind) -> Explanation:
    path = f"clean_{kind.key}"
    return one.explain(
        path,
        one.details.numbers.values.get(path),
        kind.unit,
        number=f"clean {kind.name}",
        meaning=kind.meaning,
        formula=kind.formula,
        worked=_clean_worked(one, kind.key),
        source=kind.source,
        needs=("clean_error",),
    )


def _clean_worked(one: Explained, key: str) -> str:
    cell = one.run.cells.get(CLEAN)
    if cell is None:
        return DASH
    if key == "top5_error":
        return f"100 x {as_count(cell.n_images - cell.n_top5)} / {as_count(cell.n_images)}"
    if key == "negative_log_likelihood":
        return f"{cell.negative_log_likelihood_sum:.3f} / {as_count(cell.n_images)}"
    gaps = sum_of(one.details.clean_gaps, as_precise)
    return f"100 x ({gaps}) / {as_count(cell.n_images)}"


def _mean(one: Explained, kind: _Kind) -> Explanation:
    """By corruption: each has five cells, so the mean of the 15 is that of the 75."""
    path, values = f"mean_{kind.key}", one.details.numbers.values
    members = [values.get(f"corruptions.{n}.{kind.key}") for n in corruptions.names("common")]
    return one.explain(
        path,
        values.get(path),
        kind.unit,
        number=f"mean {kind.name}",
        meaning=f"{kind.meaning}; mean over the 75 cells",
        formula=f"mean of the 15 {kind.name}s",
        worked=mean_of(members, as_precise if kind.unit == "nats" else as_precise_percent),
        source=kind.source,
        needs=("mean_corruption_error",),
    )


def _robustness_gap(one: Explained) -> Explanation:
    mean_error = or_dash(one.summary.mean_corruption_error, as_precise_percent)
    clean_error = or_dash(one.summary.clean_error, as_precise_percent)
    return one.explain(
        "robustness_gap",
        one.details.numbers.values.get("robustness_gap"),
        "fraction",
        number="robustness gap",
        meaning="what corruption adds to the error",
        formula="mean corruption error - clean error",
        worked=f"{mean_error} - {clean_error}",
        source="RobustBench, Croce et al. 2021",
        needs=("mean_corruption_error", "clean_error"),
    )


def _effective_robustness(one: Explained) -> Explanation:
    trend, formula, worked = one.details.trend, "expected mCE - mCE", DASH
    if trend is not None:
        clean_error = or_dash(one.summary.clean_error, as_precise_percent)
        mce = or_dash(one.summary.mce, as_precise)
        formula = f"{formula}, where expected {trend}"
        line = f"{as_precise(trend.intercept)} + {as_precise(trend.slope)} x {clean_error}"
        worked = f"{line} - {mce}"
    return one.explain(
        "effective_robustness",
        one.details.numbers.values.get("effective_robustness"),
        "points of mCE",
        number="effective robustness",
        meaning="how far mCE lies below what the clean error foretells; above 0 is better",
        formula=formula,
        worked=worked,
        source="Taori et al. 2020, section 2",
    )


def _worst_corruption(one: Explained) -> Explanation:
    name, worked = named_worst(one.summary), DASH
    if name is not None:
        worst = one.summary.corruptions[name]
        ce, error = or_dash(worst.ce, as_percent), or_dash(worst.error, as_fraction_percent)
        worked = f"CE {ce}, error {error} %"
    return Explanation(
        number="worst corruption",
        value=name,
        unit=None,
        shown=name or DASH,
        meaning="the highest CE of the 15, or error without CEs",
        formula="argmax",
        worked=worked,
        source="",
        reason=one.summary.reasons["mean_corruption_error"] if name is None else None,
    )


def _worst_class(one: Explained) -> Explanation:
    worst = one.details.worst_class
    return Explanation(
        number="worst class",
        value=worst.name if worst else None,
        unit=None,
        shown=worst.name if worst else DASH,
        meaning="the class with the highest mean error over the corruption cells",
        formula="argmax",
        worked=f"{as_fraction_percent(worst.error)} % of {as_count(worst.n_images)} images"
        if worst
        else DASH,
        source="",
        reason=one.details.reasons.get("worst_class"),
    )
