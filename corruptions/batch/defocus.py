"""Defocus blur for many images at once: equal to the bit to `corruptions.families.defocus`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from corruptions.families.defocus import POINT, fixed_kernel
from corruptions.parameters import DEFOCUS_BLUR


def defocus_blur(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    fixed = torch.from_numpy(fixed_kernel(*DEFOCUS_BLUR[severity - 1])).to(images.device)
    reach = len(fixed) // 2
    # Whole numbers below 2**53: float64 holds every sum exactly, in any order.
    planes = images.reshape(-1, 1, height, width).double()
    padded = functional.pad(planes, (reach,) * 4, mode="reflect")
    sums = functional.conv2d(padded, fixed[None, None].double())
    # Rounded first, for a library that convolves by way of a transform.
    levels = (sums.round() / 2.0**POINT).floor().clamp(max=255.0)
    return levels.to(torch.uint8).reshape(images.shape)
