"""The comparison of two runs of one protocol: differences of all metrics and tests of all cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from robustbench_gnl.contents import differing_cells
from robustbench_gnl.errors import UsageError
from robustbench_gnl.levels import LEVEL
from robustbench_gnl.metrics.catalogue import MEAN_ERROR
from robustbench_gnl.metrics.lookup import ids_by_path
from robustbench_gnl.metrics.quantities import BLOCK_QUANTITIES, Quantity
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import Condition, Protocol, Run
from robustbench_gnl.statistics.differences import (
    CellTest,
    Difference,
    cell_tests,
    differences,
    mark_of,
)
from robustbench_gnl.statistics.intervals import ids_of_quantity
from robustbench_gnl.statistics.jackknife import OTHER_BLOCKS, block_values
from robustbench_gnl.statistics.linear_metrics import (
    LinearMetric,
    linear_metrics,
    mean_error_metric,
)
from robustbench_gnl.statistics.outcomes import Outcomes, common_cells
from robustbench_gnl.suites import DEFAULT_SUITE, Suite


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline, on the cells that both have."""

    cells: tuple[Condition, ...]
    left_out: tuple[Condition, ...]
    """Cells that only one of them has."""
    differences: dict[str, Difference]
    """By name, as in `linear_metrics` and `block_numbers`; a corruption's error and CE, not its
    severities."""
    cell_tests: tuple[CellTest, ...]
    level: float
    suite: Suite = DEFAULT_SUITE


def compare(
    baseline: Outcomes, candidate: Outcomes, reference: Reference, *, level: float = LEVEL
) -> Comparison:
    """Compare two runs of one protocol.

    Raises:
        UsageError: No complete cell is in both.
    """
    cells = common_cells(baseline, candidate)
    if not cells:
        raise UsageError("the two runs share no complete cell, so there is nothing to compare")
    left_out = {*baseline.conditions, *candidate.conditions} - set(cells)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    suite = reference.suite
    fields = _compared(linear_metrics(cells, reference), suite)
    corrupted = [cell for cell in cells if not cell.is_clean]
    # With all cells this mean is among the linear metrics already.
    if corrupted and not suite.is_complete(cells):
        fields[MEAN_ERROR.key] = mean_error_metric(MEAN_ERROR.key, cells, corrupted)
    found = differences(baseline, candidate, fields, level=level)
    for quantity in BLOCK_QUANTITIES:
        found |= block_differences(baseline, candidate, quantity, suite, level=level)
    return Comparison(
        cells=cells,
        left_out=tuple(sorted(left_out)),
        differences=found,
        cell_tests=cell_tests(baseline, candidate, level=level),
        level=level,
        suite=suite,
    )


def block_differences(
    baseline: Outcomes,
    candidate: Outcomes,
    quantity: Quantity,
    suite: Suite,
    *,
    level: float = LEVEL,
) -> dict[str, Difference]:
    """The differences of a quantity that is kept by block, in the metrics of the whole runs."""
    before, after = block_values(baseline, quantity), block_values(candidate, quantity)
    change = after.minus(before) if after.has_blocks_of(before) else None
    found = {}
    for id_, cells in ids_of_quantity(baseline.conditions, quantity, suite):
        if not id_.metric.is_compared:
            continue
        name = id_.path
        one, other = before.mean(cells).value, after.mean(cells).value
        mean = None if change is None else change.mean(cells)
        interval = None if mean is None else mean.interval(level)
        found[name] = Difference(
            field=name,
            baseline=one,
            candidate=other,
            difference=other - one,
            interval=interval,
            n_differing=None,
            mark="untested" if interval is None else mark_of(interval),
            reason=OTHER_BLOCKS if mean is None else mean.reason,
        )
    return found


def check_protocols(protocols: Iterable[tuple[str, Protocol]]) -> None:
    """Raise UsageError for runs of different protocols, with the fields that differ.

    Args:
        protocols: What a run is called, and its protocol.

    Raises:
        UsageError: They are not all the same.
    """
    (first_name, first), *others = protocols
    for name, protocol in others:
        if protocol.fingerprint != first.fingerprint:
            differing = first.differences(protocol)
            listed = "; ".join(
                f"{field}: {_shown(mine)} and {_shown(theirs)}"
                for field, (mine, theirs) in differing.items()
            )
            raise UsageError(
                f"{first_name} and {name} were evaluated under different protocols, and their "
                f"numbers are not comparable: {listed}. Evaluate both with the same settings, or "
                "name other runs (`gnlbench runs list`)",
                differences=differing,
            )


def check_comparable(runs: Sequence[tuple[str, Run]]) -> None:
    """Refuse runs of different protocols, and runs that read other files of the same names.

    Args:
        runs: What a run is called, and the run.

    Raises:
        UsageError: They cannot be compared.
    """
    check_protocols((name, run.protocol) for name, run in runs)
    for (one_name, one), (other_name, other) in combinations(runs, 2):
        differing = differing_cells(one, other)
        if differing:
            more = f" and {len(differing) - 1} more cells" if len(differing) > 1 else ""
            raise UsageError(
                f"{one_name} and {other_name} read different image files of the same names (for "
                f"{differing[0]}{more}): these are different image sets, and the numbers are not "
                "comparable. Evaluate both on the same files, or name other runs "
                "(`gnlbench runs list`)",
                cells=tuple(differing),
            )


def _shown(value: object) -> str:
    """A fingerprint is shortened to its first letters."""
    text = str(value)
    return text[:8] if len(text) == 64 else text


def _compared(fields: dict[str, LinearMetric], suite: Suite) -> dict[str, LinearMetric]:
    """Without what the catalogue leaves out of comparisons, and without single cells, which have
    tests of their own."""
    known = ids_by_path(suite)
    return {
        path: field
        for path, field in fields.items()
        if known[path].metric.is_compared and known[path].severity is None
    }
