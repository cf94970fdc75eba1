"""What is said of a run whose network does little more than guess on clean images."""

from __future__ import annotations

from robustbench_gnl.metrics.chance import is_run_near_chance as is_run_near_chance
from robustbench_gnl.records import CLEAN, Run
from robustbench_gnl.reports.formats import as_fraction_percent


def chance_lines(run: Run, name: str | None = None) -> list[str]:
    """A sentence of a network that is near chance on clean images, else nothing."""
    if not is_run_near_chance(run):
        return []
    accuracy = as_fraction_percent(1 - run.cells[CLEAN].error)
    return [
        f"{name or run.model.name} is right on {accuracy} % of the clean images, which is near "
        f"chance ({as_fraction_percent(1 / run.model.n_classes)} %)."
    ]
