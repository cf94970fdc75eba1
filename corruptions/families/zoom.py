"""Zoom blur: the mean of the image and of a series of enlargements of its centre.

The release enlarged with scipy.ndimage.zoom of order 1 in float32; the sums here are made in
the same order and precision, since flat regions are truncated by their last bit.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled
from corruptions.parameters import ZOOM_BLUR_FACTORS

Pixels = NDArray[np.uint8]


class Grid(NamedTuple):
    """Where the positions of a side lie after its centre was enlarged."""

    start: int
    """The first sample of what is enlarged."""
    first: NDArray[np.int32]
    """The sample before each position."""
    share: NDArray[np.float32]
    """Of the sample after it."""


def zoom_blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """Blurred away from the centre."""
    height, width, _ = image.shape
    rows, row_shares = grids(severity, height, 1)
    columns, column_shares = grids(severity, width, 3)
    out = np.empty_like(image)
    _mean_of_zooms(
        image.reshape(height, 3 * width), rows, row_shares, columns, column_shares,
        out.reshape(height, 3 * width),
    )  # fmt: skip
    return out


@functools.lru_cache(maxsize=64)
def grids(severity: int, n: int, channels: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For each factor and each value on a side of n pixels, channels side by side: where the
    value before it lies, and the share of the one after it."""
    found = [grid(n, factor) for factor in np.arange(*ZOOM_BLUR_FACTORS[severity - 1])]
    first = np.stack([each.first for each in found])[:, :, None]
    at = channels * first + np.arange(channels, dtype=np.int32)
    shares = np.repeat(np.stack([each.share for each in found]), channels, axis=1)
    return at.reshape(len(found), -1).astype(np.int32), shares


@functools.lru_cache(maxsize=64)
def grid(n: int, factor: float) -> Grid:
    """The n positions of a side whose centre is enlarged, as scipy.ndimage.zoom places them:
    the first and the last sample stay the first and the last."""
    crop = math.ceil(n / factor)
    enlarged = round(crop * factor)
    positions = (np.arange(n) + (enlarged - n) // 2) * ((crop - 1) / (enlarged - 1))
    first = np.minimum(positions.astype(np.int32), crop - 2)
    start = (n - crop) // 2
    return Grid(start, first + np.int32(start), (positions - first).astype(np.float32))


@compiled
def _mean_of_zooms(
    image: Pixels,
    rows: NDArray[np.int32],
    row_shares: NDArray[np.float32],
    columns: NDArray[np.int32],
    column_shares: NDArray[np.float32],
    out: Pixels,
) -> None:
    height, length = image.shape
    n_factors = rows.shape[0]
    values = np.empty((height, length), np.float32)
    for y in range(height):
        for x in range(length):
            values[y, x] = np.float32(image[y, x]) / np.float32(255.0)
    line = np.zeros(length + 3, np.float32)  # of the enlarged rows; ends in a pixel unused
    step = np.empty(length, np.float32)  # from each value to that of the next pixel
    sums = np.empty(length, np.float32)
    for y in range(height):
        sums[:] = np.float32(0.0)
        for factor in range(n_factors):
            upper, lower = values[rows[factor, y]], values[rows[factor, y] + 1]
            share = row_shares[factor, y]
            for x in range(length):
                line[x] = upper[x] + share * (lower[x] - upper[x])
            for x in range(length):
                step[x] = line[x + 3] - line[x]
            at, shares = columns[factor], column_shares[factor]
            for x in range(length):
                # Unsigned, so that no index is looked at for its sign.
                sums[x] += line[np.uint32(at[x])] + shares[x] * step[np.uint32(at[x])]
        own, result, n = values[y], out[y], np.float32(n_factors + 1)
        for x in range(length):
            value = min(max((own[x] + sums[x]) / n, np.float32(0.0)), np.float32(1.0))
            result[x] = np.uint8(value * np.float32(255.0))
