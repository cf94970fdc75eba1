"""The GroupNL convolution: a few feature maps by a convolution, the others as sines of them.

Source: Ding, Xie, Zhang, Raza, Wang, Cao, "GroupNL: Low-Resource and Robust CNN Design over
Cloud and Device", IEEE TMC 2026, doi 10.1109/TMC.2026.3655770, and the authors' published
code, whose state dict (keys, order, shapes) and outputs this layer reproduces.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import UsageError
from robustbench_gnl.models.seed_conv import SeedConv2d, split_channels

IntPair: TypeAlias = int | tuple[int, int]

# Below it a pixel counts as all zero; the original's value.
NORM_EPS = 1e-12


class GroupNLConv2d(nn.Module):
    """A seed convolution whose maps are normalised and multiplied by grouped sines.

    With s seed maps, r the reduction, T terms, e = r - 1 repeats and w = s / T seeds a term:

    - u is the seed maps divided, at each pixel, by their L2 norm across the s channels;
    - generated map (i*e + j)*w + p is sin((u[i*w + p] - shift[q]) * period[q]), q = i*e + j;
    - the output is u followed by the s*e generated maps.

    Args:
        in_channels: Channels n of the input.
        out_channels: Channels m = s * r of the output.
        kernel_size: Of the seed convolution, as are the next five.
        stride: As in `nn.Conv2d`.
        padding: As in `nn.Conv2d`.
        dilation: As in `nn.Conv2d`.
        groups: Of the seed convolution when dense; the sparse layer sets its own.
        bias: Whether the seed convolution has a bias.
        reduction: r, outputs for each seed map.
        seed_channels: s, given instead of `reduction`.
        num_terms: T, groups of seed maps that share periods and shifts.
        sparse: Give the seed convolution gcd(n, s) groups.
        shuffle: Shuffle the generated maps over the T terms.
        learn: Whether periods and shifts receive gradients.
        device: Where the parameters live.
        dtype: Of the parameters.

    Raises:
        UsageError: The channels do not divide as the formula needs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntPair,
        stride: IntPair = 1,
        padding: IntPair | str = 0,
        dilation: IntPair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        reduction: int | None = None,
        seed_channels: int | None = None,
        num_terms: int = 4,
        sparse: bool = False,
        shuffle: bool = False,
        learn: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        seeds = _seed_channels(out_channels, reduction, seed_channels)
        if sparse and in_channels > 0:
            groups = math.gcd(in_channels, seeds)
        _check_channels(in_channels, out_channels, seeds, num_terms, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.seed_channels = seeds
        self.reduction = out_channels // seeds
        self.num_terms = num_terms
        self.sparse = sparse
        self.shuffle = shuffle
        n_waves = num_terms * (self.reduction - 1)
        # The original passes a shift range of (1, 5) and never uses it: both lie in [1, 2).
        # These two come before the convolution, which fixes the order of the state dict.
        wave = torch.empty(n_waves, device=device, dtype=dtype)
        self.periods = nn.Parameter(torch.empty_like(wave), requires_grad=learn)
        self.shifts = nn.Parameter(torch.empty_like(wave), requires_grad=learn)
        self.conv1 = SeedConv2d(
            in_channels,
            seeds,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device=device,
            dtype=dtype,
        )
        self.reset_waves()

    def reset_waves(self) -> None:
        """Draw new periods and shifts, uniformly from [1, 2)."""
        with torch.no_grad():
            self.periods.uniform_(1, 2)
            self.shifts.uniform_(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, H, W) to (B, m, H', W').

        The result has the wider of the convolution's and the parameters' types, so that it
        is float32 under autocast, as in the original.
        """
        seeds: Tensor = self.conv1(x)
        out_dtype = torch.promote_types(seeds.dtype, self.periods.dtype)
        # The eps underflows in float16 and an empty pixel would become 0/0.
        work_dtype = torch.promote_types(out_dtype, torch.float32)
        seeds = seeds.to(work_dtype)
        norm: Tensor = torch.linalg.vector_norm(seeds, dim=1, keepdim=True).clamp_min(NORM_EPS)
        if self.reduction == 1:
            return (seeds / norm).to(out_dtype)
        periods = self._wave_grid(self.periods, work_dtype)
        shifts = self._wave_grid(self.shifts, work_dtype)
        # Autograd refuses `out=`, and a compiler fuses these operations by itself.
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            u = seeds / norm
            waves = torch.sin((self._by_term(u) - shifts) * periods)
            return torch.cat((u, self._to_channels(waves)), dim=1).to(out_dtype)
        # Without gradients the arithmetic is written straight into the result: no copies.
        shape = (seeds.shape[0], self.out_channels, *seeds.shape[2:])
        out = torch.empty(
            shape, dtype=work_dtype, device=seeds.device, memory_format=_memory_format(seeds)
        )
        u, generated = out[:, : self.seed_channels], out[:, self.seed_channels :]
        torch.div(seeds, norm, out=u)
        waves = self._wave_view(generated)
        # The same operations in the same order as above, so both give the same bits.
        torch.sub(self._by_term(u), shifts, out=waves)
        waves.mul_(periods).sin_()
        return out.to(out_dtype)

    def _wave_grid(self, waves: Tensor, dtype: torch.dtype) -> Tensor:
        """(T*e,) periods or shifts as (T, e, 1, 1, 1)."""
        return waves.to(dtype).view(self.num_terms, self.reduction - 1, 1, 1, 1)

    def _by_term(self, u: Tensor) -> Tensor:
        """(B, s, H, W) seeds as (B, T, 1, w, H, W), ready to meet the e repeats."""
        return split_channels(u, self.num_terms, 1, -1)

    def _to_channels(self, waves: Tensor) -> Tensor:
        """(B, T, e, w, H, W) waves as (B, s*e, H, W), shuffled if asked."""
        if self.shuffle:
            waves = waves.flatten(2, 3).transpose(1, 2)
            return waves.flatten(1, 2)
        return waves.flatten(1, 3)

    def _wave_view(self, generated: Tensor) -> Tensor:
        """The inverse of `_to_channels` as a view, through which it can be written."""
        repeats, per_term = self.reduction - 1, self.seed_channels // self.num_terms
        if self.shuffle:
            split = split_channels(generated, repeats, per_term, self.num_terms)
            return split.movedim(3, 1)
        return split_channels(generated, self.num_terms, repeats, per_term)

    def extra_repr(self) -> str:
        """What `print(model)` shows beside the seed convolution."""
        return (
            f"{self.in_channels}, {self.out_channels}, seed_channels={self.seed_channels}, "
            f"num_terms={self.num_terms}, sparse={self.sparse}, shuffle={self.shuffle}, "
            f"learn={self.periods.requires_grad}"
        )


def _memory_format(maps: Tensor) -> torch.memory_format:
    if maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def _seed_channels(out_channels: int, reduction: int | None, seed_channels: int | None) -> int:
    if (reduction is None) == (seed_channels is None):
        raise UsageError(
            "GroupNLConv2d needs either reduction or seed_channels, "
            f"got reduction={reduction} and seed_channels={seed_channels}; give exactly one.",
            reduction=reduction,
            seed_channels=seed_channels,
        )
    if seed_channels is not None:
        return seed_channels
    if reduction is None or reduction < 1 or out_channels % reduction:
        raise UsageError(
            f"GroupNLConv2d needs out_channels divisible by reduction, got {out_channels} and "
            f"{reduction}; choose a divisor of {out_channels}.",
            out_channels=out_channels,
            reduction=reduction,
        )
    return out_channels // reduction


def _check_channels(
    in_channels: int, out_channels: int, seeds: int, num_terms: int, groups: int
) -> None:
    """Refuse what the original builds and then cannot run, or runs with other channels."""
    numbers = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "seed_channels": seeds,
        "num_terms": num_terms,
        "groups": groups,
    }
    problem = None
    for name, number in numbers.items():
        if number < 1:
            problem = f"{name} of at least 1, got {number}"
            break
    else:
        if out_channels % seeds:
            problem = f"out_channels to be a multiple of seed_channels, got {out_channels}, {seeds}"
        elif seeds % num_terms:
            problem = f"seed_channels to be a multiple of num_terms, got {seeds} and {num_terms}"
        elif in_channels % groups or seeds % groups:
            problem = (
                f"in_channels and seed_channels to be multiples of groups, "
                f"got {in_channels}, {seeds} and {groups}"
            )
    if problem is not None:
        raise UsageError(f"GroupNLConv2d needs {problem}; change the numbers to fit.", **numbers)
