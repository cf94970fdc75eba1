"""The numbers that are weighted sums of cell errors, each with its weights.

All cells judge the same images, so such a number is a mean over images of a score
s_i = constant + sum over cells c of w_c wrong_ic. Resampling and paired tests need no more.
CE, mCE and relative mCE are those of Hendrycks & Dietterich 2019, as in `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import corruptions
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.reference import Reference
from robustbench_gnl.statistics.evidence import Evidence, Floats

Unit = Literal["fraction", "percent"]
_Weights = dict[Condition, float]


@dataclass(frozen=True, eq=False)
class LinearField:
    """One number: constant + weights . errors."""

    name: str
    unit: Unit
    """`fraction`: an error in [0, 1] or a difference of two; `percent`: a CE, reference = 100."""
    conditions: tuple[Condition, ...]
    """The cells it was made for."""
    weights: Floats
    """(n_cells,), in their order."""
    constant: float = 0.0

    @property
    def step(self) -> float:
        """The size of all differences of an image but 0, where they have one size: the weight
        of a single cell. 0 where they have several."""
        used = self.weights[self.weights != 0]
        return abs(float(used[0])) if len(used) == 1 else 0.0

    def value(self, errors: NDArray[np.floating]) -> Floats:
        """(...): the number, of the errors (..., n_cells) of its cells."""
        return np.asarray(errors @ self.weights + self.constant, np.float64)

    def scores(self, evidence: Evidence) -> Floats:
        """(n_images,): the score of each image; their mean is the number."""
        self.check_cells(evidence.conditions)
        used = np.flatnonzero(self.weights)
        return self.weights[used] @ evidence.wrong[used] + self.constant

    def check_cells(self, conditions: Sequence[Condition]) -> None:
        """Refuse cells in another order, whose weights would give a wrong number unseen.

        Raises:
            ValueError: It was made for other cells.
        """
        if tuple(conditions) != self.conditions:
            raise ValueError(
                f"expected the {len(self.conditions)} cells that the field {self.name!r} was made "
                f"for, in their order, got {len(conditions)} others; make it with "
                "linear_fields(evidence.conditions, reference)"
            )


def linear_fields(conditions: Sequence[Condition], reference: Reference) -> dict[str, LinearField]:
    """Every linear number that these cells allow, by its path in the JSON of a run.

    `clean_error`, `mean_corruption_error`, `robustness_gap` (mean corruption error less clean
    error), `mce`, `relative_mce`, `mean_error_19`, `groups.<group>` (mean CE),
    `corruptions.<name>.error|ce|relative_ce`, `corruptions.<name>.severities.<1 to 5>`.
    A number whose cells are missing, or that the reference does not allow, is absent.
    """
    present = set(conditions)
    return {
        name: LinearField(name, unit, tuple(conditions), _row(weights, conditions))
        for name, unit, weights in _numbers(present, reference)
    }


def mean_error_field(
    name: str, conditions: Sequence[Condition], chosen: Iterable[Condition]
) -> LinearField:
    """The mean error of the chosen cells, which must be among the conditions."""
    weights = _row(_mean(list(chosen)), conditions)
    return LinearField(name, "fraction", tuple(conditions), weights)


def _numbers(present: set[Condition], reference: Reference) -> Iterator[tuple[str, Unit, _Weights]]:
    common, extra = corruptions.names("common"), corruptions.names("extra")
    clean = {CLEAN: 1.0} if CLEAN in present else None
    if clean:
        yield "clean_error", "fraction", clean
    errors: dict[str, _Weights] = {}
    ces: dict[str, _Weights] = {}
    relative_ces: dict[str, _Weights] = {}
    for name in common + extra:
        cells = conditions_of((name,), corruptions.SEVERITIES)
        there = [cell for cell in cells if cell in present]
        if there:
            yield f"corruptions.{name}.error", "fraction", _mean(there)
        for cell in there:
            yield f"corruptions.{name}.severities.{cell.severity}", "fraction", {cell: 1.0}
        if len(there) < len(cells):
            continue
        errors[name] = _mean(there)
        _add_ces(name, there, clean, reference, ces, relative_ces)
    for name, weights in ces.items():
        yield f"corruptions.{name}.ce", "percent", weights
    for name, weights in relative_ces.items():
        yield f"corruptions.{name}.relative_ce", "percent", weights
    yield from _means(errors, ces, relative_ces, clean)


def _add_ces(
    name: str,
    cells: Sequence[Condition],
    clean: _Weights | None,
    reference: Reference,
    ces: dict[str, _Weights],
    relative_ces: dict[str, _Weights],
) -> None:
    reference_sum = reference.error_sum(name)
    if not reference_sum:
        return
    ces[name] = dict.fromkeys(cells, 100 / reference_sum)
    if not clean or reference.clean_error is None:
        return
    loss = reference_sum - len(cells) * reference.clean_error
    if loss:
        relative_ces[name] = dict.fromkeys(cells, 100 / loss) | {CLEAN: -100 * len(cells) / loss}


def _means(
    errors: Mapping[str, _Weights],
    ces: Mapping[str, _Weights],
    relative_ces: Mapping[str, _Weights],
    clean: _Weights | None,
) -> Iterator[tuple[str, Unit, _Weights]]:
    """The means over corruptions that are all there."""
    common = corruptions.names("common")
    for name, unit, members, parts in (
        ("mean_corruption_error", "fraction", common, errors),
        ("mce", "percent", common, ces),
        ("relative_mce", "percent", common, relative_ces),
        ("mean_error_19", "fraction", corruptions.names("all"), errors),
        *((f"groups.{group}", "percent", corruptions.names(group), ces) for group in GROUPS),
    ):
        if all(member in parts for member in members):
            mean = _sum((parts[member], 1 / len(members)) for member in members)
            yield name, unit, mean  # type: ignore[misc]
            if clean and name == "mean_corruption_error":
                yield "robustness_gap", "fraction", _sum([(mean, 1.0), (clean, -1.0)])


def _mean(cells: Sequence[Condition]) -> _Weights:
    return dict.fromkeys(cells, 1 / len(cells))


def _sum(terms: Iterable[tuple[_Weights, float]]) -> _Weights:
    total: _Weights = {}
    for weights, factor in terms:
        for cell, weight in weights.items():
            total[cell] = total.get(cell, 0.0) + factor * weight
    return total


def _row(weights: Mapping[Condition, float], conditions: Sequence[Condition]) -> Floats:
    place = {condition: i for i, condition in enumerate(conditions)}
    row = np.zeros(len(conditions))
    for condition, weight in weights.items():
        row[place[condition]] = weight
    return row
