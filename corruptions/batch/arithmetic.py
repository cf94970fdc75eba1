"""Arithmetic that gives the same bits on a GPU as in NumPy."""

from __future__ import annotations

import torch
from torch import Tensor


def divisor(value: float, device: torch.device, dtype: torch.dtype = torch.float64) -> Tensor:
    """A divisor as a tensor. CUDA replaces the division by a plain number with a multiplication by
    its inverse, which changes the last bit."""
    return torch.tensor(value, dtype=dtype, device=device)


def truncated(fractions: Tensor) -> Tensor:
    """Fractions of white, clipped to 0..1, as uint8; truncated."""
    return (fractions.clamp(0.0, 1.0) * 255.0).to(torch.uint8)
