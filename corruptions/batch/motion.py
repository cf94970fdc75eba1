"""Motion blur for many images at once: equal to the bit to `corruptions.families.motion`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from corruptions.families.motion import (
    HALF_A_STEP,
    POINT,
    direction,
    half_gaussian,
    offsets_along,
)
from corruptions.parameters import MOTION_BLUR


def motion_blur(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    radius, sigma = MOTION_BLUR[severity - 1]
    return streak(images, radius, sigma, [direction(seed) for seed in seeds])


def streak(images: Tensor, radius: int, sigma: float, degrees: Sequence[float]) -> Tensor:
    """uint8 (B, C, H, W), each image smeared in its own direction."""
    n_images, _, height, width = images.shape
    device = images.device
    weights = half_gaussian(radius, sigma)
    found = np.stack([offsets_along(angle, weights.size) for angle in degrees])
    offsets = torch.from_numpy(found).to(device)  # (B, taps, 2)
    rows = torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    flat = images.flatten(2).int()
    sums = torch.full_like(flat, HALF_A_STEP)
    for step, weight in enumerate(weights.tolist()):
        y = (rows + offsets[:, step, :1]).clamp(0, height - 1)  # (B, H)
        x = (columns + offsets[:, step, 1:]).clamp(0, width - 1)  # (B, W)
        at = (y[:, :, None] * width + x[:, None, :]).reshape(n_images, 1, -1)
        sums += weight * flat.gather(2, at.expand_as(flat))
    return (sums >> POINT).to(torch.uint8).reshape(images.shape)
