"""The seed convolution of a GroupNL layer, with a faster kernel for two inputs a group."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SeedConv2d(nn.Conv2d):
    """A convolution that can borrow the depthwise kernel where each output has two inputs.

    Grouped kernels are slow for so few channels. The same sums, as a depthwise convolution
    whose pairs of outputs are then added, take about two thirds of the time of a whole
    MobileNet on a CPU; wide, few-pixel ResNet blocks lose a little, so it is opt-in.
    """

    pair_depthwise = False

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        two_each = self.in_channels == 2 * self.groups and self.out_channels == self.groups
        if not (self.pair_depthwise and two_each and bias is None and input.device.type == "cpu"):
            maps: Tensor = super()._conv_forward(input, weight, bias)
            return maps
        single = weight.reshape(self.in_channels, 1, *self.kernel_size)
        maps = F.conv2d(
            input, single, None, self.stride, self.padding, self.dilation, self.in_channels
        )
        pairs = split_channels(maps, self.out_channels, 2)
        return pairs[:, :, 0] + pairs[:, :, 1]


def split_channels(maps: Tensor, *parts: int) -> Tensor:
    """(B, C, H, W) as a view of (B, *parts, H, W)."""
    return maps.view(maps.shape[0], *parts, *maps.shape[2:])
