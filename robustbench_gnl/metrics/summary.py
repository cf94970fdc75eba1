"""The linear metrics of a run, computed from the counts of its cells without NumPy.

Errors are fractions in [0, 1]; CE, mCE and relative CE are percent, reference = 100.
An undefined metric is None, and `Summary.reasons` says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from robustbench_gnl.contents import cell_digests
from robustbench_gnl.metrics.catalogue import CE, CORRUPTION_ERROR, MCE, RELATIVE_CE
from robustbench_gnl.metrics.expressions import Expression
from robustbench_gnl.metrics.lookup import linear_expressions
from robustbench_gnl.metrics.metric import MetricId
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import CLEAN, Cell, Condition, Piece, Run
from robustbench_gnl.suites import Suite

Cells = Mapping[Condition, Cell]
MOST_NAMES = 6
"""A reason that concerns more corruptions than this gives their number instead of their names."""


@dataclass(frozen=True)
class CorruptionSummary:
    """One corruption."""

    severities: tuple[float | None, ...]
    """Error at each severity; None where it was not evaluated."""
    error: float | None
    """Mean over the severities that were evaluated."""
    ce: float | None
    relative_ce: float | None


@dataclass(frozen=True)
class Summary:
    """The linear metrics of one run, as tables show them."""

    reference: Reference
    values: Mapping[str, float | None]
    """By the path of the metric in JSON; without the severities of corruptions."""
    errors: Mapping[Condition, float]
    """Top-1 error of each complete cell."""

    @property
    def suite(self) -> Suite:
        return self.reference.suite

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """The reason why a value is None, by path."""
        # Computed when it is needed: a leaderboard of many runs shows none.
        expressions = linear_expressions(self.reference)
        return {
            path: why_undefined(expressions[path][1], self.errors, self.reference)
            for path, value in self.values.items()
            if value is None
        }

    @cached_property
    def n_main_cells(self) -> int:
        """How many of the suite's main conditions are complete."""
        return sum(condition in self.errors for condition in self.suite.main_conditions)

    @property
    def is_complete(self) -> bool:
        """Whether the run has all main conditions of the suite."""
        return self.n_main_cells == len(self.suite.main_conditions)

    @cached_property
    def groups(self) -> Mapping[str, float | None]:
        """Mean CE of each group."""
        return {group: self.values[f"groups.{group}"] for group in self.suite.groups}

    @cached_property
    def corruptions(self) -> Mapping[str, CorruptionSummary]:
        """The main ones, and those of the extra ones that were evaluated."""
        if not self.suite.has_severities:
            return {}
        return {
            name: CorruptionSummary(
                tuple(self.errors.get(cell) for cell in self.suite.conditions_of(name)),
                *(
                    self.values[MetricId(metric, name).path]
                    for metric in (CORRUPTION_ERROR, CE, RELATIVE_CE)
                ),
            )
            for name in _shown(self.suite, self.errors)
        }

    def value(self, one: MetricId) -> float | None:
        """The value of a metric; None if it is undefined, or not of this suite."""
        return self.values.get(one.path)

    def __getattr__(self, key: str) -> Any:
        """An overall metric by its key; None if it is undefined.

        Raises:
            AttributeError: The suite has no such metric.
        """
        # Private names are asked for by copy and pickle before `values` is there.
        if key.startswith("_") or "values" not in self.__dict__:
            raise AttributeError(key)
        if key in self.values:
            return self.values[key]
        raise AttributeError(f"{self.suite.title} has no metric {key!r}")


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


def summary_of(run: Run, reference: Reference | None = None) -> Summary:
    """The linear metrics of a run of any suite.

    Args:
        reference: The reference whose errors CE divides by; None: that of the suite.
    """
    reference = (reference or default_reference()).for_protocol(run.protocol)
    return summarize(run.cells, reference)


def summarize(cells: Cells, reference: Reference) -> Summary:
    """Every linear metric of a run; `reasons` says why one is undefined.

    Args:
        cells: The complete cells of a run.
        reference: `Reference.for_protocol` of the run's protocol; it carries the suite.
    """
    suite = reference.suite
    # A cell without images has no error: all of its images may have been unreadable.
    errors = {condition: cell.error for condition, cell in cells.items() if cell.n_images}
    shown = _shown(suite, errors)
    values = {
        path: expression.value(errors)
        for path, (one, expression) in linear_expressions(reference).items()
        if not one.of or one.of in suite.groups or one.of in shown
    }
    return Summary(reference, values, errors)


def worst_corruption(summary: Summary) -> str | None:
    """The main corruption with the highest CE; of runs without mCE, with the highest error."""
    # All by one metric: a CE and an error cannot be compared with each other.
    by = CE if summary.values.get(MCE.key) is not None else CORRUPTION_ERROR
    paths = {name: MetricId(by, name).path for name in summary.suite.corruptions}
    known = {
        name: value
        for name, path in paths.items()
        if (value := summary.values.get(path)) is not None
    }
    return max(known, key=lambda name: known[name], default=None)


def _shown(suite: Suite, errors: Mapping[Condition, float]) -> tuple[str, ...]:
    """The main corruptions, and those of the extra ones that were evaluated."""
    evaluated = {condition.corruption for condition in errors}
    return suite.corruptions + tuple(n for n in suite.extra_corruptions if n in evaluated)


def why_undefined(
    expression: Expression, errors: Mapping[Condition, float], reference: Reference
) -> str:
    """The reason why a metric is None, as one sentence."""
    if expression.uses_reference and not reference.is_defined:
        return reference.protocol
    # What the user can change comes first: the run's own cells, then the reference's.
    needed = expression.needs
    missing = _missing([c for c in needed if c != CLEAN], errors)
    if CLEAN in needed and CLEAN not in errors:
        missing.insert(0 if needed[0] == CLEAN else len(missing), f"{CLEAN} was not evaluated")
    if missing:
        return "; ".join(missing)
    names = dict.fromkeys(c.corruption for c in needed if c != CLEAN)
    unknown = [name for name in names if reference.error_sum(name) is None]
    if unknown:
        return f"{reference.name} has no errors for {', '.join(unknown)}"
    if expression.uses_reference_clean and reference.clean_error is None:
        return f"{reference.name} has no clean error"
    return f"the error of {reference.name} does not increase there: there is nothing to divide by"


def _missing(needed: Sequence[Condition], errors: Mapping[Condition, float]) -> list[str]:
    """What was not evaluated, one phrase a kind."""
    by_name: dict[str, list[Condition]] = {}
    for condition in needed:
        by_name.setdefault(condition.corruption, []).append(condition)
    absent = [name for name, cells in by_name.items() if not any(c in errors for c in cells)]
    phrases = []
    if len(absent) > MOST_NAMES:
        phrases.append(f"{len(absent)} of {len(by_name)} corruptions were not evaluated")
    elif absent:
        phrases.append(f"{', '.join(absent)} {'was' if len(absent) == 1 else 'were'} not evaluated")
    for name, cells in by_name.items():
        gaps = [str(cell.severity) for cell in cells if cell not in errors]
        if gaps and name not in absent:
            one = len(gaps) == 1
            phrases.append(
                f"{'severity' if one else 'severities'} {', '.join(gaps)} of {name} "
                f"{'is' if one else 'are'} missing"
            )
    return phrases
