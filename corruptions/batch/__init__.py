"""The engine on torch tensors: many images at once, on any device.

A module a family and a function a corruption, as in `corruptions.families`; each takes
images (uint8, (B, 3, H, W)), a severity and a seed an image, all checked already, and
returns new images of the same shape on the same device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from corruptions.errors import CorruptionError, EngineUnavailableError, InvalidImageError
from corruptions.families import MODULES
from corruptions.registry import ALL, check_severity, group_of
from corruptions.requests import check_seed, check_sides

if TYPE_CHECKING:
    from torch import Tensor

    BatchCorruption = Callable[[Tensor, int, Sequence[int]], Tensor]

MADE_ONE_BY_ONE = frozenset({"glass_blur", "gaussian_blur", "spatter"})
"""Corruptions without a version for batches."""
EXACT = frozenset(ALL) - MADE_ONE_BY_ONE - {"snow", "contrast", "elastic_transform"}
"""Corruptions that are bit-identical to `corruptions.corrupt` on any device."""


def corrupt_batch(images: Tensor, name: str, severity: int, *, seeds: Sequence[int]) -> Tensor:
    """Corrupt many images at once.

    Args:
        images: uint8 of shape (B, 3, H, W), RGB, sides at least 32 pixels. Left unchanged.
        name: A corruption; all but glass_blur, gaussian_blur and spatter.
        severity: 1 (mild) to 5 (strong).
        seeds: For each image `corruptions.image_seed(seed, key, name, severity)`.

    Returns:
        New uint8 images (B, 3, H, W) on the same device: those of `corruptions.corrupt`, to
        one grey level on at least 99.9 % of the values; to the bit for those in `EXACT`.

    Raises:
        UnknownCorruptionError: No corruption has that name.
        EngineUnavailableError: That corruption is made image by image only.
        InvalidSeverityError: The severity is not an integer from 1 to 5.
        InvalidImageError: The images are no such tensor, or the seeds are not one an image.
        CorruptionError: A seed is not an integer.
    """
    group_of(name)
    severity = check_severity(severity)
    if name in MADE_ONE_BY_ONE:
        raise EngineUnavailableError(
            f"{name} is made image by image: use corruptions.corrupt for it"
        )
    images, checked = _checked(images, seeds)
    if not checked:
        return images.clone()
    function: BatchCorruption = getattr(import_module(f"corruptions.batch.{MODULES[name]}"), name)
    return function(images, severity, checked)


def _checked(images: Any, seeds: Any) -> tuple[Tensor, list[int]]:
    """The images as a plain tensor and the seeds, where both are what they should be."""
    import torch

    if not isinstance(images, torch.Tensor):
        raise InvalidImageError(
            "expected a torch tensor of dtype uint8 and shape (B, 3, H, W), "
            f"got {type(images).__name__}; torch.from_numpy and permute make one"
        )
    if images.layout != torch.strided or images.is_meta:
        raise InvalidImageError(
            f"expected a dense tensor with data, got one of layout {images.layout} on "
            f"{images.device}; make one with images.to_dense(), on a device that holds data"
        )
    if images.dtype != torch.uint8:
        raise InvalidImageError(
            f"expected dtype torch.uint8 with values 0 to 255, got {images.dtype}; "
            "scale and convert it"
        )
    if images.ndim != 4 or images.shape[1] != 3:
        raise InvalidImageError(
            f"expected shape (B, 3, H, W), got {tuple(images.shape)}; "
            "images.permute(0, 3, 1, 2) brings the channels forward"
        )
    check_sides(images.shape[2:])
    try:
        checked = [check_seed(seed) for seed in seeds]
    except TypeError:
        raise CorruptionError(f"expected one seed an image, got {seeds!r}") from None
    if len(checked) != len(images):
        raise InvalidImageError(
            f"expected one seed an image, got {len(checked)} seeds for {len(images)} images"
        )
    return images.as_subclass(torch.Tensor), checked
