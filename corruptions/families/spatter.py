"""Spatter: drops of water or mud on the lens.

A smoothed noise is liquid where it is high. Mud (severities 4 and 5) covers the image there;
water (1 to 3) shines at the rims of its drops, which the release found with OpenCV's Canny
edges, distance transform and filters. `corruptions.drops` has those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.drops import shine
from corruptions.families.gaussian import filter_plane
from corruptions.parameters import MUD_RGB, MUD_SOLID, SPATTER, WATER_RGB, Spatter

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]


def spatter(image: Pixels, severity: int, seed: int) -> Pixels:
    """Drops of water, or of mud at severities 4 and 5."""
    height, width, _ = image.shape
    drops = SPATTER[severity - 1]
    liquid = drops.mean + drops.sd * philox.normals(seed, 0, height * width)
    liquid = filter_plane(liquid.reshape(height, width), drops.sigma)
    out = np.empty_like(image)
    if drops.mud_sigma is None:
        water = _water(liquid, drops)
        _add(image, water, np.array(WATER_RGB, np.float32) / np.float32(255.0), out)
    else:
        mud = filter_plane((liquid > drops.threshold).astype(np.float64), drops.mud_sigma)
        mud[mud < MUD_SOLID] = 0.0
        _cover(image, mud, np.array(MUD_RGB) / 255.0, out)
    return out


def _water(liquid: Values, drops: Spatter) -> NDArray[np.float32]:
    """How much of the water's colour is added to each pixel."""
    depth = (np.where(liquid < drops.threshold, 0.0, liquid) * 255.0).astype(np.uint8)
    light = depth * shine(depth).astype(np.float32)
    # Without a drop there is nothing to add; the original divides by nothing there.
    brightest = light.max() or np.float32(1.0)
    water: NDArray[np.float32] = light / brightest * np.float32(drops.intensity)
    return water


@compiled
def _add(
    image: Pixels, water: NDArray[np.float32], colour: NDArray[np.float32], out: Pixels
) -> None:
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                value = np.float32(image[y, x, channel]) / np.float32(255.0)
                value += water[y, x] * colour[channel]
                out[y, x, channel] = np.uint8(min(value, np.float32(1.0)) * np.float32(255.0))


@compiled
def _cover(image: Pixels, mud: Values, colour: Values, out: Pixels) -> None:
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            share = mud[y, x]
            for channel in range(3):
                value = np.float32(image[y, x, channel]) / np.float32(255.0)
                value = value * (1.0 - share) + colour[channel] * share
                out[y, x, channel] = np.uint8(min(value, 1.0) * 255.0)
