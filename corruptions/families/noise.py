"""Noise that strikes every sub-pixel alone: gaussian, shot, impulse and speckle noise.

What comes out of a sub-pixel has a probability for each of the 256 grey levels that depends
on its own grey level only. So each corruption is a table of 256 x 256 probabilities, drawn
from exactly (to 2**-32) by the alias method of Walker (1977): one random word and one look
at the table a sub-pixel, whatever the distribution.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.parameters import (
    GAUSSIAN_NOISE_SD,
    IMPULSE_NOISE_AMOUNT,
    SHOT_NOISE_PHOTONS,
    SPECKLE_NOISE_SD,
)

Pixels = NDArray[np.uint8]
LEVELS = 256


def gaussian_noise(image: Pixels, severity: int, seed: int) -> Pixels:
    """Independent normal noise of one standard deviation on every sub-pixel."""
    return _draw(image, alias_table("gaussian_noise", severity), seed)


def shot_noise(image: Pixels, severity: int, seed: int) -> Pixels:
    """A Poisson count of photons, in proportion to the light, in place of every sub-pixel."""
    return _draw(image, alias_table("shot_noise", severity), seed)


def impulse_noise(image: Pixels, severity: int, seed: int) -> Pixels:
    """Some sub-pixels set to black or white (salt and pepper)."""
    return _draw(image, alias_table("impulse_noise", severity), seed)


def speckle_noise(image: Pixels, severity: int, seed: int) -> Pixels:
    """Normal noise in proportion to the value of the sub-pixel."""
    return _draw(image, alias_table("speckle_noise", severity), seed)


def _draw(image: Pixels, table: NDArray[np.uint32], seed: int) -> Pixels:
    out = np.empty_like(image)
    _look_up(image.reshape(-1), philox.words(seed, 0, image.size), table, out.reshape(-1))
    return out


@compiled
def _look_up(
    levels: Pixels, draws: NDArray[np.uint32], table: NDArray[np.uint32], out: Pixels
) -> None:
    for index in range(levels.size):
        slot = draws[index] >> np.uint32(24)
        entry = table[(np.uint32(levels[index]) << np.uint32(8)) | slot]
        keep = (draws[index] & np.uint32(0xFFFFFF)) < (entry >> np.uint32(8))
        out[index] = slot if keep else entry & np.uint32(0xFF)


@functools.cache
def alias_table(name: str, severity: int) -> NDArray[np.uint32]:
    """Walker's table, flat: entry 256 * level + slot holds a threshold (24 bits) and, in its
    low 8 bits, the grey level that comes out where the draw is not below it."""
    return _alias(PROBABILITIES[name](severity)).reshape(-1)


def _gaussian_probabilities(severity: int) -> NDArray[np.float64]:
    return _normal_probabilities(np.full(LEVELS, 255.0 * GAUSSIAN_NOISE_SD[severity - 1]))


def _speckle_probabilities(severity: int) -> NDArray[np.float64]:
    return _normal_probabilities(
        np.arange(LEVELS, dtype=np.float64) * SPECKLE_NOISE_SD[severity - 1]
    )


def _shot_probabilities(severity: int) -> NDArray[np.float64]:
    photons = SHOT_NOISE_PHOTONS[severity - 1]
    probabilities = np.zeros((LEVELS, LEVELS))
    for level in range(LEVELS):
        rate = level / 255.0 * photons
        probability, count = math.exp(-rate), 0
        while count <= rate or probability > 1e-18:
            grey = int(min(count / photons, 1.0) * 255)  # truncated, as the release was
            probabilities[level, grey] += probability
            count += 1
            probability *= rate / count
    return probabilities


def _impulse_probabilities(severity: int) -> NDArray[np.float64]:
    amount = IMPULSE_NOISE_AMOUNT[severity - 1]
    probabilities = np.zeros((LEVELS, LEVELS))
    levels = np.arange(LEVELS)
    probabilities[levels, (levels / 255.0 * 255).astype(np.uint8)] = 1 - amount
    probabilities[:, 0] += amount / 2
    probabilities[:, 255] += amount / 2
    return probabilities


PROBABILITIES = {
    "gaussian_noise": _gaussian_probabilities,
    "shot_noise": _shot_probabilities,
    "impulse_noise": _impulse_probabilities,
    "speckle_noise": _speckle_probabilities,
}


@compiled
def _normal_probabilities(sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each grey level for each clean level plus sd[level] times a standard
    normal number, clipped to 0..255 and truncated."""
    out = np.zeros((LEVELS, LEVELS))
    for level in range(LEVELS):
        if sd[level] == 0.0:
            out[level, level] = 1.0
            continue
        below = 0.0
        for grey in range(LEVELS - 1):
            up_to = 0.5 * math.erfc((level - grey - 1) / (sd[level] * math.sqrt(2.0)))
            out[level, grey] = up_to - below
            below = up_to
        out[level, LEVELS - 1] = 1.0 - below
    return out


@compiled
def _alias(probabilities: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Vose's construction (1991) of Walker's table, a row a level."""
    table = np.empty((LEVELS, LEVELS), np.uint32)
    small, large = np.empty(LEVELS, np.int64), np.empty(LEVELS, np.int64)
    for level in range(LEVELS):
        share = probabilities[level] * LEVELS
        n_small = n_large = 0
        for grey in range(LEVELS):
            if share[grey] < 1.0:
                small[n_small] = grey
                n_small += 1
            else:
                large[n_large] = grey
                n_large += 1
        while n_small and n_large:
            n_small -= 1
            poor, rich = small[n_small], large[n_large - 1]
            table[level, poor] = (int(share[poor] * 2.0**24) << 8) | rich
            share[rich] -= 1.0 - share[poor]
            if share[rich] < 1.0:
                n_large -= 1
                small[n_small] = rich
                n_small += 1
        for left in range(n_large):  # a share of 1: itself, whatever the draw
            table[level, large[left]] = large[left]
        for left in range(n_small):
            table[level, small[left]] = small[left]
    return table
