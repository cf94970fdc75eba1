"""Metrics that are weighted sums of cell errors, each with its weights.

All cells have the same images, so such a metric is a mean over images of a score
s_i = constant + sum over cells c of w_c wrong_ic. Resampling and paired tests need no more.
`metrics.catalogue` declares what each is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robustbench_gnl.metrics.catalogue import CORRUPTION_ERROR
from robustbench_gnl.metrics.expressions import MeanError
from robustbench_gnl.metrics.lookup import linear_expressions
from robustbench_gnl.metrics.metric import MetricId
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.metrics.unit import FRACTION, Unit
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.outcomes import Floats, Outcomes


@dataclass(frozen=True, eq=False)
class LinearMetric:
    """One number: constant + weights . errors."""

    name: str
    unit: Unit
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

    def scores(self, outcomes: Outcomes) -> Floats:
        """(n_images,): the score of each image; their mean is the number."""
        self.check_cells(outcomes.conditions)
        used = np.flatnonzero(self.weights)
        return self.weights[used] @ outcomes.wrong[used] + self.constant

    def check_cells(self, conditions: Sequence[Condition]) -> None:
        """Refuse cells in another order, whose weights would give a wrong number unseen.

        Raises:
            ValueError: It was made for other cells.
        """
        if tuple(conditions) != self.conditions:
            raise ValueError(
                f"expected the {len(self.conditions)} cells that the field {self.name!r} was made "
                f"for, in their order, got {len(conditions)} others; make it with "
                "linear_metrics(outcomes.conditions, reference)"
            )


def linear_metrics(
    conditions: Sequence[Condition], reference: Reference
) -> dict[str, LinearMetric]:
    """Every linear metric of the reference's suite that these cells allow, by its path in the JSON
    of a run: overall, of groups and corruptions, and the error of each cell.

    A metric whose cells are missing, or that the reference does not allow, is absent.
    """
    cells = tuple(conditions)
    present = frozenset(cells).__contains__
    found = {}
    for path, (one, expression) in linear_expressions(reference).items():
        weights = expression.weights(present)
        if weights is not None:
            found[path] = LinearMetric(path, one.metric.unit, cells, _row(weights, cells))
    for cell in cells:
        if not cell.is_clean and reference.suite.has_severities:
            path = MetricId(CORRUPTION_ERROR, cell.corruption, cell.severity).path
            found[path] = LinearMetric(path, FRACTION, cells, _row({cell: 1.0}, cells))
    return found


def mean_error_metric(
    name: str, conditions: Sequence[Condition], chosen: Iterable[Condition]
) -> LinearMetric:
    """The mean error of the chosen cells, which must be among the conditions."""
    weights = MeanError(tuple(chosen)).weights(lambda _: True) or {}
    return LinearMetric(name, FRACTION, tuple(conditions), _row(weights, conditions))


def _row(weights: Mapping[Condition, float], conditions: Sequence[Condition]) -> Floats:
    place = {condition: i for i, condition in enumerate(conditions)}
    row = np.zeros(len(conditions))
    for condition, weight in weights.items():
        row[place[condition]] = weight
    return row
