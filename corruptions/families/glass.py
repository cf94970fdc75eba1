"""Glass blur: pixels taken from their neighbourhood, between two Gaussian filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.families.gaussian import blur
from corruptions.parameters import GLASS_BLUR

Pixels = NDArray[np.uint8]


def glass_blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """Filtered, shuffled and filtered again; truncated to uint8 both times."""
    sigma, reach, n_rounds = GLASS_BLUR[severity - 1]
    shuffled = blur(image, sigma)
    height, width, _ = image.shape
    n_moves = n_rounds * max(height - 2 * reach, 0) * max(width - 2 * reach, 0)
    _shuffle(shuffled, reach, n_rounds, philox.words(seed, 0, n_moves))
    return blur(shuffled, sigma)


@compiled
def _shuffle(image: Pixels, reach: int, n_rounds: int, draws: NDArray[np.uint32]) -> None:
    """Each pixel, from the bottom right to the top left, becomes one of those around it.

    The original means to swap the two, but swaps two views of the same memory, which copies
    one way; and its offsets run from -reach to reach - 1, so the image drifts. Both stay.
    """
    height, width, _ = image.shape
    packed = np.empty((height, width), np.uint32)  # a move is then one copy
    for y in range(height):
        for x in range(width):
            green, blue = np.uint32(image[y, x, 1]), np.uint32(image[y, x, 2])
            packed[y, x] = np.uint32(image[y, x, 0]) | green << 8 | blue << 16
    span = np.uint32(2 * reach)
    move = 0
    for _ in range(n_rounds):
        for y in range(height - reach, reach, -1):
            for x in range(width - reach, reach, -1):
                draw = draws[move]
                move += 1
                dx = np.int64(((draw & np.uint32(0xFFFF)) * span) >> np.uint32(16)) - reach
                dy = np.int64(((draw >> np.uint32(16)) * span) >> np.uint32(16)) - reach
                packed[y, x] = packed[np.uint64(y + dy), np.uint64(x + dx)]
    for y in range(height):
        for x in range(width):
            image[y, x, 0] = packed[y, x] & 255
            image[y, x, 1] = packed[y, x] >> 8 & 255
            image[y, x, 2] = packed[y, x] >> 16
