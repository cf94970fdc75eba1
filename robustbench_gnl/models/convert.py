"""Replacing convolutions of timm models by GroupNL convolutions.

Source: Ding et al., "GroupNL: Low-Resource and Robust CNN Design over Cloud and Device",
IEEE TMC 2026, doi 10.1109/TMC.2026.3655770. Which convolutions are replaced, and how they are
initialised, follows the authors' published code:

- depthwise-separable and inverted-residual blocks: the depthwise convolution;
- bottlenecks: the 3x3 convolution where its stride is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from timm.models.resnet import Bottleneck
from torch import nn

from robustbench_gnl.errors import UsageError
from robustbench_gnl.models.groupnl import GroupNLConv2d


def exchange_convolutions(
    model: nn.Module, *, reduction: int = 2, sparse: bool = True, num_terms: int = 4
) -> int:
    """Put GroupNL convolutions into `model`, in place, with freshly drawn weights.

    Args:
        model: A stock timm model of the EfficientNet, MobileNet or ResNet family.
        reduction: Outputs for each seed map.
        sparse: Whether seed convolutions have as many groups as they can.
        num_terms: Groups of seed maps that share periods and shifts.

    Returns:
        How many convolutions were exchanged.

    Raises:
        UsageError: The model has no convolution to exchange.
    """
    n_exchanged = 0
    for block in list(model.modules()):
        place = _place(block)
        if place is None:
            continue
        name, draw = place
        stock: nn.Conv2d = getattr(block, name)
        layer = _like(stock, reduction=reduction, sparse=sparse, num_terms=num_terms)
        draw(layer.conv1)
        setattr(block, name, layer)
        n_exchanged += 1
    if n_exchanged == 0:
        raise UsageError(
            f"{type(model).__name__} has no depthwise-separable, inverted-residual or bottleneck "
            "block whose convolution could be exchanged; start from an EfficientNet, a MobileNet "
            "or a bottleneck ResNet of timm."
        )
    return n_exchanged


def _place(block: nn.Module) -> tuple[str, Callable[[nn.Conv2d], None]] | None:
    """Name of the convolution to exchange in `block`, and how its successor is drawn."""
    if isinstance(block, DepthwiseSeparableConv | InvertedResidual):
        conv = block.conv_dw
        if isinstance(conv, nn.Conv2d) and conv.groups == conv.in_channels:
            return "conv_dw", _draw_as_efficientnet
    elif isinstance(block, Bottleneck):
        conv = block.conv2
        if isinstance(conv, nn.Conv2d) and conv.stride == (1, 1):
            return "conv2", _draw_as_resnet
    return None


def _like(stock: nn.Conv2d, *, reduction: int, sparse: bool, num_terms: int) -> GroupNLConv2d:
    """A GroupNL convolution with the geometry, device and type of `stock`."""
    layer = GroupNLConv2d(
        stock.in_channels,
        stock.out_channels,
        (stock.kernel_size[0], stock.kernel_size[1]),
        (stock.stride[0], stock.stride[1]),
        stock.padding if isinstance(stock.padding, str) else (stock.padding[0], stock.padding[1]),
        (stock.dilation[0], stock.dilation[1]),
        bias=stock.bias is not None,
        reduction=reduction,
        num_terms=num_terms,
        sparse=sparse,
        device=stock.weight.device,
        dtype=stock.weight.dtype,
    )
    layer.conv1.pair_depthwise = stock.groups == stock.in_channels
    layer.train(stock.training)
    return layer


def _draw_as_efficientnet(conv: nn.Conv2d) -> None:
    """As timm draws an EfficientNet's: the fan out counts one group only."""
    fan_out = conv.kernel_size[0] * conv.kernel_size[1] * conv.out_channels // conv.groups
    nn.init.normal_(conv.weight, 0.0, math.sqrt(2.0 / fan_out))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def _draw_as_resnet(conv: nn.Conv2d) -> None:
    """As timm draws a ResNet's: the fan out counts all groups."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
