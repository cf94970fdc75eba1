"""Elastic transform: a random affine map, and then small smoothed displacements.

Simard, Steinkraus & Platt, "Best practices for convolutional neural networks", ICDAR 2003,
with the release's parameters. At severities 1 and 2 the affine map is nearly all of it.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.families.gaussian import half_kernel
from corruptions.parameters import ELASTIC, ELASTIC_SIDE

Pixels = NDArray[np.uint8]
Field = NDArray[np.float32]
Values = NDArray[np.float64]
AFFINE, COLUMNS, ROWS = 0, 1, 2  # streams
TRUNCATE = 3.0  # standard deviations at which the smoothing ends
NEGLIGIBLE = 1e-3  # of a wave: those with less left of them move no pixel by a tenth


def elastic_transform(image: Pixels, severity: int, seed: int) -> Pixels:
    """Sampled twice, bilinearly: through the affine map, then through the displacements."""
    height, width, _ = image.shape
    warped = np.empty(image.shape, np.float32)
    _warp(image, affine_map(seed, height, width, severity), warped)
    columns, rows = displacements(seed, height, width, severity)
    out = np.empty_like(image)
    _displace(warped, columns, rows, out)
    return out


def affine_map(seed: int, height: int, width: int, severity: int) -> NDArray[np.float64]:
    """(2, 3): from a pixel (x, y, 1) of the result to the point (x, y) it shows.

    Three points, a third of the shorter side from the centre, move by up to `reach` each way.
    """
    side = min(height, width)
    reach = ELASTIC[severity - 1].affine * side / ELASTIC_SIDE
    moves = reach * (2.0 * philox.uniforms(seed, AFFINE, 6).reshape(3, 2) - 1.0)
    arm, centre = side // 3, np.array([width // 2, height // 2], np.float64)
    points = centre + np.array([(arm, arm), (arm, -arm), (-arm, -arm)])
    moved = points + moves
    # The columns of the matrix are what becomes of one step in x, and of one in y.
    step_x, step_y = (moved[1] - moved[2]) / (2 * arm), (moved[0] - moved[1]) / (2 * arm)
    offset = moved[2] - step_x * points[2, 0] - step_y * points[2, 1]
    determinant = step_x[0] * step_y[1] - step_y[0] * step_x[1]
    scale = 1.0 / determinant if determinant else 0.0
    inverse = scale * np.array([(step_y[1], -step_y[0]), (-step_x[1], step_x[0])])
    back = -(inverse[:, 0] * offset[0] + inverse[:, 1] * offset[1])
    return np.column_stack([inverse, back])


def displacements(seed: int, height: int, width: int, severity: int) -> tuple[Field, Field]:
    """How far along x, and along y, each pixel of the result looks away, (H, W) each."""
    found = ELASTIC[severity - 1]
    scale = min(height, width) / ELASTIC_SIDE
    columns, rows = (
        _smoothed(
            philox.words(seed, stream, height * width).reshape(height, width),
            found.sigma * scale,
            found.strength * scale,
        )
        for stream in (COLUMNS, ROWS)
    )
    return columns, rows


def _smoothed(draws: NDArray[np.uint32], sigma: float, strength: float) -> Field:
    """Uniform noise from -1 to 1, smoothed with mirrored edges, times the strength."""
    field = np.empty(draws.shape, np.float32)
    if is_narrow(min(draws.shape), sigma):
        _smooth_narrow(draws, half_kernel(sigma, TRUNCATE), strength, field)
    else:
        _smooth_wide(
            draws, *waves(draws.shape[0], sigma), *waves(draws.shape[1], sigma), strength, field
        )
    return field


def is_narrow(side: int, sigma: float) -> bool:
    """Whether the smoothing has so few taps that waves would be more work."""
    return half_kernel(sigma, TRUNCATE).size - 1 <= side // 8


def smoothing(n: int, shorter_side: int, sigma: float) -> Values:
    """The matrix (n, n) that smooths a side of n pixels, for who has fast products of them."""
    if not is_narrow(shorter_side, sigma):
        shapes, factors = waves(n, sigma)
        product: Values = shapes.T @ (factors[:, None] * shapes)
        return product
    matrix = np.zeros((n, n))
    half = half_kernel(sigma, TRUNCATE)
    for step in range(1 - half.size, half.size):
        for index in range(n):
            matrix[index, _mirrored(index + step, n)] += half[abs(step)]
    return matrix


@functools.lru_cache(maxsize=64)
def waves(n: int, sigma: float) -> tuple[Values, Values]:
    """What smoothing makes of a side of n pixels: the waves that survive it (K, n), and the
    factor that is left of each (K).

    With mirrored edges a symmetric filter only scales the waves cos(pi k (x + 1/2) / n), each
    by the sum of its taps times cos(pi k tap / n); a wide filter leaves few.
    """
    half = half_kernel(sigma, TRUNCATE)
    k, taps = np.arange(n)[:, None], np.arange(1, half.size)
    factors = half[0] + 2.0 * (half[1:] * np.cos(np.pi * k * taps / n)).sum(axis=1)
    shapes = np.cos(np.pi * k * (np.arange(n) + 0.5) / n) * np.where(k, 2.0 / n, 1.0 / n) ** 0.5
    kept = np.abs(factors) > NEGLIGIBLE
    return shapes[kept], factors[kept]


@compiled
def _smooth_wide(
    draws: NDArray[np.uint32],
    vertical: Values,
    vertical_factors: Values,
    horizontal: Values,
    horizontal_factors: Values,
    strength: float,
    out: Field,
) -> None:
    """The noise as amplitudes of waves, each times its factor, and back."""
    height, width = draws.shape
    n_vertical, n_horizontal = vertical.shape[0], horizontal.shape[0]
    line = np.empty(width)
    by_column = np.zeros((n_vertical, width))  # amplitudes of the vertical waves
    for y in range(height):
        for x in range(width):
            line[x] = (draws[y, x] + 0.5) * 2.0**-31 - 1.0
        for k in range(n_vertical):
            _add_scaled(line, vertical[k, y], by_column[k])
    across = horizontal.T.copy()
    for k in range(n_vertical):
        amplitudes = np.zeros(n_horizontal)
        for x in range(width):
            _add_scaled(across[x], by_column[k, x], amplitudes)
        by_column[k] = 0.0
        for wave in range(n_horizontal):
            factor = strength * vertical_factors[k] * horizontal_factors[wave]
            _add_scaled(horizontal[wave], factor * amplitudes[wave], by_column[k])
    for y in range(height):
        line[:] = 0.0
        for k in range(n_vertical):
            _add_scaled(by_column[k], vertical[k, y], line)
        for x in range(width):
            out[y, x] = np.float32(line[x])


@compiled
def _smooth_narrow(draws: NDArray[np.uint32], weights: Values, strength: float, out: Field) -> None:
    """Down and then across, tap by tap."""
    height, width = draws.shape
    radius = weights.size - 1
    noise = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            noise[y, x] = strength * ((draws[y, x] + 0.5) * 2.0**-31 - 1.0)
    padded = np.empty(radius + width + radius)
    line = padded[radius : radius + width]
    result = np.empty(width)
    for y in range(height):
        line[:] = 0.0
        for step in range(-radius, radius + 1):
            _add_scaled(noise[_mirrored(y + step, height)], weights[abs(step)], line)
        for x in range(radius):
            padded[x] = line[radius - 1 - x]
            padded[radius + width + x] = line[width - 1 - x]
        result[:] = 0.0
        for step in range(2 * radius + 1):
            _add_scaled(padded[step : step + width], weights[abs(step - radius)], result)
        for x in range(width):
            out[y, x] = np.float32(result[x])


@compiled
def _add_scaled(values: Values, factor: float, out: Values) -> None:
    for x in range(out.size):
        out[x] += factor * values[x]


@compiled
def _mirrored(index: int, n: int) -> int:
    """The sample behind an index off the side, the edge sample repeated: -1 is 0."""
    if 0 <= index < n:
        return index
    index %= 2 * n
    return index if index < n else 2 * n - 1 - index


@compiled
def _mirrored_101(index: int, n: int) -> int:
    """The same, the edge sample not repeated: -1 is 1."""
    if 0 <= index < n:
        return index
    index %= 2 * n - 2
    return index if index < n else 2 * n - 2 - index


@compiled
def _warp(image: Pixels, matrix: Values, out: NDArray[np.float32]) -> None:
    """The image, as fractions of white, seen through an affine map."""
    height, width, _ = image.shape
    white = np.float32(255.0)
    for y in range(height):
        for x in range(width):
            at_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
            at_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
            left, top = math.floor(at_x), math.floor(at_y)
            part_x, part_y = np.float32(at_x - left), np.float32(at_y - top)
            column, row = int(left), int(top)
            x0, x1 = _mirrored_101(column, width), _mirrored_101(column + 1, width)
            y0, y1 = _mirrored_101(row, height), _mirrored_101(row + 1, height)
            for channel in range(3):
                upper = _between(image[y0, x0, channel], image[y0, x1, channel], part_x)
                lower = _between(image[y1, x0, channel], image[y1, x1, channel], part_x)
                out[y, x, channel] = (upper + part_y * (lower - upper)) / white


@compiled
def _displace(image: NDArray[np.float32], columns: Field, rows: Field, out: Pixels) -> None:
    """Each pixel from where its displacement points."""
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            at_x, at_y = float(x) + columns[y, x], float(y) + rows[y, x]
            left, top = math.floor(at_x), math.floor(at_y)
            part_x, part_y = np.float32(at_x - left), np.float32(at_y - top)
            column, row = int(left), int(top)
            x0, x1 = _mirrored(column, width), _mirrored(column + 1, width)
            y0, y1 = _mirrored(row, height), _mirrored(row + 1, height)
            for channel in range(3):
                upper = _between(image[y0, x0, channel], image[y0, x1, channel], part_x)
                lower = _between(image[y1, x0, channel], image[y1, x1, channel], part_x)
                value = upper + part_y * (lower - upper)
                out[y, x, channel] = np.uint8(
                    min(max(value, np.float32(0.0)), np.float32(1.0)) * np.float32(255.0)
                )


@compiled
def _between(one: np.float32, other: np.float32, part: np.float32) -> np.float32:
    first = np.float32(one)
    return first + part * (np.float32(other) - first)
