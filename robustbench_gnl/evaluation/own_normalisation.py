"""The normalisation that a module in memory states of itself, also inside what wraps it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from robustbench_gnl.normalisation import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ChannelValues,
    channel_values,
)

_STATED = ("pretrained_cfg", "default_cfg")
"""Where timm's models say how their input is normalised."""


def own_normalisation(model: nn.Module) -> tuple[ChannelValues, ChannelValues, str | None]:
    """The mean and std that the model states, ImageNet's where it states none; in that case also
    a sentence that says so.

    Looked through are modules whose only child is the model, such as those of `torch.compile`,
    DataParallel, DistributedDataParallel and AveragedModel, unless they normalise themselves.
    """
    inner = model
    while (found := _stated(inner)) is None:
        children = list(inner.children())
        if len(children) != 1 or _normalises(inner):
            break
        (inner,) = children
    if found is not None:
        return *found, None
    normaliser = next((name for name, part in model.named_modules() if _normalises(part)), None)
    hint = ""
    if normaliser is not None:
        which = f"its part {normaliser!r} has" if normaliser else "it has"
        hint = f", although {which} a mean and a std of its own and may normalise inside"
    return (
        IMAGENET_MEAN,
        IMAGENET_STD,
        "the model does not state how its input is normalised: ImageNet's mean and std are assumed"
        f'{hint}. Pass its mean and std, or mean="none" if it takes pixels in [0, 1]',
    )


def _stated(model: nn.Module) -> tuple[ChannelValues, ChannelValues] | None:
    for name in _STATED:
        config = getattr(model, name, None)
        if not isinstance(config, Mapping):
            config = getattr(config, "__dict__", {})  # timm's PretrainedCfg
        mean = channel_values(config.get("mean"))
        std = channel_values(config.get("std"), positive=True)
        if mean is not None and std is not None:
            return mean, std
    return None


def _normalises(part: nn.Module) -> bool:
    """Whether a module has a mean and a std of the three channels, or tensors that may be these."""
    tensors = (*part._parameters.values(), *part._buffers.values())
    if sum(tensor is not None and tensor.numel() == 3 for tensor in tensors) >= 2:
        return True
    values = (getattr(part, name, None) for name in ("mean", "std"))
    return all(
        channel_values(value.flatten() if isinstance(value, Tensor) else value) is not None
        for value in values
    )
