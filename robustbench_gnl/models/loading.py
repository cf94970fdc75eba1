"""From a name and weights to a model that is ready to be evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import (
    catalogue,
    checkpoint_loading,
    checkpoints,
    factory,
    fitting,
    hub,
    torchvision_models,
)
from robustbench_gnl.models.catalogue import ModelName
from robustbench_gnl.models.loaded import LoadedModel, Normalisation, describe, given_normalisation
from robustbench_gnl.records import state_dict_sha256

_ASSUMED = {
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "input_size": (3, 224, 224),
}


def create_model(
    name: str | None,
    checkpoint: str | Path | None = None,
    *,
    pretrained: bool = False,
    ema: bool = False,
    best: bool = False,
    num_classes: int | None = None,
    **kwargs: Any,
) -> nn.Module:
    """The network of `load_model`, in eval mode, without the facts around it."""
    return load_model(
        name,
        checkpoint,
        pretrained=pretrained,
        ema=ema,
        best=best,
        num_classes=num_classes,
        **kwargs,
    ).module


def load_model(
    name: str | None,
    checkpoint: str | Path | None = None,
    *,
    pretrained: bool = False,
    ema: bool = False,
    best: bool = False,
    num_classes: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **kwargs: Any,
) -> LoadedModel:
    """Build a model by name and give it weights.

    Args:
        name: Any name of ours or of timm, with or without timm's tag; `torchvision:NAME`,
            `hf-hub:OWNER/NAME`, or a function of yours, `package.module:FUNCTION` or
            `FILE.py:FUNCTION`. None where the checkpoint names its architecture.
        checkpoint: A file, a training folder or a folder of the Hugging Face hub.
        pretrained: Take the published weights instead.
        ema: Take the checkpoint's averaged weights.
        best: Take the best checkpoint of a training folder, not the last.
        num_classes: Logits; by default as many as the checkpoint has.
        mean: For normalisation, one number a channel; goes with `std`.
        std: Likewise.
        **kwargs: Handed on to `timm.create_model`, or to torchvision's.

    Raises:
        UsageError: Unknown name, or no weights asked for.
        ModelError: The weights cannot be had or do not fit.
    """
    given = given_normalisation(mean, std)
    if checkpoint is not None and pretrained:
        raise UsageError("Got both a checkpoint and pretrained; give only one of them.", name=name)
    if name is None:
        if checkpoint is None:
            raise UsageError(
                "Got neither a model nor a checkpoint; name a model, or give a checkpoint that "
                "names its architecture."
            )
        found = checkpoints.read_checkpoint(checkpoint, ema=ema, best=best)
        return checkpoint_loading.load_named_by_file(found, given, num_classes, kwargs)
    asked = catalogue.resolve(name)
    if asked.kind == "factory" and not pretrained:
        return _load_factory(asked.name, checkpoint, ema, best, num_classes, given, kwargs)
    if pretrained:
        return _load_pretrained(asked, ema or best, num_classes, given, kwargs)
    if checkpoint is None:
        raise UsageError(
            f"{name} needs weights: give --ckpt FILE or --pretrained; "
            "random weights are never evaluated.",
            name=name,
        )
    found = checkpoints.read_checkpoint(checkpoint, ema=ema, best=best)
    try:
        return checkpoint_loading.load_checkpoint(asked, found, given, num_classes, kwargs)
    except ModelError as error:
        other = (
            checkpoint_loading.fitting_name(asked, found) if error.values.get("missing") else None
        )
        if other is None:
            raise
        raise ModelError(f"{error} The weights do fit {other}.", **error.values) from error


def _load_factory(
    name: str,
    checkpoint: str | Path | None,
    ema: bool,
    best: bool,
    num_classes: int | None,
    given: Normalisation | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    """The network that a function of the user's returns, with its own weights or a checkpoint's."""
    if num_classes is not None or kwargs:
        raise UsageError(
            f"{name} is called without arguments; set the number of classes and everything else "
            "within the function.",
            name=name,
        )
    if checkpoint is None and (ema or best):
        raise UsageError("ema and best choose within a checkpoint, and none was given.", name=name)
    found = None
    if checkpoint is not None:
        found = checkpoints.read_checkpoint(checkpoint, ema=ema, best=best)
    network = factory.build(name)
    notes: tuple[str, ...] = ()
    if found is not None:
        fit = fitting.load_into(network, found)
        found, more = checkpoint_loading.with_normaliser(found, fit, given is not None)
        notes = (*fit.notes, *more, *checkpoint_loading.notes_on(None, found))
        sha256, weights = found.sha256, found.entry
    else:
        sha256, weights = factory.weights_sha256(network), "factory"
        if not network.state_dict():
            notes = ("the network shows no weights; its run is known by the function's name alone",)
    config = dict(_config_of(network))
    source = "factory"
    if given is None and "mean" not in config and not (found and (found.mean or found.std)):
        source = "assumed"
        notes = (
            *notes,
            f"{name} does not say how its images are normalised: ImageNet's mean and std are "
            "assumed; give others with --mean and --std",
        )
    module = factory.FactoryNetwork(network, name)
    module.num_classes = getattr(network, "num_classes", None)  # type: ignore[assignment]
    module.pretrained_cfg = {**_ASSUMED, **config}  # type: ignore[assignment]
    return describe(module, name, sha256, weights, given, found, notes=notes, own_source=source)


def _config_of(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """What a network says of its input, as timm's do; only what can be used."""
    config = getattr(network, "pretrained_cfg", None)
    if not isinstance(config, Mapping):
        return
    mean, std = (checkpoints.channel_values(config.get(key)) for key in ("mean", "std"))
    if mean is not None and std is not None and min(std) > 0:
        yield "mean", mean
        yield "std", std
    size = config.get("input_size")
    if isinstance(size, list | tuple) and len(size) == 3 and all(isinstance(n, int) for n in size):
        yield "input_size", tuple(size)


def _load_pretrained(
    asked: ModelName,
    of_checkpoint: bool,
    num_classes: int | None,
    given: Normalisation | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    name = asked.name
    if of_checkpoint:
        raise UsageError("ema and best choose within a checkpoint; pretrained has none.", name=name)
    if asked.kind == "factory":
        raise UsageError(
            f"{name} loads its own weights; leave out pretrained, or give a checkpoint.", name=name
        )
    if asked.kind == "timm":
        published = getattr(timm.get_pretrained_cfg(name), "num_classes", None)
        if num_classes is not None and num_classes != published:
            raise UsageError(
                f"The pretrained {name} has {published} classes, got num_classes={num_classes}: "
                "the classifier would be random. Leave num_classes out, or give a checkpoint.",
                name=name,
            )
    elif num_classes is not None:
        raise UsageError(
            f"The pretrained {name} has the classes it was published with, got "
            f"num_classes={num_classes}; leave it out, or give a checkpoint.",
            name=name,
        )
    if asked.kind == "torchvision":
        module, label = torchvision_models.create_pretrained(name, **kwargs)
        weights, source = f"pretrained:torchvision/{label}", "torchvision"
    else:
        module = hub.create_pretrained(name, **kwargs)
        cfg: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
        default = "hf-hub" if asked.kind == "hub" else "default"
        weights, source = f"pretrained:{cfg.get('tag') or default}", "timm"
    return describe(
        module, name, state_dict_sha256(module.state_dict()), weights, given,
        notes=asked.notes, own_source=source,
    )  # fmt: skip
