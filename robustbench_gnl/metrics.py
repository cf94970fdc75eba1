"""Error, CE, mCE and relative mCE of Hendrycks & Dietterich 2019, from stored counts.

Errors are fractions in [0, 1]; CE, mCE and relative CE are percent, reference = 100.
A number that cannot be had is None, and `Summary.reasons` says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import corruptions
from robustbench_gnl.contents import cell_digests
from robustbench_gnl.records import (
    CLEAN,
    COMMON_CONDITIONS,
    Cell,
    Condition,
    Piece,
    conditions_of,
)
from robustbench_gnl.reference import Reference

Cells = Mapping[Condition, Cell]
GROUPS = ("noise", "blur", "weather", "digital")
"""The groups of the paper that the 15 common corruptions fall into."""
MOST_NAMES = 6
"""A reason that would name more corruptions than this counts them instead."""

_CONDITIONS = {
    name: conditions_of((name,), corruptions.SEVERITIES) for name in corruptions.names("all")
}


@dataclass(frozen=True)
class Interval:
    """Where a number would lie with as many other images of the same kind."""

    low: float
    high: float
    level: float = 0.95
    """How often such intervals hold the truth."""
    method: str = "bootstrap"
    """`bootstrap` (over images), `wilson` (one proportion) or `jackknife` (over blocks)."""


@dataclass(frozen=True)
class CorruptionSummary:
    """One corruption."""

    severities: tuple[float | None, ...]
    """Error at severity 1 to 5; None where it was not evaluated."""
    error: float | None
    """Mean over the severities that were evaluated."""
    ce: float | None
    relative_ce: float | None


@dataclass(frozen=True)
class Summary:
    """What a table shows of one run. Every mean is over the 15 common corruptions."""

    clean_error: float | None
    mean_corruption_error: float | None
    mce: float | None
    relative_mce: float | None
    mean_error_19: float | None
    """Mean error over common and extra corruptions: what the GroupNL authors' script
    prints as "mCE (unnormalized)"."""
    groups: Mapping[str, float | None]
    """Mean CE of each group."""
    corruptions: Mapping[str, CorruptionSummary]
    """The 15, and those of the extra ones that were evaluated."""
    reasons: Mapping[str, str]
    """Field (`mce`, `groups.noise`, `corruptions.fog.ce`) and why it is None."""
    n_common_cells: int
    """How many of the 75 cells are there."""

    @property
    def is_complete(self) -> bool:
        return self.n_common_cells == len(COMMON_CONDITIONS)


def cells_of(pieces: Iterable[Piece], n_images: int) -> dict[Condition, Cell]:
    """The sums of the conditions whose pieces hold all `n_images`, in the order of the pieces."""
    by_condition: dict[Condition, list[Piece]] = {}
    for piece in pieces:
        by_condition.setdefault(piece.condition, []).append(piece)
    return {
        condition: _cell(sorted(found, key=lambda piece: piece.block))
        for condition, found in by_condition.items()
        if sum(piece.n_images for piece in found) == n_images
    }


def _cell(pieces: Sequence[Piece]) -> Cell:
    """The sums of a condition's pieces, given in the order of the blocks."""
    return Cell(
        sum(piece.n_images for piece in pieces),
        sum(piece.n_top1 for piece in pieces),
        sum(piece.n_top5 for piece in pieces),
        sum(piece.negative_log_likelihood_sum for piece in pieces),
        *cell_digests(pieces),
    )


def worst_corruption(summary: Summary) -> str | None:
    """The one of the 15 with the highest CE; of runs without mCE, with the highest error."""
    by = "error" if summary.mce is None else "ce"
    values = {name: getattr(summary.corruptions[name], by) for name in corruptions.names("common")}
    known = {name: value for name, value in values.items() if value is not None}
    return max(known, key=lambda name: known[name], default=None)


def error(cells: Cells, condition: Condition) -> float | None:
    """Top-1 error of one condition; None where it was not evaluated."""
    cell = cells.get(condition)
    return cell.error if cell is not None and cell.n_images else None


def severity_errors(cells: Cells, corruption: str) -> tuple[float | None, ...]:
    """Errors at severity 1 to 5; None where a severity was not evaluated."""
    return tuple(error(cells, condition) for condition in _CONDITIONS[corruption])


def corruption_error(errors: Sequence[float], reference_sum: float) -> float | None:
    """CE in percent: the ratio of the sums over severities, never a mean of ratios."""
    return 100 * (math.fsum(errors) / reference_sum) if reference_sum else None


def relative_corruption_error(
    errors: Sequence[float], clean_error: float, reference_sum: float, reference_clean: float
) -> float | None:
    """Relative CE in percent: what is lost on top of the clean error, against the reference."""
    reference_loss = reference_sum - len(errors) * reference_clean
    loss = math.fsum(errors) - len(errors) * clean_error
    return 100 * (loss / reference_loss) if reference_loss else None


def mean(values: Iterable[float | None]) -> float | None:
    """The mean; None where any value is None, or there are none."""
    present: list[float] = []
    for value in values:
        if value is None:
            return None
        present.append(value)
    return math.fsum(present) / len(present) if present else None


def summarize(cells: Cells, reference: Reference) -> Summary:
    """Every number of a run that its cells allow, and a reason for every one they do not."""
    common = corruptions.names("common")
    extra = corruptions.names("extra")
    clean_error = error(cells, CLEAN)
    by_name = {name: _corruption(cells, name, clean_error, reference) for name in common + extra}
    complete = {
        name: None if None in one.severities else one.error for name, one in by_name.items()
    }
    groups = {
        group: mean(by_name[name].ce for name in corruptions.names(group)) for group in GROUPS
    }
    numbers = {
        "clean_error": clean_error,
        "mean_corruption_error": mean(complete[name] for name in common),
        "mce": mean(by_name[name].ce for name in common),
        "relative_mce": mean(by_name[name].relative_ce for name in common),
        "mean_error_19": mean(complete.values()),
    }
    shown = {name: one for name, one in by_name.items() if name in common or one.error is not None}
    return Summary(
        **numbers,
        groups=groups,
        corruptions=shown,
        reasons=_reasons(numbers, groups, shown, reference),
        n_common_cells=sum(
            value is not None for name in common for value in by_name[name].severities
        ),
    )


def _corruption(
    cells: Cells, name: str, clean_error: float | None, reference: Reference
) -> CorruptionSummary:
    severities = severity_errors(cells, name)
    present = [value for value in severities if value is not None]
    reference_sum = reference.error_sum(name)
    ce = relative_ce = None
    if len(present) == len(severities) and reference_sum is not None:
        ce = corruption_error(present, reference_sum)
        if clean_error is not None and reference.clean_error is not None:
            relative_ce = relative_corruption_error(
                present, clean_error, reference_sum, reference.clean_error
            )
    return CorruptionSummary(severities, mean(present), ce, relative_ce)


def _reasons(
    numbers: Mapping[str, float | None],
    groups: Mapping[str, float | None],
    shown: Mapping[str, CorruptionSummary],
    reference: Reference,
) -> dict[str, str]:
    """One sentence for each number that is None."""
    members = {
        "clean_error": (),
        "mean_corruption_error": corruptions.names("common"),
        "mce": corruptions.names("common"),
        "relative_mce": corruptions.names("common"),
        "mean_error_19": corruptions.names("all"),
    } | {f"groups.{group}": corruptions.names(group) for group in groups}
    values = {**numbers, **{f"groups.{group}": value for group, value in groups.items()}}
    for name, one in shown.items():
        values |= {
            f"corruptions.{name}.error": one.error,
            f"corruptions.{name}.ce": one.ce,
            f"corruptions.{name}.relative_ce": one.relative_ce,
        }
        members |= {f"corruptions.{name}.{key}": (name,) for key in ("error", "ce", "relative_ce")}
    clean_missing = numbers["clean_error"] is None
    return {
        field: _why(field, members[field], shown, clean_missing, reference)
        for field, value in values.items()
        if value is None
    }


def _why(
    field: str,
    names: Sequence[str],
    shown: Mapping[str, CorruptionSummary],
    clean_missing: bool,
    reference: Reference,
) -> str:
    if field == "clean_error":
        return "clean was not evaluated"
    if not reference.is_defined and not field.endswith(("error", "error_19")):
        return reference.protocol
    missing = _missing(names, shown)
    if field.endswith(("relative_mce", "relative_ce")) and clean_missing:
        missing = ["clean was not evaluated", *missing]
    if missing:
        return "; ".join(missing)
    unknown = [name for name in names if reference.error_sum(name) is None]
    if unknown:
        return f"{reference.name} has no errors for {', '.join(unknown)}"
    if reference.clean_error is None:
        return f"{reference.name} has no clean error"
    return f"{reference.name} loses nothing there, so there is nothing to divide by"


def _missing(names: Sequence[str], shown: Mapping[str, CorruptionSummary]) -> list[str]:
    """What was not evaluated, one phrase a kind."""
    absent = [name for name in names if name not in shown or shown[name].error is None]
    phrases = []
    if len(absent) > MOST_NAMES:
        phrases.append(f"{len(absent)} of {len(names)} corruptions were not evaluated")
    elif absent:
        phrases.append(f"{', '.join(absent)} {'was' if len(absent) == 1 else 'were'} not evaluated")
    for name in names:
        if name in absent:
            continue
        gaps = [str(i) for i, value in enumerate(shown[name].severities, start=1) if value is None]
        if gaps:
            one = len(gaps) == 1
            phrases.append(
                f"{'severity' if one else 'severities'} {', '.join(gaps)} of {name} "
                f"{'is' if one else 'are'} missing"
            )
    return phrases
