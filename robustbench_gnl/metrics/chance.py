"""Detection of models whose accuracy is near chance where trained models are far above it."""

from __future__ import annotations

import math

from robustbench_gnl.errors import option
from robustbench_gnl.records import CLEAN, Cell, Run
from robustbench_gnl.suites import Suite, suite_of


def is_near_chance(n_right: int, n_images: int, n_classes: int) -> bool:
    """Whether an accuracy is at most three standard errors above chance, or at most 5 %.

    The cause is nearly always a mistake in the setup, such as another order of classes. Metrics
    that subtract the clean error, or are predicted from it, have no meaning for such a model.

    Args:
        n_classes: Number of classes that the model chooses from.
    """
    chance = 1 / n_classes
    spread = 3 * math.sqrt(chance * (1 - chance) / n_images)
    return n_right / n_images <= max(0.05, chance + spread)


def chance_cell(run: Run) -> Cell | None:
    """The cell that shows whether the model is near chance; None if it was not evaluated, or the
    suite has no such condition."""
    condition = suite_of(run.protocol).chance_condition
    return None if condition is None else run.cells.get(condition)


def is_run_near_chance(run: Run) -> bool:
    """Whether the model of a run is near chance; False if that is unknown."""
    cell = chance_cell(run)
    if cell is None:
        return False
    n_classes = n_candidates(suite_of(run.protocol), run.model.n_classes)
    return is_near_chance(cell.n_top1, cell.n_images, n_classes)


def n_candidates(suite: Suite, n_classes: int) -> int:
    """Number of classes that a model with `n_classes` outputs chooses from."""
    return n_classes if suite.labels.subset is None else len(suite.labels.subset)


def images_of(suite: Suite) -> str:
    """The images of `suite.chance_condition` in a sentence: `clean images`."""
    return "clean images" if suite.chance_condition == CLEAN else f"images of {suite.title}"


def near_chance_warning(
    model_name: str, suite: Suite, n_right: int, n_images: int, n_classes: int
) -> str | None:
    """A warning if the accuracy on the first images is near chance, else None."""
    n_classes = n_candidates(suite, n_classes)
    if not is_near_chance(n_right, n_images, n_classes):
        return None
    return (
        f"{model_name} is right on {n_right / n_images:.1%} of the first {images_of(suite)}, "
        f"near chance ({1 / n_classes:.1%}). The usual causes: another order of classes, "
        f"another normalisation ({option('mean')}, {option('std')}), or the wrong checkpoint"
    )
