"""One call for every corruption: check the request once, then hand it to an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corruptions.errors import CorruptionError, UnknownCorruptionError
from corruptions.registry import check_severity, group_of
from corruptions.requests import as_integer, checked_image
from corruptions.seeding import image_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENGINES = ("gnlbench", "imagecorruptions")
# Increase this whenever a pixel of the engine may change: it is part of protocols.
VERSION = "2"


def corrupt(
    image: NDArray[np.uint8],
    name: str,
    severity: int,
    *,
    seed: int = 0,
    key: str = "",
    engine: str = "gnlbench",
) -> NDArray[np.uint8]:
    """Corrupt one image.

    Args:
        image: uint8 of shape (H, W, 3), RGB, both sides at least 32 pixels. Left unchanged; an
            array of a subclass (a memory map, a masked array without a mask) is taken as plain.
        name: One of `names("all")`.
        severity: 1 (mild) to 5 (strong).
        seed: The experiment's seed.
        key: What tells this image from others, `<class folder>/<file name>` in a data set.
        engine: Who makes the pixels: `gnlbench`, faithful to the release, or
            `imagecorruptions`, the package of that name.

    Returns:
        A new uint8 array of shape (H, W, 3): a function of the arguments alone. The global
        random state of NumPy is left as it was found.

    Raises:
        UnknownCorruptionError: No corruption or engine has that name.
        InvalidSeverityError: The severity is not an integer from 1 to 5.
        InvalidImageError: The array is not such an image.
        CorruptionError: The seed is not an integer, or the key is not text.
        EngineUnavailableError: The engine's libraries cannot be loaded.
    """
    group_of(name)
    severity = check_severity(severity)
    _check_engine(engine)
    image = checked_image(image)
    own_seed = image_seed(seed, key, name, severity)
    if engine == "imagecorruptions":
        from corruptions import package

        return package.corrupt(image, name, severity, own_seed)
    from corruptions.families import function

    return function(name)(image, severity, own_seed)


def jpeg_round_trip(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What Pillow reads from the JPEG file that it writes of an image (4:2:0), to the bit, in a
    quarter of the time: nothing is lost in the file, so none is written.

    Args:
        image: uint8 of shape (H, W, 3), RGB, both sides at least 32 pixels. Left unchanged.
        quality: Of libjpeg, 1 (poor) to 100.

    Raises:
        InvalidImageError: The array is not such an image.
        CorruptionError: The quality is not an integer from 1 to 100.
    """
    image = checked_image(image)
    checked = as_integer(quality)
    if checked is None or not 1 <= checked <= 100:
        raise CorruptionError(f"expected a JPEG quality from 1 to 100, got {quality!r}")
    from corruptions.families.jpeg import round_trip

    return round_trip(image, checked)


def engine_version(engine: str = "gnlbench") -> str:
    """The version in a protocol, which changes whenever the engine's code may change a pixel. The
    libraries that the package `imagecorruptions` uses are not part of it.

    Raises:
        UnknownCorruptionError: No engine has that name.
        EngineUnavailableError: The engine is not installed.
    """
    _check_engine(engine)
    if engine == "gnlbench":
        return VERSION
    from corruptions import package

    return package.version()


def _check_engine(engine: str) -> None:
    if engine not in ENGINES:
        raise UnknownCorruptionError(
            f"unknown engine {engine!r}; expected one of {', '.join(ENGINES)}"
        )
