"""The common corruptions of ImageNet-C, as a separate library.

    >>> import corruptions
    >>> corruptions.names("blur")
    ('defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur')

`corrupt(image, name, severity, seed=..., key=...)` corrupts one image; every pixel is a
function of those arguments alone. The package does not depend on the application that uses it, and
importing it loads no numerical library.

Reference: Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", ICLR 2019.
"""

from corruptions.batch import corrupt_batch
from corruptions.engine import ENGINES, corrupt, engine_version, jpeg_round_trip
from corruptions.errors import (
    CorruptionError,
    EngineUnavailableError,
    InvalidImageError,
    InvalidSeverityError,
    UnknownCorruptionError,
)
from corruptions.registry import GROUPS, SEVERITIES, group_of, names
from corruptions.seeding import image_seed

__all__ = [
    "ENGINES",
    "GROUPS",
    "SEVERITIES",
    "CorruptionError",
    "EngineUnavailableError",
    "InvalidImageError",
    "InvalidSeverityError",
    "UnknownCorruptionError",
    "corrupt",
    "corrupt_batch",
    "engine_version",
    "group_of",
    "image_seed",
    "jpeg_round_trip",
    "names",
]
