"""Zoom blur for many images at once: equal to the bit to `corruptions.families.zoom`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.batch.arithmetic import divisor, truncated
from corruptions.families.zoom import grids


def zoom_blur(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    device = images.device
    rows, row_shares, columns, column_shares = (
        torch.from_numpy(each).to(device) for n in (height, width) for each in grids(severity, n, 1)
    )
    values = images.float() / divisor(255.0, device, torch.float32)
    sums = torch.zeros_like(values)
    n_factors = len(rows)
    for row, row_share, column, column_share in zip(
        rows.long(), row_shares[:, :, None], columns.long(), column_shares, strict=True
    ):
        upper, lower = values[:, :, row], values[:, :, row + 1]
        lines = upper + row_share * (lower - upper)
        left, right = lines[:, :, :, column], lines[:, :, :, column + 1]
        sums += left + column_share * (right - left)
    return truncated((values + sums) / divisor(n_factors + 1, device, torch.float32))
