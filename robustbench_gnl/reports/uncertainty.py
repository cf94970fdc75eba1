"""Error bars of a board: intervals of its numbers, and ranks as ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import corruptions
from robustbench_gnl.metrics import GROUPS, Interval
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Run
from robustbench_gnl.reports.leaderboard import SORT_KEYS, Board
from robustbench_gnl.reports.tables import INTERVALS, REASONS

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Replicates
    from robustbench_gnl.statistics.outcomes import Floats

FIELDS: Mapping[str, str] = (
    {key: key for key in ("clean_error", "mce", "relative_mce", "mean_corruption_error")}
    | {f"ce_{group}": f"groups.{group}" for group in GROUPS}
    | {f"ce_{name}": f"corruptions.{name}.ce" for name in corruptions.names("common")}
)
"""Key of a row, and the number it shows by its name in `statistics`."""


@dataclass(frozen=True)
class Uncertainty:
    """What replicates say of one run."""

    intervals: Mapping[str, Interval]
    """By the key of a row."""
    sorted_by: Floats | None
    """(n_resamples,): the number that the board is sorted by; None where it has no replicates."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a number has no interval, by the key of a row."""


def uncertainties(
    pairs: Iterable[tuple[Run, Replicates]], reference: Reference, *, sort: str, level: float
) -> dict[str, Uncertainty]:
    """By the run's id; replicates are let go one run after the other."""
    from robustbench_gnl.statistics import linear_metrics, metric_intervals
    from robustbench_gnl.statistics.intervals import NO_SPREAD

    found = {}
    fields_of = cache(partial(linear_metrics, reference=reference))  # most runs have the same cells
    for run, replicates in pairs:
        fields = fields_of(replicates.conditions)
        shown = {key: fields[name] for key, name in FIELDS.items() if name in fields}
        ends = metric_intervals(replicates, list(shown.values()), level)
        intervals = dict(zip(shown, ends, strict=True))
        name = FIELDS.get(SORT_KEYS[sort])
        found[run.id] = Uncertainty(
            {key: one for key, one in intervals.items() if one is not None},
            replicates.values(fields[name]) if name in fields else None,
            {key: NO_SPREAD for key, one in intervals.items() if one is None},
        )
    return found


def with_uncertainty(board: Board, found: Mapping[str, Uncertainty], level: float) -> Board:
    """The board with intervals, and with ranges for ranks where all ranked rows have them.

    Published results have no error bars, so beside them a run's rank stays a number.
    """
    import numpy as np

    from robustbench_gnl.statistics import rank_ranges

    rows = []
    for row in board.rows:
        uncertainty = found.get(row.get("run_id", ""))
        if uncertainty:
            known = {INTERVALS: uncertainty.intervals, REASONS: uncertainty.reasons}
            rows.append({**row, **known})
        else:
            rows.append(row)
    ranked = [row for row in rows if row["rank"] is not None]
    spread = [found[row["run_id"]].sorted_by for row in ranked if row.get("run_id") in found]
    draws = [one for one in spread if one is not None]
    if draws and len(draws) == len(ranked):
        values = [row[SORT_KEYS[board.sort]] for row in ranked]
        for row, range in zip(ranked, rank_ranges(values, np.stack(draws), level), strict=True):
            row |= {"rank_first": range.first, "rank_last": range.last, "rank_range": str(range)}
    return replace(board, rows=tuple(rows), level=level)
