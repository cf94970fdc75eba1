"""The Gaussian filter, and gaussian_blur, which is nothing else.

The filter repeats the arithmetic of scipy.ndimage behind skimage.filters.gaussian, which the
release used: float64, rows first, the centre and then pairs of samples from the farthest to
the nearest. So it agrees to the last bit, which decides the grey level of flat regions.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled
from corruptions.parameters import GAUSSIAN_BLUR_SIGMA

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]


def gaussian_blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """A Gaussian filter."""
    return blur(image, GAUSSIAN_BLUR_SIGMA[severity - 1])


def blur(image: Pixels, sigma: float) -> Pixels:
    """The filter on uint8 (H, W, C), truncated to uint8; the edges are repeated outwards."""
    height, width, channels = image.shape
    out = np.empty_like(image)
    rows, results = (each.reshape(height, width * channels) for each in (image, out))
    _blur(rows, channels, half_kernel(sigma, 4.0), results)
    return out


def filter_plane(plane: Values, sigma: float) -> Values:
    """The filter on float64 (H, W)."""
    out = np.empty_like(plane)
    _filter_plane(plane, half_kernel(sigma, 4.0), out)
    return out


@functools.cache
def half_kernel(sigma: float, truncate: float) -> Values:
    """The kernel's weights from the centre outwards."""
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    half: Values = weights[radius:] / weights.sum()
    return half


@compiled
def _blur(image: Pixels, channels: int, weights: Values, out: Pixels) -> None:
    height, length = image.shape
    radius = weights.size - 1
    n_kept, margin = 2 * radius + 1, radius * channels
    kept = np.empty((n_kept, length))  # the rows around the one at work, as fractions of white
    padded = np.empty(margin + length + margin)
    line = padded[margin : margin + length]
    result = np.empty(length)
    for ahead in range(height + radius):
        if ahead < height:
            for x in range(length):
                kept[ahead % n_kept, x] = image[ahead, x] / 255.0
        y = ahead - radius
        if y < 0:
            continue
        _weigh(kept[y % n_kept], weights[0], line)
        for step in range(radius, 0, -1):
            above, below = max(y - step, 0) % n_kept, min(y + step, height - 1) % n_kept
            _add_pair(kept[above], kept[below], weights[step], line)
        for x in range(margin):
            padded[x] = line[x % channels]
            padded[margin + length + x] = line[length - channels + x % channels]
        _weigh(line, weights[0], result)
        for step in range(radius, 0, -1):
            left, right = margin - step * channels, margin + step * channels
            _add_pair(
                padded[left : left + length], padded[right : right + length], weights[step], result
            )
        for x in range(length):
            out[y, x] = np.uint8(min(max(result[x], 0.0), 1.0) * 255.0)


@compiled
def _filter_plane(plane: Values, weights: Values, out: Values) -> None:
    height, width = plane.shape
    radius = weights.size - 1
    padded = np.empty(radius + width + radius)
    line = padded[radius : radius + width]
    for y in range(height):
        _weigh(plane[y], weights[0], line)
        for step in range(radius, 0, -1):
            above, below = max(y - step, 0), min(y + step, height - 1)
            _add_pair(plane[above], plane[below], weights[step], line)
        padded[:radius] = line[0]
        padded[radius + width :] = line[width - 1]
        _weigh(line, weights[0], out[y])
        for step in range(radius, 0, -1):
            left, right = radius - step, radius + step
            _add_pair(
                padded[left : left + width], padded[right : right + width], weights[step], out[y]
            )


@compiled
def _weigh(values: Values, weight: float, out: Values) -> None:
    for x in range(values.size):
        out[x] = values[x] * weight


@compiled
def _add_pair(one: Values, other: Values, weight: float, out: Values) -> None:
    for x in range(out.size):
        out[x] += (one[x] + other[x]) * weight
