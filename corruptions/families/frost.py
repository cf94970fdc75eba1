"""Frost: a photograph of frost on glass over the image."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions import philox
from corruptions.compiled import compiled
from corruptions.errors import EngineUnavailableError
from corruptions.parameters import FROST_TEXTURES, FROST_WEIGHTS

Pixels = NDArray[np.uint8]


def frost(image: Pixels, severity: int, seed: int) -> Pixels:
    """A random part of a random photograph, added to the image with a weight each.

    A photograph that is smaller than the image is enlarged, just enough to cover it.
    """
    of_image, of_frost = FROST_WEIGHTS[severity - 1]
    height, width, _ = image.shape
    part = np.ascontiguousarray(texture_part(seed, height, width))
    out = np.empty_like(image)
    _mix(image.reshape(-1), part.reshape(-1), of_image, of_frost, out.reshape(-1))
    return out


def texture_part(seed: int, height: int, width: int) -> Pixels:
    """The part of a photograph that an image of this size is given, (H, W, 3)."""
    draws = philox.words(seed, 0, 3)
    photograph = texture(FROST_TEXTURES[below(len(FROST_TEXTURES), draws[0])], height, width)
    # The upper bounds are exclusive, as in the release: the last row and column never start.
    top = below(photograph.shape[0] - height, draws[1])
    left = below(photograph.shape[1] - width, draws[2])
    return photograph[top : top + height, left : left + width]


def below(n: int, draw: np.uint32) -> int:
    """A whole number from 0 to n - 1 from a random word."""
    return int(draw) * n >> 32


@functools.lru_cache(maxsize=16)
def texture(name: str, height: int, width: int) -> Pixels:
    """A photograph, RGB, at least one pixel larger than (height, width) on both sides."""
    photograph = _read(name)
    scale = max((height + 1) / photograph.height, (width + 1) / photograph.width)
    if scale > 1:
        size = tuple(-int(-side * scale // 1) for side in photograph.size)
        photograph = photograph.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    return np.array(photograph)


@functools.cache
def _read(name: str) -> Image.Image:
    # Found without importing the package, which would load OpenCV and what that needs.
    package = importlib.util.find_spec("imagecorruptions")
    if package is None or package.origin is None:
        raise EngineUnavailableError(
            "the photographs of frost come with the package imagecorruptions, which is not "
            "installed; run: pip install imagecorruptions-imaug"
        )
    path = Path(package.origin).parent / "frost" / name
    try:
        with Image.open(path) as photograph:
            return photograph.convert("RGB")
    except OSError as error:
        raise EngineUnavailableError(
            f"cannot read the photograph of frost {path} ({error}); "
            "run: pip install --force-reinstall --no-deps imagecorruptions-imaug"
        ) from error


@compiled
def _mix(image: Pixels, part: Pixels, of_image: float, of_frost: float, out: Pixels) -> None:
    for x in range(image.size):
        out[x] = np.uint8(min(of_image * image[x] + of_frost * part[x], 255.0))
