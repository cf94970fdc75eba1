"""The light on water drops in `spatter`, by the steps of OpenCV that the release used.

Canny, "A computational approach to edge detection", PAMI 1986; Borgefors, "Distance
transformations in digital images", CVGIP 1986. Each function gives the values of OpenCV's.
"""

from __future__ import annotations

import numpy as np
from numpy import int32
from numpy.typing import NDArray

from corruptions.compiled import compiled

Pixels = NDArray[np.uint8]
LOW, HIGH = 50, 150  # of the gradient, below which there is no edge, above which there is one
FARTHEST = 20.0  # pixels from an edge that still count
TANGENT = 13573  # of 22.5 degrees, 15 bits behind the point
SIDE, DIAGONAL, KNIGHT = 65536, 91750, 143976  # 1, 1.4 and 2.1969, 16 bits behind the point
RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))  # light from the top left


def shine(depth: Pixels) -> Pixels:
    """The light on drops of that depth, uint8 (H, W): bright at their rims."""
    distance = np.minimum(distances(edges(depth)), np.float32(FARTHEST))
    soft = _box(distance.astype(np.float64)).astype(np.float32).astype(np.uint8)
    return np.rint(_box(_relief(equalised(soft)).astype(np.float64))).astype(np.uint8)


def _box(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of 3 x 3; the edges are mirrored."""
    wide = np.pad(plane, 1, mode="reflect")
    lines = wide[:-2] + wide[1:-1] + wide[2:]
    mean: NDArray[np.float64] = (lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]) / 9.0
    return mean


def _relief(plane: Pixels) -> Pixels:
    wide = np.pad(plane.astype(np.int32), 1, mode="reflect")
    height, width = plane.shape
    total = np.zeros(plane.shape, np.int32)
    for row, weights in enumerate(RELIEF):
        for column, weight in enumerate(weights):
            total += weight * wide[row : row + height, column : column + width]
    return np.clip(total, 0, 255).astype(np.uint8)


def equalised(plane: Pixels) -> Pixels:
    """Levels spread so that each is about as frequent as the next (cv2.equalizeHist)."""
    counts = np.bincount(plane.reshape(-1), minlength=256)
    lowest = int(np.nonzero(counts)[0][0])
    others = plane.size - int(counts[lowest])
    if others == 0:
        return plane
    counts[: lowest + 1] = 0
    scale = np.float32(255.0) / np.float32(others)
    table = np.clip(np.rint(np.cumsum(counts).astype(np.float32) * scale), 0, 255)
    spread: Pixels = table.astype(np.uint8)[plane]
    return spread


def edges(plane: Pixels) -> NDArray[np.bool_]:
    """Canny's edges (cv2.Canny with thresholds 50 and 150, aperture 3, L1 norm)."""
    height, width = plane.shape
    wide = np.pad(plane.astype(np.int32), 1, mode="edge")
    down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    along_x = down[:, 2:] - down[:, :-2]
    across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    along_y = across[2:] - across[:-2]
    found = np.zeros((height, width), np.bool_)
    _canny(along_x, along_y, np.pad(np.abs(along_x) + np.abs(along_y), 1), found)
    return found


@compiled
def _canny(
    along_x: NDArray[np.int32],
    along_y: NDArray[np.int32],
    size: NDArray[np.int32],
    found: NDArray[np.bool_],
) -> None:
    """Ridges of the gradient that are high somewhere; `size` has a rim of zeros."""
    height, width = found.shape
    weak = np.zeros((height + 2, width + 2), np.bool_)
    stack = np.empty((height * width, 2), np.int32)
    n = 0
    for y in range(height):
        for x in range(width):
            here = size[y + 1, x + 1]
            if here <= LOW:
                continue
            dx, dy = np.int64(abs(along_x[y, x])), np.int64(abs(along_y[y, x])) << 15
            flat = dx * TANGENT
            if dy < flat:
                ridge = here > size[y + 1, x] and here >= size[y + 1, x + 2]
            elif dy > flat + (dx << 16):
                ridge = here > size[y, x + 1] and here >= size[y + 2, x + 1]
            else:
                side = -1 if (along_x[y, x] < 0) != (along_y[y, x] < 0) else 1
                ridge = here > size[y, x + 1 - side] and here > size[y + 2, x + 1 + side]
            if not ridge:
                continue
            if here > HIGH:
                found[y, x] = True
                stack[n, 0], stack[n, 1] = y, x
                n += 1
            else:
                weak[y + 1, x + 1] = True
    while n:
        n -= 1
        y, x = stack[n, 0], stack[n, 1]
        for row in range(y, y + 3):
            for column in range(x, x + 3):
                if weak[row, column]:
                    weak[row, column] = False
                    found[row - 1, column - 1] = True
                    stack[n, 0], stack[n, 1] = row - 1, column - 1
                    n += 1


def distances(marked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """About how far the nearest marked pixel is (cv2.distanceTransform, DIST_L2, 5 x 5)."""
    wide = np.full((marked.shape[0] + 4, marked.shape[1] + 4), 1 << 29, np.int32)
    wide[2:-2, 2:-2][marked] = 0
    _spread(wide, marked)
    return wide[2:-2, 2:-2].astype(np.float32) * np.float32(1.0 / 65536)


@compiled
def _spread(wide: NDArray[np.int32], marked: NDArray[np.bool_]) -> None:
    """Shortest ways by steps to the side, aslant, and of a knight; down, then up."""
    height, width = marked.shape
    for turn in (1, -1):
        for row in range(height):
            for column in range(width):
                y = row + 2 if turn == 1 else height + 1 - row
                x = column + 2 if turn == 1 else width + 1 - column
                if marked[y - 2, x - 2]:
                    continue
                up, far = y - turn, y - 2 * turn
                side = min(wide[up, x], wide[y, x - turn]) + SIDE
                slant = min(wide[up, x - 1], wide[up, x + 1]) + DIAGONAL
                knight = (
                    min(
                        min(wide[far, x - 1], wide[far, x + 1]),
                        min(wide[up, x - 2], wide[up, x + 2]),
                    )
                    + KNIGHT
                )
                wide[y, x] = min(wide[y, x], int32(min(min(side, slant), knight)))
