"""Properties of a torch module in memory: weights, normalisation and digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError, option
from robustbench_gnl.normalisation import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ChannelValues,
    channel_values,
)

_STATED = ("pretrained_cfg", "default_cfg")
"""Where timm's models say how their input is normalised."""


@dataclass(frozen=True)
class LoadedModel:
    """A module with its weights, and the properties that are stored with a run.

    Attributes:
        module: The network in eval mode.
        name: timm's current name, `torchvision:...`, `hf-hub:...`, or the text that names the
            function which built it.
        checkpoint_sha256: Of the checkpoint's bytes; of the state dict (every key, then its
            raw bytes, in order) where the weights were published, made by a factory, or are those
            of a module in memory.
        weights: Entry of the checkpoint ("state_dict", "state_dict_ema", ...),
            "pretrained:<tag>", "factory", or "module".
        n_params: All parameters, the frozen ones included.
        num_classes: Logits; `None` where only a forward pass tells, as for most factories.
        mean: Subtracted from images in [0, 1].
        std: Then divided by.
        mean_source: "given", "checkpoint", "timm", "torchvision", "factory", "module", or
            "assumed".
        input_size: Preferred (channels, height, width).
        notes: What the reader of a result should know.
    """

    module: nn.Module
    name: str
    checkpoint_sha256: str
    weights: str
    n_params: int
    num_classes: int | None
    mean: ChannelValues
    std: ChannelValues
    mean_source: str
    input_size: tuple[int, int, int]
    notes: tuple[str, ...] = ()


def check_has_values(module: nn.Module) -> None:
    """Refuse a module with parameters or buffers whose shape or values are still to be set.

    Raises:
        ModelError: A parameter or buffer has no shape or no values yet.
    """
    key = first_without_values(module)
    if key is not None:
        raise ModelError(
            f"the model has no values for {key!r}; give one whose weights are loaded", key=key
        )


def first_without_values(module: nn.Module) -> str | None:
    """The first parameter or buffer that is lazy or on the meta device; None if there is none."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    return next((k for k, t in tensors if nn.parameter.is_lazy(t) or t.is_meta), None)


_INITIAL_WEIGHTS = "_gnlbench_initial_weights"
"""Attribute of a network that was created without weights: the digest of its parameters then."""


def mark_initial_weights(module: nn.Module) -> None:
    """Note that the parameters are random, until something changes them."""
    setattr(module, _INITIAL_WEIGHTS, _parameters_sha256(module))


def has_initial_weights(module: nn.Module) -> bool:
    """Whether a module, or one inside it, still has the random parameters that it was marked with.

    Buffers do not count: a forward pass in training mode changes running means without any
    training.
    """
    return any(
        getattr(part, _INITIAL_WEIGHTS, None) == _parameters_sha256(part)
        for part in module.modules()
        if hasattr(part, _INITIAL_WEIGHTS)
    )


def _parameters_sha256(module: nn.Module) -> str:
    return state_dict_sha256(dict(module.named_parameters()))


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
        f"{hint}. Pass its {option('mean')} and {option('std')}, or {option('mean', 'none')} if "
        "it takes pixels in [0, 1]",
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
    known = [one for one in tensors if one is not None and not nn.parameter.is_lazy(one)]
    if sum(tensor.numel() == 3 for tensor in known) >= 2:
        return True
    values = (getattr(part, name, None) for name in ("mean", "std"))
    return all(
        channel_values(value.flatten() if isinstance(value, Tensor) else value) is not None
        for value in values
    )


def state_dict_sha256(state_dict: Mapping[str, Any]) -> str:
    """sha256 over every key of a state dict and the raw bytes of its tensor, in order.

    What quantised layers hold is taken apart; objects of other kinds do not count.
    """
    digest = hashlib.sha256()
    for key, value in state_dict.items():
        digest.update(key.encode(errors="surrogateescape"))
        for content in _raw_bytes(value):
            digest.update(content)
    return digest.hexdigest()


def _raw_bytes(value: Any) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        if tensor.is_quantized:
            yield from _raw_bytes(tensor.int_repr())
            tensor = tensor.dequantize()
        if tensor.layout != torch.strided:
            tensor = tensor.to_dense()
        flat = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().tobytes()
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _raw_bytes(part)
    elif value is None or isinstance(value, bytes | str | int | float):
        yield repr(value).encode(errors="backslashreplace")


def module_sha256(module: nn.Module) -> str:
    """sha256 of the state dict. A module without parameters and buffers is known by its parts:
    their classes, the code of their `forward`, and the plain values that they hold."""
    state_dict = module.state_dict()
    if state_dict:
        return state_dict_sha256(state_dict)
    digest = hashlib.sha256()
    for name, part in module.named_modules():
        kind = type(part)
        facts = [name, kind.__module__, kind.__qualname__, part.extra_repr()]
        code = getattr(kind.forward, "__code__", None)
        facts += _code(code) if isinstance(code, CodeType) else []
        facts += [
            f"{key}={text}"
            for key, value in sorted(vars(part).items())
            if (text := _plain(value)) is not None
        ]
        digest.update("\n".join(facts).encode(errors="backslashreplace"))
    return digest.hexdigest()


def _code(code: CodeType) -> list[str]:
    """The instructions, constants and names of a function and of those inside it."""
    constants = [_constant(one) for one in code.co_consts if not isinstance(one, CodeType)]
    inner = [line for one in code.co_consts if isinstance(one, CodeType) for line in _code(one)]
    return [code.co_code.hex(), repr(constants), repr(code.co_names), *inner]


def _constant(value: Any) -> str:
    """A constant of a function; the order of a set changes from process to process."""
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value)


def _plain(value: Any) -> str | None:
    """A value that is the same in the next process; None for any other."""
    if isinstance(value, Tensor):
        return state_dict_sha256({"": value})
    if isinstance(value, tuple | list):
        parts = [_plain(one) for one in value]
        return None if None in parts else repr(parts)
    if value is None or isinstance(value, str | int | float | complex):
        return repr(value)
    return None
