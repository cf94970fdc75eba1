"""Expressions of linear metrics: means, ratios and differences of the errors of cells.

An expression can be evaluated in two ways, and a test compares them. `value` follows the formula of
the paper with exactly rounded sums, and needs no numerical library. `weights` writes the same
number as a weighted sum of cell errors. Resampling and paired tests need this form: all cells have
the same images, so the sum is a mean over images of a weighted sum of outcomes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from robustbench_gnl.records import CLEAN, Condition

Errors = Mapping[Condition, float]
"""Top-1 error in [0, 1] of each complete cell."""
Weights = dict[Condition, float]


class Expression(ABC):
    """A number that is computed from cell errors."""

    @property
    @abstractmethod
    def needs(self) -> tuple[Condition, ...]:
        """The cells that it is computed from."""

    @abstractmethod
    def value(self, errors: Errors) -> float | None:
        """The number; None where a cell, or what it divides by, is missing."""

    @abstractmethod
    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        """The weight of each cell, given which are present; None where the number is undefined."""

    @property
    def uses_reference(self) -> bool:
        """Whether it divides by the errors of the reference."""
        return False

    @property
    def uses_reference_clean(self) -> bool:
        """Whether it needs the reference's clean error."""
        return False


@dataclass(frozen=True)
class CellError(Expression):
    """The error of one cell."""

    condition: Condition

    @property
    def needs(self) -> tuple[Condition, ...]:
        return (self.condition,)

    def value(self, errors: Errors) -> float | None:
        return errors.get(self.condition)

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        return {self.condition: 1.0} if present(self.condition) else None


@dataclass(frozen=True)
class MeanError(Expression):
    """The mean error of several cells, such as the severities of a corruption."""

    conditions: tuple[Condition, ...]
    is_partial: bool = False
    """Whether missing cells are left out of the mean, as long as one is present."""

    @property
    def needs(self) -> tuple[Condition, ...]:
        return self.conditions

    def value(self, errors: Errors) -> float | None:
        present = _present(errors, self.conditions)
        if not present or (len(present) < len(self.conditions) and not self.is_partial):
            return None
        return math.fsum(present) / len(present)

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        averaged = [condition for condition in self.conditions if present(condition)]
        if not averaged or (len(averaged) < len(self.conditions) and not self.is_partial):
            return None
        return dict.fromkeys(averaged, 1 / len(averaged))


@dataclass(frozen=True)
class CorruptionError(Expression):
    """CE in percent: the ratio of the sums over severities, never a mean of ratios."""

    conditions: tuple[Condition, ...]
    reference_sum: float | None
    """Sum of the reference's errors over the same severities; None if unknown."""

    @property
    def needs(self) -> tuple[Condition, ...]:
        return self.conditions

    @property
    def uses_reference(self) -> bool:
        return True

    def value(self, errors: Errors) -> float | None:
        present = _present(errors, self.conditions)
        if not self.reference_sum or len(present) < len(self.conditions):
            return None
        return 100 * (math.fsum(present) / self.reference_sum)

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        if not self.reference_sum or not all(map(present, self.conditions)):
            return None
        return dict.fromkeys(self.conditions, 100 / self.reference_sum)


@dataclass(frozen=True)
class RelativeCorruptionError(Expression):
    """Relative CE in percent: what a corruption adds to the clean error, relative to the
    reference."""

    conditions: tuple[Condition, ...]
    reference_sum: float | None
    reference_clean: float | None

    @property
    def needs(self) -> tuple[Condition, ...]:
        return (CLEAN, *self.conditions)

    @property
    def uses_reference(self) -> bool:
        return True

    @property
    def uses_reference_clean(self) -> bool:
        return True

    @property
    def _reference_loss(self) -> float | None:
        """The sum of the reference's errors minus its clean error for each of them."""
        if not self.reference_sum or self.reference_clean is None:
            return None
        return self.reference_sum - len(self.conditions) * self.reference_clean

    def value(self, errors: Errors) -> float | None:
        reference_loss, clean = self._reference_loss, errors.get(CLEAN)
        present = _present(errors, self.conditions)
        if not reference_loss or clean is None or len(present) < len(self.conditions):
            return None
        loss = math.fsum(present) - len(self.conditions) * clean
        return 100 * (loss / reference_loss)

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        loss = self._reference_loss
        if not loss or not all(map(present, self.needs)):
            return None
        clean = -100 * len(self.conditions) / loss
        return dict.fromkeys(self.conditions, 100 / loss) | {CLEAN: clean}


@dataclass(frozen=True)
class Mean(Expression):
    """The mean of other expressions, all of which must be defined."""

    parts: tuple[Expression, ...]

    @property
    def needs(self) -> tuple[Condition, ...]:
        return tuple(dict.fromkeys(cell for part in self.parts for cell in part.needs))

    @property
    def uses_reference(self) -> bool:
        return any(part.uses_reference for part in self.parts)

    @property
    def uses_reference_clean(self) -> bool:
        return any(part.uses_reference_clean for part in self.parts)

    def value(self, errors: Errors) -> float | None:
        return mean(part.value(errors) for part in self.parts)

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        return _sum((part.weights(present), 1 / len(self.parts)) for part in self.parts)


@dataclass(frozen=True)
class Difference(Expression):
    """One expression minus another."""

    minuend: Expression
    subtrahend: Expression

    @property
    def needs(self) -> tuple[Condition, ...]:
        return tuple(dict.fromkeys((*self.minuend.needs, *self.subtrahend.needs)))

    @property
    def uses_reference(self) -> bool:
        return self.minuend.uses_reference or self.subtrahend.uses_reference

    @property
    def uses_reference_clean(self) -> bool:
        return self.minuend.uses_reference_clean or self.subtrahend.uses_reference_clean

    def value(self, errors: Errors) -> float | None:
        minuend, subtrahend = self.minuend.value(errors), self.subtrahend.value(errors)
        return None if minuend is None or subtrahend is None else minuend - subtrahend

    def weights(self, present: Callable[[Condition], bool]) -> Weights | None:
        return _sum(
            [(self.minuend.weights(present), 1.0), (self.subtrahend.weights(present), -1.0)]
        )


def _present(errors: Errors, conditions: tuple[Condition, ...]) -> list[float]:
    """The errors of those cells that are there."""
    # One look-up a cell: it is by far the most frequent step of a leaderboard of many runs.
    return [error for condition in conditions if (error := errors.get(condition)) is not None]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean; None where any value is None, or there are none."""
    # Without a partial mean: one of fewer corruptions would be compared with one of all.
    present: list[float] = []
    for value in values:
        if value is None:
            return None
        present.append(value)
    return math.fsum(present) / len(present) if present else None


def _sum(terms: Iterable[tuple[Weights | None, float]]) -> Weights | None:
    total: Weights = {}
    is_empty = True
    for weights, factor in terms:
        if weights is None:
            return None
        is_empty = False
        for cell, weight in weights.items():
            total[cell] = total.get(cell, 0.0) + factor * weight
    return None if is_empty else total
