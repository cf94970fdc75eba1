"""Pixelation for many images at once: equal to the bit to `corruptions.families.pixelate`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.families.pixelate import POINT_BITS, boxes, small_sides


def pixelate(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    small_height, small_width = small_sides(height, width, severity)
    small = _shrink(images.to(torch.int32), small_width)
    small = _shrink(small.mT, small_height).mT.to(torch.uint8)
    columns = torch.from_numpy(boxes(small_width, width)[0]).to(images.device)
    rows = torch.from_numpy(boxes(small_height, height)[0]).to(images.device)
    return small.index_select(3, columns).index_select(2, rows)


def _shrink(images: Tensor, new_width: int) -> Tensor:
    """Means over boxes across, rounded to whole grey levels: int32 (B, 3, H, new_width)."""
    width = images.shape[3]
    starts, counts, weights = (
        torch.from_numpy(part).to(images.device) for part in boxes(width, new_width)
    )
    sums = images.index_select(3, starts)
    for place in range(1, -(-width // new_width) + 1):
        more = images.index_select(3, (starts + place).clamp(max=width - 1))
        sums += more * (counts > place)
    return sums * weights + (1 << POINT_BITS - 1) >> POINT_BITS
