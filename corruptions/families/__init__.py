"""The engine: one module for each family of corruptions, one function for each corruption.

Each function takes an image (uint8, (H, W, 3), contiguous, never written to), a severity and
the image's 128-bit seed, all checked already, and returns a new image.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Corruption = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]

MODULES = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "defocus",
    "glass_blur": "glass",
    "motion_blur": "motion",
    "zoom_blur": "zoom",
    "snow": "snow",
    "frost": "frost",
    "fog": "fog",
    "brightness": "colour",
    "contrast": "colour",
    "elastic_transform": "elastic",
    "pixelate": "pixelate",
    "jpeg_compression": "jpeg",
    "speckle_noise": "noise",
    "gaussian_blur": "gaussian",
    "spatter": "spatter",
    "saturate": "colour",
}
"""Corruption -> the module of this package that makes it, loaded when first asked for."""


def function(name: str) -> Corruption:
    """The function behind a corruption."""
    made: Corruption = getattr(import_module(f"corruptions.families.{MODULES[name]}"), name)
    return made
