"""The noises have exactly the probabilities of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import corruptions
from corruptions.families import noise
from corruptions.parameters import (
    GAUSSIAN_NOISE_SD,
    IMPULSE_NOISE_AMOUNT,
    SHOT_NOISE_PHOTONS,
    SPECKLE_NOISE_SD,
)

severities = pytest.mark.parametrize("severity", corruptions.SEVERITIES)
LEVELS = np.arange(256)


def probabilities(name: str, severity: int) -> NDArray[np.float64]:
    """What a table draws: (level, grey level that comes out)."""
    table = noise.alias_table(name, severity).reshape(256, 256)
    kept = (table >> 8) / 2.0**24
    found = kept / 256
    for level in range(256):
        np.add.at(found[level], table[level] & 0xFF, (1 - kept[level]) / 256)
    return found


def of_normal(mean: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clipped and truncated: grey level g is the interval [g, g + 1)."""
    ends = np.concatenate([[-np.inf], LEVELS[1:], [np.inf]])
    return np.asarray(np.diff(stats.norm.cdf(ends, mean[:, None], sd[:, None]), axis=1))


@severities
def test_gaussian_noise(severity: int) -> None:
    sd = np.full(256, 255 * GAUSSIAN_NOISE_SD[severity - 1])
    expected = of_normal(LEVELS.astype(float), sd)

    assert np.abs(probabilities("gaussian_noise", severity) - expected).max() < 2.0**-24


@severities
def test_speckle_noise(severity: int) -> None:
    found = probabilities("speckle_noise", severity)
    sd = LEVELS[1:] * SPECKLE_NOISE_SD[severity - 1]

    assert found[0, 0] == 1  # black has nothing to scatter
    assert np.abs(found[1:] - of_normal(LEVELS[1:].astype(float), sd)).max() < 2.0**-24


@severities
def test_shot_noise(severity: int) -> None:
    photons = SHOT_NOISE_PHOTONS[severity - 1]
    counts = np.arange(400)
    greys = np.uint8(np.clip(counts / float(photons), 0, 1) * 255)
    found = probabilities("shot_noise", severity)
    for level in LEVELS:
        expected = np.zeros(256)
        np.add.at(expected, greys, stats.poisson.pmf(counts, level / 255 * photons))
        assert np.abs(found[level] - expected).max() < 2.0**-24, level


@severities
def test_impulse_noise(severity: int) -> None:
    amount = IMPULSE_NOISE_AMOUNT[severity - 1]
    found = probabilities("impulse_noise", severity)
    inner = LEVELS[1:255]

    assert np.allclose(found[1:255, 0], amount / 2, atol=2.0**-24)
    assert np.allclose(found[1:255, 255], amount / 2, atol=2.0**-24)
    # The release scales by 255 and back, which loses a level to the last bit now and then.
    kept = (inner / 255.0 * 255).astype(int)
    assert np.allclose(found[inner, kept], 1 - amount, atol=2.0**-24)


@pytest.mark.parametrize("name", noise.PROBABILITIES)
@severities
def test_rows_are_probabilities(name: str, severity: int) -> None:
    rows = noise.PROBABILITIES[name](severity)

    assert (rows >= 0).all()
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-12)


def test_neighbouring_values_are_drawn_independently() -> None:
    flat = np.full((224, 224, 3), 128, np.uint8)
    residual = noise.gaussian_noise(flat, 1, 77).astype(float) - 128
    for axis in range(3):
        first = np.take(residual, range(residual.shape[axis] - 1), axis)
        second = np.take(residual, range(1, residual.shape[axis]), axis)
        correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
        assert abs(correlation) < 5 / first.size**0.5
