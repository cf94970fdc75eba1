"""Motion blur: each pixel smeared along a line, as ImageMagick's MotionBlur does it.

out(p) is the sum of in(p + i (cos a, sin a)) weighted by one half of a Gaussian, offsets
rounded to whole pixels, edges repeated outwards, the result rounded to 16 bits, of which the
upper 8 are kept.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.parameters import MOTION_BLUR, MOTION_BLUR_DEGREES

Pixels = NDArray[np.uint8]
POINT = 22
"""Bits behind the point: 255 * 2**22 fits into 31 bits, and sums of whole numbers are exact."""
HALF_A_STEP = round(2**POINT / 257 / 2)
"""Half a step of 16 bits, 257 of which are one of 8 bits: added, truncation rounds first."""


def motion_blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """A streak of random direction, towards the left."""
    radius, sigma = MOTION_BLUR[severity - 1]
    return streak(image, radius, sigma, direction(seed))


def direction(seed: int) -> float:
    """In degrees, for `streak`."""
    return MOTION_BLUR_DEGREES * (2.0 * float(philox.uniforms(seed, 0, 1)[0]) - 1.0)


def streak(image: Pixels, radius: int, sigma: float, degrees: float) -> Pixels:
    """uint8 (H, W, C) smeared over 2 `radius` pixels. A bright pixel leaves its streak along
    -(cos, sin) of the angle, x to the right and y downwards."""
    height, width, channels = image.shape
    weights = half_gaussian(radius, sigma)
    offsets = offsets_along(degrees, weights.size)
    # An offset that leaves the image from every pixel is the same as one just outside.
    np.clip(offsets, (-height, -width), (height, width), out=offsets)
    out = np.empty_like(image)
    _smear(
        image.reshape(height, width * channels),
        channels,
        weights,
        offsets,
        out.reshape(height, width * channels),
    )
    return out


@functools.cache
def half_gaussian(radius: int, sigma: float) -> NDArray[np.int32]:
    """Weights from the pixel itself along the streak; they sum to 2**22."""
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2.0 * sigma * sigma))
    fixed = np.rint(weights / weights.sum() * 2.0**POINT).astype(np.int32)
    fixed[0] += 2**POINT - fixed.sum()
    positive: NDArray[np.int32] = fixed[fixed > 0]
    return positive


def offsets_along(degrees: float, n: int) -> NDArray[np.int64]:
    """(n, 2): how many rows and columns away the samples of a streak lie."""
    angle = math.radians(degrees)
    return np.array(
        [
            (math.ceil(i * math.sin(angle) - 0.5), math.ceil(i * math.cos(angle) - 0.5))
            for i in range(n)
        ]
    )


@compiled
def _smear(
    rows: Pixels,
    channels: int,
    weights: NDArray[np.int32],
    offsets: NDArray[np.int64],
    out: Pixels,
) -> None:
    height, length = rows.shape
    left = right = 0  # values by which the longest offsets leave a row
    for step in range(weights.size):
        left = max(left, -offsets[step, 1] * channels)
        right = max(right, offsets[step, 1] * channels)
    padded = np.empty((height, left + length + right), np.uint8)
    for y in range(height):
        line = padded[y]
        for x in range(left):
            line[x] = rows[y, x % channels]
        for x in range(length):
            line[left + x] = rows[y, x]
        for x in range(right):
            line[left + length + x] = rows[y, length - channels + x % channels]
    sums = np.empty(length, np.int32)
    for y in range(height):
        sums[:] = 0
        for step in range(weights.size):
            row = min(max(y + offsets[step, 0], 0), height - 1)
            start = left + offsets[step, 1] * channels
            source, weight = padded[row, start : start + length], weights[step]
            for x in range(length):
                sums[x] += weight * np.int32(source[x])
        result = out[y]
        for x in range(length):
            result[x] = (sums[x] + np.int32(HALF_A_STEP)) >> np.int32(POINT)
