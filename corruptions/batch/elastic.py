"""Elastic transform for many images at once; see `corruptions.families.elastic`.

Only the order of summation in the smoothing differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from corruptions.batch import philox
from corruptions.batch.arithmetic import divisor, truncated
from corruptions.families.elastic import COLUMNS, ROWS, affine_map, smoothing
from corruptions.parameters import ELASTIC, ELASTIC_SIDE


def elastic_transform(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    device = images.device
    found = [affine_map(seed, height, width, severity) for seed in seeds]
    maps = torch.from_numpy(np.stack(found)).to(device)[:, :, :, None, None]  # (B, 2, 3, 1, 1)
    y, x = (
        torch.arange(height, dtype=torch.float64, device=device)[:, None],
        torch.arange(width, dtype=torch.float64, device=device),
    )
    at_x, at_y = (maps[:, i, 0] * x + maps[:, i, 1] * y + maps[:, i, 2] for i in (0, 1))
    warped = _sample(images.float(), at_x, at_y, repeat_edge=False)
    warped = warped / divisor(255.0, device, torch.float32)
    columns, rows = displacements(seeds, height, width, severity, device)
    return truncated(_sample(warped, x + columns.double(), y + rows.double(), repeat_edge=True))


def displacements(
    seeds: Sequence[int], height: int, width: int, severity: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Along x, and along y: float32 (B, H, W) each."""
    found = ELASTIC[severity - 1]
    scale = min(height, width) / ELASTIC_SIDE
    down, across = (
        torch.from_numpy(smoothing(n, min(height, width), found.sigma * scale)).to(device)
        for n in (height, width)
    )
    fields = []
    for stream in (COLUMNS, ROWS):
        draws = philox.words(seeds, stream, height * width, device)
        noise = ((draws.double() + 0.5) * 2.0**-31 - 1.0).reshape(-1, height, width)
        fields.append((found.strength * scale * (down @ noise @ across.T)).float())
    return fields[0], fields[1]


def _sample(images: Tensor, at_x: Tensor, at_y: Tensor, *, repeat_edge: bool) -> Tensor:
    """Bilinear samples of float32 (B, 3, H, W) at points (B, H, W); beyond the edges mirrored."""
    height, width = images.shape[2:]
    left, top = at_x.floor(), at_y.floor()
    part_x, part_y = (at_x - left).float()[:, None], (at_y - top).float()[:, None]
    x = [_mirrored(left.long() + step, width, repeat_edge) for step in (0, 1)]
    y = [_mirrored(top.long() + step, height, repeat_edge) for step in (0, 1)]
    flat = images.flatten(2)

    def lines(row: Tensor) -> Tensor:
        one, other = (
            flat.gather(2, (row * width + column).flatten(1)[:, None].expand_as(flat))
            for column in x
        )
        one, other = one.reshape(images.shape), other.reshape(images.shape)
        return one + part_x * (other - one)

    upper, lower = lines(y[0]), lines(y[1])
    return upper + part_y * (lower - upper)


def _mirrored(index: Tensor, n: int, repeat_edge: bool) -> Tensor:
    if repeat_edge:
        index = index % (2 * n)
        return torch.where(index < n, index, 2 * n - 1 - index)
    index = index % (2 * n - 2)
    return torch.where(index < n, index, 2 * n - 2 - index)
