"""Whether a model predicts hardly better than one that guesses."""

from __future__ import annotations

import math


def is_near_chance(n_right: int, n_images: int, n_classes: int) -> bool:
    """Whether a model is right on clean images hardly more often than one that guesses: by no
    more than three standard errors, or on no more than 5 % of them.

    Such a model is nearly always a mistake of the set-up, and what is its clean error subtracted
    from, or predicted by it, means nothing.
    """
    chance = 1 / n_classes
    spread = 3 * math.sqrt(chance * (1 - chance) / n_images)
    return n_right / n_images <= max(0.05, chance + spread)
