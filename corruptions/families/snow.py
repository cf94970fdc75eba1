"""Snow: streaks of random flakes over a whitened image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.families.motion import streak
from corruptions.families.zoom import Grid, grid
from corruptions.parameters import SNOW, SNOW_DEGREES

Pixels = NDArray[np.uint8]
FLAKES, DIRECTION = 0, 1  # streams


def snow(image: Pixels, severity: int, seed: int) -> Pixels:
    """The image whitened where it is dark, and the layer of snow and the layer turned by half
    a circle added."""
    height, width, _ = image.shape
    layer = snow_layer(seed, height, width, severity)
    out = np.empty_like(image)
    _fall(image, layer, np.float32(SNOW[severity - 1].kept), out)
    return out


def snow_layer(seed: int, height: int, width: int, severity: int) -> Pixels:
    """Enlarged noise, the brightest of it smeared in a random direction, uint8 (H, W)."""
    flakes = SNOW[severity - 1]
    rows, columns = grid(height, flakes.zoom), grid(width, flakes.zoom)
    shape = n_enlarged(rows), n_enlarged(columns)
    noise = flakes.mean + flakes.sd * philox.normals(seed, FLAKES, shape[0] * shape[1])
    layer = np.empty((height, width), np.uint8)
    _flakes(
        noise.reshape(shape), rows.first - rows.start, rows.share,
        columns.first - columns.start, columns.share, flakes.threshold, layer,
    )  # fmt: skip
    return streak(layer[:, :, None], flakes.radius, flakes.sigma, direction(seed))[:, :, 0]


def n_enlarged(side: Grid) -> int:
    """How many samples of a side are enlarged: no others need to be drawn."""
    return int(side.first[-1]) + 2 - side.start


def direction(seed: int) -> float:
    """In degrees, as `corruptions.families.motion` counts them: snow falls downwards."""
    least, most = SNOW_DEGREES
    return least + (most - least) * float(philox.uniforms(seed, DIRECTION, 1)[0])


@compiled
def _flakes(
    noise: NDArray[np.float64],
    rows: NDArray[np.int32],
    row_shares: NDArray[np.float32],
    columns: NDArray[np.int32],
    column_shares: NDArray[np.float32],
    threshold: float,
    out: Pixels,
) -> None:
    """Noise enlarged bilinearly; what is below the threshold is black."""
    height, width = out.shape
    line = np.empty(noise.shape[1])
    for y in range(height):
        upper, lower, share = noise[rows[y]], noise[rows[y] + 1], row_shares[y]
        for x in range(line.size):
            line[x] = upper[x] + share * (lower[x] - upper[x])
        for x in range(width):
            left, right = line[np.uint32(columns[x])], line[np.uint32(columns[x] + 1)]
            value = left + column_shares[x] * (right - left)
            value = value if value >= threshold else 0.0  # and the threshold is not negative
            out[y, x] = np.uint8(min(value, 1.0) * 255.0)


@compiled
def _fall(image: Pixels, layer: Pixels, kept: np.float32, out: Pixels) -> None:
    height, width, _ = image.shape
    white, rest = np.float32(255.0), np.float32(1.0) - kept
    for y in range(height):
        pixels, result = image[y].reshape(-1), out[y].reshape(-1)
        flakes, turned = layer[y], layer[height - 1 - y]
        for x in range(width):
            red = np.float32(pixels[3 * x]) / white
            green = np.float32(pixels[3 * x + 1]) / white
            blue = np.float32(pixels[3 * x + 2]) / white
            grey = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            pale = grey * np.float32(1.5) + np.float32(0.5)
            fallen = flakes[x] / 255.0 + turned[width - 1 - x] / 255.0
            result[3 * x] = _lit(red, pale, kept, rest, fallen)
            result[3 * x + 1] = _lit(green, pale, kept, rest, fallen)
            result[3 * x + 2] = _lit(blue, pale, kept, rest, fallen)


@compiled
def _lit(value: Any, pale: Any, kept: Any, rest: Any, fallen: Any) -> np.uint8:
    whitened = kept * value + rest * max(value, pale)
    return np.uint8(min(max(whitened + fallen, 0.0), 1.0) * 255.0)
