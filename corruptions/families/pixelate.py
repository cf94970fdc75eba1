"""Pixelation: the image made small, and large again with visible pixels.

Both ways are Pillow's resize with the BOX filter, as in the release, in its fixed-point
arithmetic and to its bit: across first, then down, each rounded to whole grey levels. (Since
version 13 Pillow itself begins with the height of images twice as high as wide, which moves a
few values by one grey level; the release was made before.) A sample of the small image is the
plain mean of the samples whose centres fall into its box.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled
from corruptions.parameters import PIXELATE_SCALE

Pixels = NDArray[np.uint8]
Places = NDArray[np.int32]

POINT_BITS = 22
"""Bits behind the point of Pillow's weights."""


def pixelate(image: Pixels, severity: int, seed: int) -> Pixels:
    """Blocks of one colour, the more the higher the severity."""
    height, width, _ = image.shape
    small_height, small_width = small_sides(height, width, severity)
    out = np.empty_like(image)
    _pixelate(
        image.reshape(height, -1),
        *boxes(width, small_width),
        *boxes(height, small_height),
        boxes(small_width, width)[0],
        boxes(small_height, height)[0],
        out.reshape(height, -1),
    )
    return out


def small_sides(height: int, width: int, severity: int) -> tuple[int, int]:
    scale = PIXELATE_SCALE[severity - 1]
    return int(height * scale), int(width * scale)


@functools.lru_cache(maxsize=256)
def boxes(size: int, new_size: int) -> tuple[Places, Places, Places]:
    """For each new sample the first old one in its box, how many there are, and the weight of
    each. In the order of operations of Pillow (`precompute_coeffs` in Resample.c), since
    many boxes end on a sample's very centre."""
    scale = size / new_size
    reach = max(scale, 1.0)  # a box is never narrower than a sample
    centre = (np.arange(new_size) + 0.5) * scale
    lowest = np.maximum((centre - 0.5 * reach + 0.5).astype(np.int32), 0)
    samples = lowest[:, None] + np.arange(int(reach) + 2, dtype=np.int32)
    offset = (samples - centre[:, None] + 0.5) * (1.0 / reach)
    inside = (offset > -0.5) & (offset <= 0.5) & (samples < size)
    counts = inside.sum(axis=1).astype(np.int32)
    weights = (0.5 + 1.0 / counts * (1 << POINT_BITS)).astype(np.int32)
    return samples[np.arange(new_size), inside.argmax(axis=1)], counts, weights


@compiled
def _pixelate(
    image: Pixels,
    lefts: Places,
    n_across: Places,
    weights_across: Places,
    tops: Places,
    n_down: Places,
    weights_down: Places,
    columns: Places,
    rows: Places,
    out: Pixels,
) -> None:
    """Rows of `image` and `out` are flat; column x of `out` is column columns[x] of the small
    image, and likewise its rows."""
    half = np.int32(1 << POINT_BITS - 1)
    sums = np.empty(3 * lefts.size, np.int32)
    next_row = 0
    for row in range(tops.size):
        for x in range(sums.size):
            sums[x] = 0
        for old_row in range(tops[row], tops[row] + n_down[row]):
            line = image[old_row]
            for column in range(lefts.size):
                red = green = blue = 0
                for place in range(3 * lefts[column], 3 * (lefts[column] + n_across[column]), 3):
                    red += line[place]
                    green += line[place + 1]
                    blue += line[place + 2]
                weight = weights_across[column]
                sums[3 * column] += red * weight + half >> POINT_BITS
                sums[3 * column + 1] += green * weight + half >> POINT_BITS
                sums[3 * column + 2] += blue * weight + half >> POINT_BITS
        for x in range(sums.size):
            sums[x] = np.int32(sums[x] * weights_down[row] + half) >> POINT_BITS
        first = out[next_row]
        for x in range(columns.size):
            for channel in range(3):
                first[3 * x + channel] = sums[3 * columns[x] + channel]
        next_row += 1
        while next_row < rows.size and rows[next_row] == row:
            again = out[next_row]
            for x in range(again.size):
                again[x] = first[x]
            next_row += 1
