"""Frost for many images at once: equal to the bit to `corruptions.families.frost`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from corruptions.families.frost import texture_part
from corruptions.parameters import FROST_WEIGHTS


def frost(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    of_image, of_frost = FROST_WEIGHTS[severity - 1]
    height, width = images.shape[2:]
    parts = np.stack([texture_part(seed, height, width) for seed in seeds])
    ice = torch.from_numpy(parts).to(images.device).permute(0, 3, 1, 2)
    mixed = of_image * images.double() + of_frost * ice.double()
    return mixed.clamp(max=255.0).to(torch.uint8)
