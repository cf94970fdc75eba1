"""Fog: a random height map over the image, by the diamond-square algorithm.

Fournier, Fussell & Carpenter, "Computer rendering of stochastic models", CACM 1982; the
release's form of it wraps around at the edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.parameters import FOG, FOG_WIBBLE

Pixels = NDArray[np.uint8]


def fog(image: Pixels, severity: int, seed: int) -> Pixels:
    """Light added where the map is high, and all of it scaled back to the image's maximum."""
    strength, decay = FOG[severity - 1]
    height, width, _ = image.shape
    heights = plasma(seed, height, width, decay)
    out = np.empty_like(image)
    _veil(image, heights, strength, np.max(image) / 255.0, out)
    return out


def map_size(height: int, width: int) -> tuple[int, int, int]:
    """The first step of the map for an image of this size, and the map's sides.

    The step is the shorter side rounded up to a power of two: 256 for 224, so the largest
    features grow with the image. The map is of whole steps, one for a square image.
    """
    step = 1 << (min(height, width) - 1).bit_length()
    return step, -(-height // step) * step, -(-width // step) * step


def plasma(seed: int, height: int, width: int, decay: float) -> NDArray[np.float64]:
    """Heights from 0 to 1, at least (height, width). Cell c of the map, counted row by row,
    has word c of stream 0."""
    step, n_rows, n_columns = map_size(height, width)
    heights = np.zeros((n_rows, n_columns))
    _diamonds_and_squares(heights, step, decay, philox.words(seed, 0, heights.size))
    return heights


@compiled
def _diamonds_and_squares(
    heights: NDArray[np.float64], step: int, decay: float, draws: NDArray[np.uint32]
) -> None:
    n_rows, n_columns = heights.shape
    wibble = FOG_WIBBLE
    while step >= 2:
        half = step // 2
        # The original scales a draw from [-wibble, wibble] by wibble once more.
        for y in range(0, n_rows, step):
            down = (y + step) % n_rows
            for x in range(0, n_columns, step):
                right = (x + step) % n_columns
                corners = (heights[y, x] + heights[down, x]) + (
                    heights[y, right] + heights[down, right]
                )
                draw = draws[(y + half) * n_columns + x + half]
                heights[y + half, x + half] = corners / 4.0 + _wobble(draw, wibble)
        for y in range(0, n_rows, step):
            up, down = (y - half) % n_rows, (y + step) % n_rows
            for x in range(0, n_columns, step):
                left, right = (x - half) % n_columns, (x + step) % n_columns
                corner, centre = heights[y, x], heights[y + half, x + half]
                around = (centre + heights[up, x + half]) + (corner + heights[y, right])
                draw = draws[y * n_columns + x + half]
                heights[y, x + half] = around / 4.0 + _wobble(draw, wibble)
                around = (centre + heights[y + half, left]) + (corner + heights[down, x])
                draw = draws[(y + half) * n_columns + x]
                heights[y + half, x] = around / 4.0 + _wobble(draw, wibble)
        step //= 2
        wibble /= decay
    lowest = heights.min()
    highest = heights.max() - lowest
    for y in range(n_rows):
        for x in range(n_columns):
            heights[y, x] = (heights[y, x] - lowest) / highest


@compiled
def _wobble(draw: np.uint32, wibble: float) -> float:
    # Exact: the middle of one of 2**32 steps from -1 to 1, then two products.
    return wibble * (wibble * ((draw + 0.5) * 2.0**-31 - 1.0))


@compiled
def _veil(
    image: Pixels, heights: NDArray[np.float64], strength: float, white: float, out: Pixels
) -> None:
    height, width, _ = image.shape
    light = np.empty(3 * width)
    for y in range(height):
        for x in range(width):
            light[3 * x] = light[3 * x + 1] = light[3 * x + 2] = strength * heights[y, x]
        pixels, result = image[y].reshape(-1), out[y].reshape(-1)
        for x in range(3 * width):
            value = (pixels[x] / 255.0 + light[x]) * white / (white + strength)
            result[x] = np.uint8(min(max(value, 0.0), 1.0) * 255.0)
