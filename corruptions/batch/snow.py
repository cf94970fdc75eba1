"""Snow for many images at once; see `corruptions.families.snow`.

The last bit of a logarithm or a cosine may differ, which can change a flake by one grey level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.batch import philox
from corruptions.batch.arithmetic import divisor, truncated
from corruptions.batch.motion import streak
from corruptions.families.snow import FLAKES, direction, n_enlarged
from corruptions.families.zoom import Grid, grid
from corruptions.parameters import SNOW


def snow(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    device = images.device
    layer = snow_layers(seeds, height, width, severity, device)
    values = images.float() / divisor(255.0, device, torch.float32)
    red, green, blue = values.unbind(1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    pale = (grey * 1.5 + 0.5)[:, None]
    kept = torch.tensor(SNOW[severity - 1].kept, dtype=torch.float32, device=device)
    whitened = kept * values + (1.0 - kept) * torch.maximum(values, pale)
    flakes = layer.double() / divisor(255.0, device)
    return truncated(whitened.double() + (flakes + flakes.flip(2, 3)))


def snow_layers(
    seeds: Sequence[int], height: int, width: int, severity: int, device: torch.device
) -> Tensor:
    """uint8 (B, 1, H, W)."""
    flakes = SNOW[severity - 1]
    rows, columns = grid(height, flakes.zoom), grid(width, flakes.zoom)
    shape = n_enlarged(rows), n_enlarged(columns)
    noise = flakes.mean + flakes.sd * philox.normals(seeds, FLAKES, shape[0] * shape[1], device)
    noise = noise.reshape(len(seeds), 1, *shape)
    row, row_share = _places(rows, device)
    column, column_share = _places(columns, device)
    upper, lower = noise[:, :, row], noise[:, :, row + 1]
    lines = upper + row_share[:, None] * (lower - upper)
    left, right = lines[..., column], lines[..., column + 1]
    layer = left + column_share * (right - left)
    layer = truncated(torch.where(layer >= flakes.threshold, layer, 0.0))
    return streak(layer, flakes.radius, flakes.sigma, [direction(seed) for seed in seeds])


def _places(side: Grid, device: torch.device) -> tuple[Tensor, Tensor]:
    first = torch.from_numpy(side.first - side.start).long()
    return first.to(device), torch.from_numpy(side.share).double().to(device)
