"""Defocus blur: the mean over a disk with a softened rim.

A row of the kernel is constant but for a few steps near the rim. So each row of the image is
summed up once, and a row of the kernel costs a product for each step in place of one for each
of its pixels. All of it is whole numbers, exact in any order.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled
from corruptions.parameters import DEFOCUS_BLUR

Pixels = NDArray[np.uint8]
POINT = 22
"""Bits behind the point: 255 times a kernel's sum of 1.013 still fits into 31 bits."""


def defocus_blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """The mean over a disk; at severities 4 and 5 one percent brighter, as in the release."""
    radius, softness = DEFOCUS_BLUR[severity - 1]
    reach, steps = kernel_steps(radius, softness)
    height, width, _ = image.shape
    # One more column on the left, for the sum over no pixel.
    padded = np.pad(image, ((reach, reach), (reach + 1, reach), (0, 0)), mode="reflect")
    out = np.empty_like(image)
    _blur(padded.reshape(height + 2 * reach, -1), reach, steps, out.reshape(height, 3 * width))
    return out


def kernel(radius: int, softness: float) -> NDArray[np.float64]:
    """The disk on the release's grid, its rim softened by OpenCV's GaussianBlur.

    Where the disk touches the border of its grid (severities 4 and 5) the filter mirrors it
    there, so that the kernel sums to more than 1.
    """
    reach = max(8, radius)
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2) / 1.0
    half = 1 if radius <= 8 else 2
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2.0 * softness**2))
    weights /= weights.sum()
    disk /= disk.sum()
    for axis in (0, 1):
        edges = [(half, half) if side == axis else (0, 0) for side in (0, 1)]
        wide = np.pad(disk, edges, mode="reflect")
        n = 2 * reach + 1
        disk = sum(
            weight * wide.take(range(start, start + n), axis)
            for start, weight in enumerate(weights)
        )
    return disk


def fixed_kernel(radius: int, softness: float) -> NDArray[np.int32]:
    """The kernel times 2**22, without its empty rim."""
    # Rounded down: flat regions come out just below their level and are truncated to the one
    # below it, as in the release.
    fixed = np.floor(kernel(radius, softness) * 2.0**POINT).astype(np.int32)
    while not fixed[0].any():
        fixed = fixed[1:-1, 1:-1]
    return fixed


@functools.cache
def kernel_steps(radius: int, softness: float) -> tuple[int, NDArray[np.int32]]:
    """How far the kernel reaches, and its steps: rows of (row, column, height of the step).

    The kernel is the same in its four quarters. A step (r, c, h) represents four: the rows r
    and -r grow by h at column -c and fall by h after column c.
    """
    fixed = fixed_kernel(radius, softness)
    reach = len(fixed) // 2
    steps = np.diff(fixed[reach:, : reach + 1], axis=1, prepend=0)
    rows, columns = np.nonzero(steps)
    found = np.stack([rows, reach - columns, steps[rows, columns]], axis=1)
    return reach, found.astype(np.int32)


@compiled
def _blur(padded: Pixels, reach: int, steps: NDArray[np.int32], out: Pixels) -> None:
    height, length = out.shape
    sums = np.empty(padded.shape, np.int32)
    for y in range(padded.shape[0]):
        row, source = sums[y], padded[y]
        row[0] = row[1] = row[2] = np.int32(0)
        for x in range(3, row.size):
            row[x] = row[x - 3] + np.int32(source[x])
    both = np.empty(padded.shape[1], np.int32)
    total = np.empty(length, np.int32)
    for y in range(height):
        total[:] = np.int32(0)
        paired = -1
        for step in range(steps.shape[0]):
            distance, column, rise = steps[step, 0], steps[step, 1], steps[step, 2]
            if distance != paired:
                paired = distance
                above, below = sums[y + reach - distance], sums[y + reach + distance]
                for x in range(both.size):
                    both[x] = above[x] + below[x]
                if distance == 0:
                    both[:] = above
            before = both[3 * (reach - column) : 3 * (reach - column) + length]
            last = both[3 * (reach + column + 1) : 3 * (reach + column + 1) + length]
            for x in range(length):
                total[x] += np.int32(rise * np.int32(last[x] - before[x]))
        result = out[y]
        for x in range(length):
            result[x] = min(total[x] >> np.int32(POINT), np.int32(255))
