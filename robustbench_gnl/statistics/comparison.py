"""Two runs of one protocol side by side: every number that both have, and every cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from robustbench_gnl.contents import differing_cells
from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.records import CLEAN, COMMON_CONDITIONS, Condition, Protocol, Run
from robustbench_gnl.reference import Reference
from robustbench_gnl.statistics.bootstrap import LEVEL
from robustbench_gnl.statistics.evidence import Evidence, common_cells
from robustbench_gnl.statistics.intervals import cells_by_name
from robustbench_gnl.statistics.jackknife import KINDS, OTHER_BLOCKS, Kind, block_values
from robustbench_gnl.statistics.linear import LinearField, linear_fields, mean_error_field
from robustbench_gnl.statistics.paired import (
    CellTest,
    Difference,
    cell_tests,
    differences,
    mark_of,
)

SHARED = "error"
"""The mean error over the corruption cells that both have, where that is no mean over the 15."""
OVERALL = (
    "clean_error",
    SHARED,
    "mean_corruption_error",
    "mean_error_19",
    "mce",
    "relative_mce",
    "robustness_gap",
)


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline, on the cells that both have."""

    cells: tuple[Condition, ...]
    left_out: tuple[Condition, ...]
    """Cells that only one of them has."""
    differences: dict[str, Difference]
    """By name, as in `linear_fields` and `block_numbers`; a corruption's error and CE, not its
    severities."""
    cell_tests: tuple[CellTest, ...]
    level: float


def compare(
    baseline: Evidence, candidate: Evidence, reference: Reference, *, level: float = LEVEL
) -> Comparison:
    """Compare two runs of one protocol.

    Raises:
        UsageError: They share no cell.
    """
    cells = common_cells(baseline, candidate)
    if not cells:
        raise UsageError("the two runs share no complete cell, so there is nothing to compare")
    left_out = {*baseline.conditions, *candidate.conditions} - set(cells)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    fields = _compared(linear_fields(cells, reference))
    corrupted = [cell for cell in cells if not cell.is_clean]
    if corrupted and "mean_corruption_error" not in fields:
        fields[SHARED] = mean_error_field(SHARED, cells, corrupted)
    found = differences(baseline, candidate, fields, level=level)
    for kind in KINDS:
        found |= block_differences(baseline, candidate, kind, level=level)
    return Comparison(
        cells=cells,
        left_out=tuple(sorted(left_out)),
        differences=found,
        cell_tests=cell_tests(baseline, candidate, level=level),
        level=level,
    )


def block_differences(
    baseline: Evidence, candidate: Evidence, kind: Kind, *, level: float = LEVEL
) -> dict[str, Difference]:
    """The differences of a kind of number that is kept by block: clean, and the mean over the
    15 corruptions."""
    before, after = block_values(baseline, kind), block_values(candidate, kind)
    change = after.less(before) if after.has_blocks_of(before) else None
    found = {}
    for name, cells in cells_by_name(baseline.conditions, kind):
        if cells not in ([CLEAN], list(COMMON_CONDITIONS)):
            continue
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
    """Refuse runs whose protocols differ, saying in what.

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
                f"numbers are not comparable: {listed}. Evaluate both alike, or name other runs "
                "(`gnlbench runs list`)",
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
    """A fingerprint by its first letters, anything else as it is."""
    text = str(value)
    return text[:8] if len(text) == 64 else text


def _compared(fields: dict[str, LinearField]) -> dict[str, LinearField]:
    wanted = {*OVERALL, *(f"groups.{group}" for group in GROUPS)}
    return {
        name: field
        for name, field in fields.items()
        if name in wanted or (name.startswith("corruptions.") and name.endswith((".error", ".ce")))
    }
