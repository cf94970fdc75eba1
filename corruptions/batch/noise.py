"""The noise family for many images at once: equal to the bit to `corruptions.families.noise`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from corruptions.batch import philox
from corruptions.families.noise import alias_table


def gaussian_noise(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return _draw(images, alias_table("gaussian_noise", severity), seeds)


def shot_noise(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return _draw(images, alias_table("shot_noise", severity), seeds)


def impulse_noise(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return _draw(images, alias_table("impulse_noise", severity), seeds)


def speckle_noise(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return _draw(images, alias_table("speckle_noise", severity), seeds)


def _draw(images: Tensor, alias: NDArray[np.uint32], seeds: Sequence[int]) -> Tensor:
    n_images, _, height, width = images.shape
    table = torch.from_numpy(alias.astype(np.int64)).to(images.device)
    draws = philox.words(seeds, 0, 3 * height * width, images.device)
    draws = draws.reshape(n_images, height, width, 3).permute(0, 3, 1, 2)  # as images lie
    slot = draws >> 24
    entry = table[images.long() << 8 | slot]
    keep = draws & 0xFFFFFF < entry >> 8
    return torch.where(keep, slot, entry & 0xFF).to(torch.uint8)
