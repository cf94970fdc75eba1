"""A drop-in replacement for `imagecorruptions`: its names and arguments, the pixels of this engine.

    from corruptions.compat import corrupt, get_corruption_names

What differs is listed in `docs/corruptions.md`: the pixels are the release's, a seed can be
given, NumPy's global generator is not used, and errors are the engine's own.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from corruptions import engine
from corruptions.errors import UnknownCorruptionError
from corruptions.registry import ALL, names
from corruptions.requests import as_integer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def corrupt(
    image: NDArray[np.uint8],
    severity: int = 1,
    corruption_name: str | None = None,
    corruption_number: int = -1,
    *,
    seed: int | None = None,
    key: str = "",
) -> NDArray[np.uint8]:
    """Corrupt one image.

    Args:
        image: uint8 of shape (H, W, 3), (H, W, 1) or (H, W), both sides at least 32 pixels.
        severity: 1 (mild) to 5 (strong).
        corruption_name: One of `get_corruption_names("all")`.
        corruption_number: The position in that list, where no name is given.
        seed: None draws anew at each call, as the package does.
        key: What tells this image from others of the same seed.

    Returns:
        uint8 of shape (H, W, 3), for grey images too, as from the package.

    Raises:
        CorruptionError: One of the kinds that `corruptions.corrupt` raises.
    """
    import numpy as np

    if corruption_name is None:
        number = as_integer(corruption_number)
        if number is None or not 0 <= number < len(ALL):
            raise UnknownCorruptionError(
                f"expected corruption_name, or corruption_number from 0 to {len(ALL) - 1}; "
                f"got {corruption_number!r}"
            )
        corruption_name = ALL[number]
    is_grey = isinstance(image, np.ndarray) and (image.ndim == 2 or image.shape[2:] == (1,))
    if is_grey and not np.ma.is_masked(image):
        image = np.repeat(np.asarray(image).reshape(*image.shape[:2], 1), 3, axis=2)
    if seed is None:
        seed = secrets.randbits(64)
    return engine.corrupt(image, corruption_name, severity, seed=seed, key=key)


def get_corruption_names(subset: str = "common") -> list[str]:
    """The names of a subset: `common`, `validation` (our `extra`), `all`, `noise`, `blur`,
    `weather` or `digital`.

    Raises:
        UnknownCorruptionError: No subset has that name.
    """
    return list(names("extra" if subset == "validation" else subset))
