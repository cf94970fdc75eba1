"""What it takes for a graphics processor to compute to the last bit as NumPy does."""

from __future__ import annotations

import torch
from torch import Tensor


def divisor(value: float, device: torch.device, dtype: torch.dtype = torch.float64) -> Tensor:
    """A number to divide by. By a plain one CUDA would multiply with the inverse, and the last
    bit go."""
    return torch.tensor(value, dtype=dtype, device=device)


def truncated(fractions: Tensor) -> Tensor:
    """Fractions of white, clipped to 0..1, as uint8; truncated."""
    return (fractions.clamp(0.0, 1.0) * 255.0).to(torch.uint8)
