"""What an image must be before anything is done to it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from corruptions.errors import CorruptionError, InvalidImageError

MINIMUM_SIDE = 32  # pixels; below it snow and frost have no meaning


def check_image(image: Any) -> None:
    """Raises InvalidImageError unless this is a uint8 array (H, W, 3) of 32 pixels and more."""
    import numpy as np

    if not isinstance(image, np.ndarray):
        raise InvalidImageError(
            f"expected a numpy array of dtype uint8 and shape (H, W, 3), got {type(image).__name__}"
        )
    if image.dtype != np.uint8:
        holes = image.dtype.kind == "f" and bool(np.isnan(image).any())
        raise InvalidImageError(
            f"expected dtype uint8 with values 0 to 255, got {image.dtype}"
            f"{' with NaN in it' if holes else ''}; scale and convert it"
        )
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        raise InvalidImageError(
            f"expected 3 channels, got a grey image of shape {image.shape}; "
            "repeat it: numpy.repeat(image.reshape(H, W, 1), 3, axis=2)"
        )
    if image.ndim == 3 and image.shape[2] == 4:
        raise InvalidImageError(
            f"expected 3 channels, got {image.shape}; drop the alpha channel: image[..., :3]"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise InvalidImageError(f"expected shape (H, W, 3), got {image.shape}")
    check_sides(image.shape[:2])


def check_sides(sides: Sequence[int]) -> None:
    """Raises InvalidImageError where a side has fewer than 32 pixels."""
    if min(sides) < MINIMUM_SIDE:
        raise InvalidImageError(
            f"expected sides of at least {MINIMUM_SIDE} pixels, got {tuple(sides)}; enlarge it"
        )


def as_integer(value: Any) -> int | None:
    """The value of an integer of Python's or NumPy's; None for all else, booleans included."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def check_seed(seed: Any) -> int:
    """The seed as an int.

    Raises:
        CorruptionError: It is not an integer.
    """
    checked = as_integer(seed)
    if checked is None:
        raise CorruptionError(f"expected an integer as seed, got {seed!r}")
    return checked
