"""Brightness, contrast and saturation for many images at once; see `corruptions.families.colour`.

Brightness and saturation are bit-identical. In contrast, means are sums of integers and not of
float64 pixel by pixel, which can change the last bit and so a grey level, mostly on flat images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.batch.arithmetic import divisor
from corruptions.parameters import BRIGHTNESS_ADDED, CONTRAST_KEPT, SATURATE_SLOPE_AND_OFFSET


def brightness(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return _change_hsv(images, 1.0, 0.0, BRIGHTNESS_ADDED[severity - 1])


def saturate(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    slope, offset = SATURATE_SLOPE_AND_OFFSET[severity - 1]
    return _change_hsv(images, slope, offset, 0.0)


def contrast(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    sums = images.sum((2, 3), keepdim=True, dtype=torch.int64)
    means = sums.double() / divisor(height * width * 255, images.device)
    levels = _levels(images.device)
    values = (levels - means) * CONTRAST_KEPT[severity - 1] + means  # (B, 3, 1, 256)
    tables = (values.clamp(0.0, 1.0) * 255.0).to(torch.uint8)
    return tables.flatten(2).gather(2, images.flatten(2).long()).reshape(images.shape)


def _levels(device: torch.device) -> Tensor:
    return torch.arange(256, dtype=torch.float64, device=device) / divisor(255.0, device)


def _change_hsv(images: Tensor, slope: float, offset: float, added: float) -> Tensor:
    red, green, blue = _levels(images.device)[images.long()].unbind(1)  # (B, H, W) each
    value = torch.maximum(torch.maximum(red, green), blue)
    smallest = torch.minimum(torch.minimum(red, green), blue)
    breadth = value - smallest
    grey = breadth == 0.0
    span = torch.where(grey, 1.0, breadth)
    saturation = torch.where(grey, 0.0, breadth / torch.where(grey, 1.0, value))
    sixths = torch.where(
        blue == value,
        4.0 + (red - green) / span,
        torch.where(green == value, 2.0 + (blue - red) / span, (green - blue) / span),
    )
    hue = sixths / divisor(6.0, images.device)
    hue = torch.where(hue < 0.0, hue + 1.0, hue)
    whole = (hue * 6.0).floor()
    part = hue * 6.0 - whole

    saturation = (saturation * slope + offset).clamp(0.0, 1.0)
    new_value = (value + added).clamp(max=1.0)
    part = torch.where(whole % 2 == 1, part, 1.0 - part)
    middle = new_value * (1.0 - part * saturation)
    bottom = new_value * (1.0 - saturation)
    # Grey has the hue of red: its red is the largest, its green and blue the smallest.
    channels = (
        torch.where(red == value, new_value, torch.where(red == smallest, bottom, middle)),
        torch.where(green == smallest, bottom, torch.where(green == value, new_value, middle)),
        torch.where(blue == smallest, bottom, torch.where(blue == value, new_value, middle)),
    )
    return (torch.stack(channels, dim=1) * 255.0).to(torch.uint8)
