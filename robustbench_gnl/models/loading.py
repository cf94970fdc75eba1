"""`load_model` and `create_model`: a model from a name and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError, option
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
from robustbench_gnl.models.loaded import Normalisation, describe
from robustbench_gnl.modules import (
    LoadedModel,
    mark_initial_weights,
    module_sha256,
    own_normalisation,
    state_dict_sha256,
)
from robustbench_gnl.normalisation import given_normalisation
from robustbench_gnl.suites.suite import IMAGENET_INPUT


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
    """The model of `load_model`, without the facts around it.

    With weights it is in eval mode. Without a checkpoint and `pretrained`, it is freshly
    initialised and in training mode, as timm's are. Such a model is marked, and not evaluated
    before something has changed its parameters: random weights measure nothing.

    Args:
        name, checkpoint, pretrained, ema, best, num_classes, **kwargs: As for `load_model`.

    Raises:
        UsageError: Unknown name, or arguments that contradict each other.
        ModelError: The weights cannot be had or do not fit.
    """
    if checkpoint is None and not pretrained and name is not None:
        asked = catalogue.resolve(name)
        if asked.kind != "factory":  # a user's function provides its own weights
            if ema or best:
                raise UsageError(
                    "ema and best choose within a checkpoint, and none was given.", name=name
                )
            return _create_untrained(asked, num_classes, kwargs)
    return load_model(
        name,
        checkpoint,
        pretrained=pretrained,
        ema=ema,
        best=best,
        num_classes=num_classes,
        **kwargs,
    ).module


def _create_untrained(
    asked: ModelName, num_classes: int | None, kwargs: dict[str, Any]
) -> nn.Module:
    # By default it is the number of the model name.
    options = kwargs if num_classes is None else {"num_classes": num_classes, **kwargs}
    if asked.kind == "torchvision":
        module = torchvision_models.build(asked.name, num_classes, **kwargs)
    elif asked.kind == "hub":
        module = hub.create_untrained(asked.name, **options)
    else:
        module = timm.create_model(asked.name, **options)
    mark_initial_weights(module)
    return module


def load_model(
    name: str | None,
    checkpoint: str | Path | None = None,
    *,
    pretrained: bool = False,
    ema: bool = False,
    best: bool = False,
    num_classes: int | None = None,
    mean: Sequence[float] | float | str | None = None,
    std: Sequence[float] | float | None = None,
    **kwargs: Any,
) -> LoadedModel:
    """Build a model by name and give it weights.

    Args:
        name: A GroupNL or timm name, with or without timm's tag; `torchvision:NAME`,
            `hf-hub:OWNER/NAME`, or your own function, `package.module:FUNCTION` or
            `FILE.py:FUNCTION`. None where the checkpoint names its architecture.
        checkpoint: A file, a training folder or a folder of the Hugging Face hub.
        pretrained: Take the published weights instead.
        ema: Take the checkpoint's averaged weights.
        best: Take the best checkpoint of a training folder, not the last.
        num_classes: Logits; by default as many as the checkpoint has.
        mean: For normalisation, one number a channel or one for all; goes with `std`. `"none"`:
            the model normalises inside.
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
            f"{name} needs weights: give {option('ckpt', 'FILE')} or {option('pretrained')}; "
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
    """The model that a function of the user's returns, with its own weights or a checkpoint's."""
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
        sha256, weights = module_sha256(network), "factory"
        if not network.state_dict():
            notes = ("the model shows no weights; its run is known by the name and the code",)
    mean, std, assumed = own_normalisation(network)
    source = "factory"
    if assumed is not None and given is None and not (found and (found.mean or found.std)):
        source, notes = "assumed", (*notes, assumed)
    module = factory.FactoryNetwork(network, name)
    module.num_classes = getattr(network, "num_classes", None)  # type: ignore[assignment]
    size = _input_size_of(network)
    module.pretrained_cfg = {"mean": mean, "std": std, "input_size": size}  # type: ignore[assignment]
    return describe(module, name, sha256, weights, given, found, notes=notes, own_source=source)


def _input_size_of(network: nn.Module) -> tuple[int, ...]:
    """What a model says of the size of its input, as timm's do."""
    config = getattr(network, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, Mapping) else None
    if isinstance(size, list | tuple) and len(size) == 3 and all(isinstance(n, int) for n in size):
        return tuple(size)
    return 3, IMAGENET_INPUT.crop, IMAGENET_INPUT.crop


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
