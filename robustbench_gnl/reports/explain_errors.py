"""How the numbers made of top-1 errors come about: from one cell up to mCE."""

from __future__ import annotations

from collections.abc import Iterator

import corruptions
from robustbench_gnl.metrics import GROUPS, worst_corruption
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.reports.explanation import Explained, Explanation, mean_of, or_dash, sum_of
from robustbench_gnl.reports.formats import as_count, as_precise, as_precise_percent
from robustbench_gnl.reports.tables import DASH


def explain_errors(one: Explained) -> Iterator[Explanation]:
    """The worst corruption stands for all of them."""
    yield _cell(one, CLEAN, "clean error", "clean_error")
    example = worst_corruption(one.summary)
    if example is not None:
        severity = next(s for s in corruptions.SEVERITIES if Condition(example, s) in one.run.cells)
        condition = Condition(example, severity)
        path = f"corruptions.{example}.severities.{severity}"
        yield _cell(one, condition, f"error of {condition}", path)
        yield from _corruption(one, example)
    yield from _means(one)
    yield from _groups(one)
    yield from _mean_over_19(one)


def _cell(one: Explained, condition: Condition, number: str, path: str) -> Explanation:
    cell = one.run.cells.get(condition)
    return one.explain(
        path,
        cell.error if cell else None,
        "fraction",
        number=number,
        meaning="share of the images whose first answer is wrong",
        formula="100 x wrong / images",
        worked=f"100 x {as_count(cell.n_images - cell.n_top1)} / {as_count(cell.n_images)}"
        if cell
        else DASH,
    )


def _corruption(one: Explained, name: str) -> Iterator[Explanation]:
    summary = one.summary.corruptions[name]
    known = [error for error in summary.severities if error is not None]
    errors, of_reference = sum_of(known, as_precise_percent), _reference_errors(one, name)
    clean = or_dash(one.summary.clean_error, as_precise_percent)
    clean_of_reference = or_dash(one.reference.clean_error, as_precise_percent)
    yield one.explain(
        f"corruptions.{name}.error",
        summary.error,
        "fraction",
        number=f"error of {name}",
        meaning="mean over its severities",
        formula="mean of the errors by severity",
        worked=mean_of(known, as_precise_percent),
    )
    yield one.explain(
        f"corruptions.{name}.ce",
        summary.ce,
        "percent",
        number=f"CE of {name}",
        meaning=f"its errors as a share of those of {one.reference.name}",
        formula="100 x sum of the errors / sum of the reference's errors",
        worked=f"100 x ({errors}) / ({of_reference})",
    )
    yield one.explain(
        f"corruptions.{name}.relative_ce",
        summary.relative_ce,
        "percent",
        number=f"relative CE of {name}",
        meaning="the same of what corruption adds to the clean error",
        formula="100 x sum of (error - clean error) / the same sum of the reference",
        worked=f"100 x ({errors} - 5 x {clean}) / ({of_reference} - 5 x {clean_of_reference})",
    )


def _reference_errors(one: Explained, name: str) -> str:
    """The five of the reference, or their sum, where they are not known one by one."""
    five = one.reference.errors.get(name) or (one.reference.error_sum(name),)
    return sum_of(five, as_precise_percent)


def _means(one: Explained) -> Iterator[Explanation]:
    summary = one.summary
    common = [summary.corruptions[name] for name in corruptions.names("common")]
    yield one.explain(
        "mean_corruption_error",
        summary.mean_corruption_error,
        "fraction",
        number="mean corruption error",
        meaning="plain mean over the 15 corruptions; not mCE",
        formula="mean of the 15 errors",
        worked=mean_of([member.error for member in common], as_precise_percent),
    )
    yield one.explain(
        "mce",
        summary.mce,
        "percent",
        number="mCE",
        meaning=f"{one.reference.name} is 100",
        formula="mean of the 15 CEs",
        worked=mean_of([member.ce for member in common], as_precise),
    )
    yield one.explain(
        "relative_mce",
        summary.relative_mce,
        "percent",
        number="relative mCE",
        meaning="what corruption itself costs, against the reference",
        formula="mean of the 15 relative CEs",
        worked=mean_of([member.relative_ce for member in common], as_precise),
    )


def _groups(one: Explained) -> Iterator[Explanation]:
    for group in GROUPS:
        ces = [one.summary.corruptions[name].ce for name in corruptions.names(group)]
        yield one.explain(
            f"groups.{group}",
            one.summary.groups[group],
            "percent",
            number=f"CE of {group}",
            meaning="a group of the paper",
            formula=f"mean of its {len(ces)} CEs",
            worked=mean_of(ces, as_precise),
        )


def _mean_over_19(one: Explained) -> Iterator[Explanation]:
    """Only where it is defined: most runs leave the extra corruptions out."""
    if one.summary.mean_error_19 is not None:
        errors = [one.summary.corruptions[name].error for name in corruptions.names("all")]
        yield one.explain(
            "mean_error_19",
            one.summary.mean_error_19,
            "fraction",
            number="mean error over all 19",
            meaning="what the GroupNL authors' script prints as mCE (unnormalized)",
            formula="mean of the 19 errors",
            worked=mean_of(errors, as_precise_percent),
            source="val_imagenet_c.py of GroupNL",
        )
