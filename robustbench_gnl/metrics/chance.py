"""Detection of models whose accuracy on clean images is near chance."""

from __future__ import annotations

import math

from robustbench_gnl.errors import option
from robustbench_gnl.records import CLEAN, Run


def is_near_chance(n_right: int, n_images: int, n_classes: int) -> bool:
    """Whether the accuracy on clean images is at most three standard errors above chance, or at
    most 5 %.

    The cause is nearly always a mistake in the setup, such as another order of classes. Metrics
    that subtract the clean error, or are predicted from it, have no meaning for such a model.
    """
    chance = 1 / n_classes
    spread = 3 * math.sqrt(chance * (1 - chance) / n_images)
    return n_right / n_images <= max(0.05, chance + spread)


def is_run_near_chance(run: Run) -> bool:
    """Whether the model of a run is near chance on clean images; False without them."""
    clean = run.cells.get(CLEAN)
    return clean is not None and is_near_chance(clean.n_top1, clean.n_images, run.model.n_classes)


def near_chance_warning(model_name: str, n_right: int, n_images: int, n_classes: int) -> str | None:
    """A warning if the accuracy on the first clean images is near chance, else None."""
    if not is_near_chance(n_right, n_images, n_classes):
        return None
    return (
        f"{model_name} is right on {n_right / n_images:.1%} of the first clean images, "
        f"near chance ({1 / n_classes:.1%}). The usual causes: another order of classes, "
        f"another normalisation ({option('mean')}, {option('std')}), or the wrong checkpoint"
    )
