"""Simulated runs: images with difficulties of their own, which all cells share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from robustbench_gnl.records import (
    CLEAN,
    N_CALIBRATION_BINS,
    Calibration,
    Condition,
    Piece,
)
from robustbench_gnl.statistics import LinearMetric, Outcomes, outcomes_of
from robustbench_gnl.suites import DEFAULT_SUITE

ALL_CELLS = (CLEAN, *DEFAULT_SUITE.main_conditions)


def pieces_of(
    wrong: NDArray[np.bool_], conditions: Sequence[Condition], *, block_size: int = 64
) -> list[Piece]:
    """The pieces of a run with these bits (n_cells, n_images); other facts are made up."""
    pieces = []
    for row, condition in zip(wrong, conditions, strict=True):
        for block, start in enumerate(range(0, wrong.shape[1], block_size)):
            right = ~row[start : start + block_size]
            n, n_top1 = len(right), int(right.sum())
            last = N_CALIBRATION_BINS - 1
            pieces.append(
                Piece(
                    block=block,
                    condition=condition,
                    n_images=n,
                    n_top1=n_top1,
                    n_top5=(n + n_top1) // 2,
                    negative_log_likelihood_sum=2.5 * (n - n_top1) + 0.1 * n_top1,
                    calibration=Calibration(
                        (0,) * last + (n,), (0,) * last + (n_top1,), (0.0,) * last + (0.97 * n,)
                    ),
                    correct=np.packbits(right).tobytes(),
                    digest="0" * 64,
                    seconds=0.0,
                )
            )
    return pieces


def outcomes_from(
    wrong: NDArray[np.bool_], conditions: Sequence[Condition], *, block_size: int = 64
) -> Outcomes:
    return outcomes_of(pieces_of(wrong, conditions, block_size=block_size), wrong.shape[1])


def chances(
    rng: np.random.Generator, n_images: int, conditions: Sequence[Condition] = ALL_CELLS
) -> NDArray[np.float64]:
    """(n_cells, n_images): the chance that an image is wrong in a cell.

    An image's difficulty is drawn from Beta(0.6, 0.9) and shared by its cells, as networks
    find the same photographs hard; severity moves all of them.
    """
    difficulty = rng.beta(0.6, 0.9, n_images).clip(1e-6, 1 - 1e-6)
    odds = np.log(difficulty / (1 - difficulty))
    shift = np.array([0.55 * condition.severity - 1.8 for condition in conditions])
    own = rng.normal(0.0, 0.7, (len(conditions), n_images))
    return 1 / (1 + np.exp(-(odds + shift[:, None] + own)))


def draw(rng: np.random.Generator, chance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One run's bits from these chances."""
    return rng.random(chance.shape) < chance


def harder(chance: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """These chances with the odds of every image worse by exp(shift)."""
    return 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + shift)))


def shift_for(field: LinearMetric, change: float, *, n_images: int = 40_000) -> float:
    """The shift of `harder` that raises a field by this much, over many images."""
    population = chances(np.random.default_rng(1), n_images, field.conditions)

    def excess(shift: float) -> float:
        moved = (harder(population, shift) - population).mean(axis=1)
        return float(field.weights @ moved) - change

    return float(brentq(excess, -1.0, 4.0, xtol=1e-4))
