"""Uncertainty of a board: intervals of its metrics, and ranges of ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from robustbench_gnl.leaderboard.boards import Board, sort_keys
from robustbench_gnl.leaderboard.entries import Entry
from robustbench_gnl.metrics import Interval, column_ids
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Run

if TYPE_CHECKING:
    from robustbench_gnl.statistics import Replicates
    from robustbench_gnl.statistics.outcomes import Floats


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of one run, from its bootstrap replicates."""

    intervals: Mapping[str, Interval]
    """By metric path."""
    sorted_by: Floats | None
    """(n_resamples,): replicates of the metric that sorts the board; None if there are none."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a metric has no interval, by path."""


def uncertainties(
    pairs: Iterable[tuple[Run, Replicates]], reference: Reference, *, sort: str, level: float
) -> dict[str, Uncertainty]:
    """The uncertainty of each run by its id. Replicates are released run by run, to save memory."""
    from robustbench_gnl.statistics import linear_metrics, metric_intervals
    from robustbench_gnl.statistics.intervals import NO_SPREAD

    found = {}
    path_of_sort, shown = sort_keys()[sort], [one.path for one in column_ids(reference.suite)]
    fields_of = cache(partial(linear_metrics, reference=reference))  # most runs have the same cells
    for run, replicates in pairs:
        fields = fields_of(replicates.conditions)
        paths = [path for path in shown if path in fields]
        ends = metric_intervals(replicates, [fields[path] for path in paths], level)
        intervals = dict(zip(paths, ends, strict=True))
        sorted_by = fields.get(path_of_sort)
        found[run.id] = Uncertainty(
            {path: one for path, one in intervals.items() if one is not None},
            None if sorted_by is None else replicates.values(sorted_by),
            {path: NO_SPREAD for path, one in intervals.items() if one is None},
        )
    return found


def with_uncertainty(board: Board, found: Mapping[str, Uncertainty], level: float) -> Board:
    """The board with intervals, and with ranges of ranks if all ranked entries have replicates.

    Published results have none, so runs that are ranked among them keep plain ranks.

    Args:
        found: The uncertainty of runs by id.
    """
    import numpy as np

    from robustbench_gnl.statistics import rank_ranges

    known = [found.get(one.run.id) if one.run else None for one in board.entries]
    entries = [_with_intervals(*pair) for pair in zip(board.entries, known, strict=True)]
    ranked = [i for i, entry in enumerate(entries) if entry.rank is not None]
    spread = [one.sorted_by for i in ranked if (one := known[i]) is not None]
    draws = [one for one in spread if one is not None]
    if draws and len(draws) == len(ranked):
        values = [entries[i].value(board.sort_path) or 0.0 for i in ranked]
        for i, ranks in zip(ranked, rank_ranges(values, np.stack(draws), level), strict=True):
            entries[i] = replace(entries[i], ranks=ranks)
    return replace(board, entries=tuple(entries), level=level)


def _with_intervals(entry: Entry, known: Uncertainty | None) -> Entry:
    if known is None:
        return entry
    numbers = {
        path: replace(one, interval=known.intervals.get(path), reason=known.reasons.get(path))
        for path, one in entry.numbers.items()
    }
    return replace(entry, numbers=numbers, has_intervals=True)
