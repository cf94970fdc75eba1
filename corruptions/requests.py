"""Validation of images, severities and seeds."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from corruptions.errors import CorruptionError, InvalidImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MINIMUM_SIDE = 32  # pixels; below it snow and frost have no meaning


def checked_image(image: Any) -> NDArray[np.uint8]:
    """The image as a plain array, contiguous and writable, which compiled code is made for; a
    copy only where it is not one already, so it must not be written to.

    Raises:
        InvalidImageError: It is no uint8 array (H, W, 3) of 32 pixels and more, or parts of it
            are masked.
    """
    import numpy as np

    if not isinstance(image, np.ndarray):
        raise InvalidImageError(
            "expected a numpy array of dtype uint8 and shape (H, W, 3), got "
            f"{type(image).__name__}{_conversion_of(image)}"
        )
    if np.ma.is_masked(image):
        raise InvalidImageError(
            "expected an array without masked values; fill them: numpy.ma.filled(image, 0)"
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
    return np.require(np.asarray(image), requirements=("C", "W"))


def _conversion_of(image: Any) -> str:
    """How to make an array of what other libraries call an image."""
    if hasattr(image, "convert") and hasattr(image, "mode"):  # Pillow's
        return '; convert it: numpy.asarray(image.convert("RGB"))'
    if hasattr(image, "permute") and hasattr(image, "numpy"):  # torch's
        return "; convert it: image.permute(1, 2, 0).cpu().numpy() for (3, H, W)"
    return ""


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
