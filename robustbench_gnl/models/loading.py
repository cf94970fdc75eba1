"""From a name and weights to a model that is ready to be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import catalogue, checkpoints, fitting, hub
from robustbench_gnl.records import state_dict_sha256

ChannelValues = tuple[float, float, float]


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, and what a run must say about it.

    Attributes:
        module: The network in eval mode.
        name: As it was asked for.
        checkpoint_sha256: Of the checkpoint's bytes; of the state dict (every key, then its
            raw bytes, in order) where the weights came from timm.
        weights: Entry of the checkpoint ("state_dict", "state_dict_ema", ...) or
            "pretrained:<tag>".
        n_params: All parameters, the frozen ones included.
        num_classes: Logits.
        mean: Subtracted from images in [0, 1].
        std: Then divided by.
        mean_source: "given", "checkpoint" or "timm".
        input_size: Preferred (channels, height, width).
        notes: What the reader of a result should know.
    """

    module: nn.Module
    name: str
    checkpoint_sha256: str
    weights: str
    n_params: int
    num_classes: int
    mean: ChannelValues
    std: ChannelValues
    mean_source: str
    input_size: tuple[int, int, int]
    notes: tuple[str, ...] = ()


def create_model(
    name: str,
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
    name: str,
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
        name: Any name of ours or of timm, with or without timm's tag.
        checkpoint: A file or a training folder.
        pretrained: Take timm's published weights instead.
        ema: Take the checkpoint's averaged weights.
        best: Take the best checkpoint of a training folder, not the last.
        num_classes: Logits; by default as many as the checkpoint has.
        mean: For normalisation, one number a channel; goes with `std`.
        std: Likewise.
        **kwargs: Handed on to `timm.create_model`.

    Raises:
        UsageError: Unknown name, or no weights asked for.
        ModelError: The weights cannot be had or do not fit.
    """
    catalogue.check_name(name)
    given = _given_normalisation(mean, std)
    if checkpoint is not None and pretrained:
        raise UsageError("Got both a checkpoint and pretrained; give only one of them.", name=name)
    if pretrained:
        return _load_pretrained(name, ema or best, num_classes, given, kwargs)
    if checkpoint is None:
        raise UsageError(
            f"{name} needs weights: give --ckpt FILE or --pretrained; "
            "random weights are never evaluated.",
            name=name,
        )
    found = checkpoints.read_checkpoint(checkpoint, ema=ema, best=best)
    if num_classes is None:
        classifier = getattr(timm.get_pretrained_cfg(name), "classifier", None) or ()
        names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        num_classes = checkpoints.classifier_rows(found.state_dict, names) or found.num_classes
    try:
        module = timm.create_model(name, num_classes=num_classes, **kwargs)
    except (RuntimeError, MemoryError) as error:
        raise ModelError(
            f"{name} cannot be built with {num_classes} classes, as {found.path} would have it: "
            f"{str(error).splitlines()[0] if str(error) else 'not enough memory'}",
            path=found.path,
        ) from error
    fitting.load_into(module, found)
    return describe(
        module, name, found.sha256, found.entry, given, found, notes=_notes(name, found)
    )


def describe(
    module: nn.Module,
    name: str,
    sha256: str,
    weights: str,
    given: tuple[ChannelValues, ChannelValues] | None = None,
    checkpoint: checkpoints.Checkpoint | None = None,
    notes: tuple[str, ...] = (),
) -> LoadedModel:
    """Put `module` into eval mode and gather what a run must say about it."""
    cfg: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
    mean, std, source = cfg["mean"], cfg["std"], "timm"
    if given is not None:
        (mean, std), source = given, "given"
    elif checkpoint is not None and (checkpoint.mean or checkpoint.std):
        mean, std, source = checkpoint.mean or mean, checkpoint.std or std, "checkpoint"
    # The module says of itself how its input is normalised, wherever it goes from here.
    module.pretrained_cfg = {**cfg, "mean": _three(mean), "std": _three(std)}  # type: ignore[assignment]
    return LoadedModel(
        module=module.eval(),
        name=name,
        checkpoint_sha256=sha256,
        weights=weights,
        n_params=sum(parameter.numel() for parameter in module.parameters()),
        num_classes=int(module.num_classes),  # type: ignore[arg-type]
        mean=_three(mean),
        std=_three(std),
        mean_source=source,
        input_size=tuple(cfg["input_size"]),
        notes=notes,
    )


def _load_pretrained(
    name: str,
    of_checkpoint: bool,
    num_classes: int | None,
    given: tuple[ChannelValues, ChannelValues] | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    if of_checkpoint:
        raise UsageError("ema and best choose within a checkpoint; pretrained has none.", name=name)
    published = getattr(timm.get_pretrained_cfg(name), "num_classes", None)
    if num_classes is not None and num_classes != published:
        raise UsageError(
            f"The pretrained {name} has {published} classes, got num_classes={num_classes}: the "
            "classifier would be random. Leave num_classes out, or give a checkpoint.",
            name=name,
        )
    module = hub.create_pretrained(name, **kwargs)
    cfg: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
    weights = f"pretrained:{cfg.get('tag') or 'default'}"
    return describe(module, name, state_dict_sha256(module.state_dict()), weights, given)


def _notes(name: str, checkpoint: checkpoints.Checkpoint) -> tuple[str, ...]:
    notes = []
    if checkpoint.ema_available and checkpoint.entry not in ("state_dict_ema", "model_ema"):
        notes.append("the checkpoint also holds averaged weights (EMA), which were not taken")
    if checkpoint.arch is not None and checkpoint.arch != name.partition(".")[0]:
        notes.append(f"the checkpoint says it is {checkpoint.arch!r}")
    return tuple(notes)


def _given_normalisation(
    mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[ChannelValues, ChannelValues] | None:
    if mean is None and std is None:
        return None
    valid = mean is not None and std is not None and len(mean) == len(std) == 3
    finite = all(map(math.isfinite, (*(mean or ()), *(std or ()))))
    if not valid or not finite or min(std or ()) <= 0:
        raise UsageError(
            "Normalisation needs a mean and a std above 0, three numbers each, finite, "
            f"got mean={mean} and std={std}.",
            mean=mean,
            std=std,
        )
    return _three(mean or ()), _three(std or ())


def _three(values: Sequence[float]) -> ChannelValues:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
