"""Fog for many images at once: equal to the bit to `corruptions.families.fog`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.batch import philox
from corruptions.batch.arithmetic import divisor, truncated
from corruptions.families.fog import map_size
from corruptions.parameters import FOG, FOG_WIBBLE


def fog(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    strength, decay = FOG[severity - 1]
    height, width = images.shape[2:]
    heights = plasma(seeds, height, width, decay, images.device)[:, None, :height, :width]
    values = images.double() / divisor(255.0, images.device)
    white = values.amax((1, 2, 3), keepdim=True)
    return truncated((values + strength * heights) * white / (white + strength))


def plasma(
    seeds: Sequence[int], height: int, width: int, decay: float, device: torch.device
) -> Tensor:
    """Heights from 0 to 1 for each image, (B, at least H, at least W)."""
    step, n_rows, n_columns = map_size(height, width)
    draws = philox.words(seeds, 0, n_rows * n_columns, device)
    steps = (draws.double() + 0.5) * 2.0**-31 - 1.0
    steps = steps.reshape(len(seeds), n_rows, n_columns)
    heights = torch.zeros_like(steps)
    wibble = FOG_WIBBLE
    while step >= 2:
        half = step // 2
        centre, over, beside = (
            (slice(None), slice(half, None, step), slice(half, None, step)),
            (slice(None), slice(0, None, step), slice(half, None, step)),
            (slice(None), slice(half, None, step), slice(0, None, step)),
        )
        corner = heights[:, ::step, ::step]
        pairs = corner + corner.roll(-1, 1)
        heights[centre] = (pairs + pairs.roll(-1, 2)) / 4.0 + wibble * (wibble * steps[centre])
        middle = heights[centre]
        around = (middle + middle.roll(1, 1)) + (corner + corner.roll(-1, 2))
        heights[over] = around / 4.0 + wibble * (wibble * steps[over])
        around = (middle + middle.roll(1, 2)) + (corner + corner.roll(-1, 1))
        heights[beside] = around / 4.0 + wibble * (wibble * steps[beside])
        step //= 2
        wibble /= decay
    heights = heights - heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)
