"""The engine `imagecorruptions`: the package of that name, made reproducible.

The package (installed as `imagecorruptions-imaug`, the maintained fork) draws from three
generators: NumPy's global one, scikit-image's own (impulse_noise) and numba's own
(glass_blur). Here each image has its own seed for all three, and NumPy's global state is put back
afterwards.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import threading
from typing import TYPE_CHECKING, Any

from corruptions.errors import EngineUnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DISTRIBUTION = "imagecorruptions-imaug"
# Raise this when the way the seeds reach the package changes, for then the pixels do.
SEEDING_VERSION = 1
# These two draw from generators of their own and take the seed as an argument.
OWN_GENERATOR = frozenset({"impulse_noise", "glass_blur"})

# NumPy's global state belongs to the process, so one image at a time may borrow it.
_global_state = threading.Lock()


def version() -> str:
    """`<package version>+seeding<N>`.

    Raises:
        EngineUnavailableError: The package is not installed.
    """
    try:
        return f"{importlib.metadata.version(DISTRIBUTION)}+seeding{SEEDING_VERSION}"
    except importlib.metadata.PackageNotFoundError:
        raise EngineUnavailableError(
            f"the package {DISTRIBUTION} is not installed; run: pip install {DISTRIBUTION}"
        ) from None


def corrupt(
    image: NDArray[np.uint8], name: str, severity: int, image_seed: int
) -> NDArray[np.uint8]:
    """One corrupted image; the arguments are checked already (see `engine.corrupt`)."""
    import numpy as np

    function = _load().corruption_dict[name]
    words = [(image_seed >> shift) & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    with _global_state, contextlib.redirect_stdout(sys.stderr):  # the package prints warnings
        state = np.random.get_state()
        try:
            np.random.seed(words)
            if name == "glass_blur":
                result = _in_a_thread(function, _as_pil(image), severity, seed=words[0])
            elif name in OWN_GENERATOR:
                result = function(_as_pil(image), severity, seed=image_seed)
            else:
                result = function(_as_pil(image), severity)
        finally:
            np.random.set_state(state)
    return np.asarray(result).astype(np.uint8)  # truncates towards zero, as the release did


def _as_pil(image: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(image)


def _in_a_thread(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call in a separate thread: numba keeps one generator a thread, and seeding it here
    would change the numbers that the caller's compiled code draws."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(function, *args, **kwargs).result()


def _load() -> Any:
    try:
        import imagecorruptions
    except ImportError as error:
        raise EngineUnavailableError(_explain(error)) from error
    return imagecorruptions


def _explain(error: ImportError) -> str:
    text = str(error)
    if "libGL" in text:
        return (
            f"OpenCV cannot be loaded ({text}); install the system library it names, on Debian "
            "and Ubuntu: apt-get install libgl1. Or use the build without a screen: "
            "pip uninstall -y opencv-python && pip install opencv-python-headless"
        )
    if ".so" in text:
        return (
            f"a system library is missing ({text}); on Debian and Ubuntu: "
            "apt-get install libgl1 libglib2.0-0"
        )
    return f"imagecorruptions cannot be loaded ({text}); run: pip install {DISTRIBUTION}"
