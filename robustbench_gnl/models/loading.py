"""From a name and weights to a model that is ready to be judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import (
    catalogue,
    checkpoints,
    diagnosis,
    factory,
    fitting,
    hub,
    layouts,
    torchvision_models,
)
from robustbench_gnl.models.catalogue import ModelName
from robustbench_gnl.records import state_dict_sha256

ChannelValues = tuple[float, float, float]


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, and what a run must say about it.

    Attributes:
        module: The network in eval mode.
        name: timm's current name, `torchvision:...`, `hf-hub:...`, or the text that names the
            function which built it.
        checkpoint_sha256: Of the checkpoint's bytes; of the state dict (every key, then its
            raw bytes, in order) where the weights were published, or made by a factory.
        weights: Entry of the checkpoint ("state_dict", "state_dict_ema", ...),
            "pretrained:<tag>", or "factory".
        n_params: All parameters, the frozen ones included.
        num_classes: Logits; `None` where only a forward pass tells, as for most factories.
        mean: Subtracted from images in [0, 1].
        std: Then divided by.
        mean_source: "given", "checkpoint", "timm", "torchvision", "factory", or "assumed".
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
    given = _given_normalisation(mean, std)
    if checkpoint is not None and pretrained:
        raise UsageError("Got both a checkpoint and pretrained; give only one of them.", name=name)
    if name is None:
        if checkpoint is None:
            raise UsageError(
                "Got neither a model nor a checkpoint; name a model, or give a checkpoint that "
                "names its architecture."
            )
        found = checkpoints.read_checkpoint(checkpoint, ema=ema, best=best)
        return _load_named_by_file(found, given, num_classes, kwargs)
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
        return _load_checkpoint(asked, found, given, num_classes, kwargs)
    except ModelError as error:
        other = _fitting_name(asked, found) if error.values.get("missing") else None
        if other is None:
            raise
        raise ModelError(f"{error} The weights do fit {other}.", **error.values) from error


def describe(
    module: nn.Module,
    name: str,
    sha256: str,
    weights: str,
    given: tuple[ChannelValues, ChannelValues] | None = None,
    checkpoint: checkpoints.Checkpoint | None = None,
    notes: tuple[str, ...] = (),
    own_source: str = "timm",
) -> LoadedModel:
    """Put `module` into eval mode and gather what a run must say about it."""
    cfg: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
    mean, std, source = cfg["mean"], cfg["std"], own_source
    if given is not None:
        (mean, std), source = given, "given"
    elif checkpoint is not None and (checkpoint.mean or checkpoint.std):
        mean, std, source = checkpoint.mean or mean, checkpoint.std or std, "checkpoint"
    # The module says of itself how its input is normalised, wherever it goes from here.
    module.pretrained_cfg = {**cfg, "mean": _three(mean), "std": _three(std)}  # type: ignore[assignment]
    n_classes = getattr(module, "num_classes", None)
    return LoadedModel(
        module=module.eval(),
        name=name,
        checkpoint_sha256=sha256,
        weights=weights,
        n_params=sum(parameter.numel() for parameter in module.parameters()),
        num_classes=int(n_classes) if isinstance(n_classes, int) and n_classes > 0 else None,
        mean=_three(mean),
        std=_three(std),
        mean_source=source,
        input_size=tuple(cfg["input_size"]),
        notes=notes,
    )


def _load_checkpoint(
    asked: ModelName,
    found: checkpoints.Checkpoint,
    given: tuple[ChannelValues, ChannelValues] | None,
    num_classes: int | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    """Build the network, as many classes as the checkpoint has, and put its weights in."""
    options, args_notes = _model_args(asked, found, kwargs)
    guessed = num_classes or _guess_classes(asked, found)
    module = _build(asked, found, guessed, options)
    find_layout = partial(_layout, asked, guessed, options)
    fit = fitting.find_fit(module, found, find_layout)
    rows = fit.num_classes or _rows_at(diagnosis.classifier_names(module), found)
    if num_classes is None and rows not in (None, getattr(module, "num_classes", None)):
        # Under another prefix, or in another layout, than the first look was for.
        module = _build(asked, found, rows, options)
        fit = fitting.find_fit(module, found, find_layout)
    fitting.load_fit(module, found, fit)
    found, notes = _with_normaliser(found, fit, given is not None)
    if asked.kind == "torchvision":
        notes = (*notes, *torchvision_models.notes_on(asked.name))
    return describe(
        module, asked.name, found.sha256, found.entry, given, found,
        notes=(*asked.notes, *args_notes, *fit.notes, *notes, *_notes(asked.name, found)),
        own_source="torchvision" if asked.kind == "torchvision" else "timm",
    )  # fmt: skip


def _load_named_by_file(
    found: checkpoints.Checkpoint,
    given: tuple[ChannelValues, ChannelValues] | None,
    num_classes: int | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    """The network that the checkpoint names, timm's or else torchvision's of that name."""
    arch = found.arch
    if arch is None:
        raise UsageError(
            f"{found.path} does not say which network it is; name it with --model, see: "
            "gnlbench models",
            path=found.path,
        )
    candidates = []
    for name in (arch, torchvision_models.PREFIX + arch):
        try:
            asked = catalogue.resolve(name)
        except UsageError:
            continue
        if asked.kind in ("timm", "torchvision", "hub"):  # a file never names code to run
            candidates.append(asked)
    if not candidates:
        raise ModelError(
            f"{found.path} says that it is {arch!r}, which is no network of ours, of timm or of "
            "torchvision; name one with --model, or build it with a function of your own "
            "(--model FILE.py:FUNCTION).",
            path=found.path,
            arch=arch,
        )
    first_error: ModelError | None = None
    for asked in candidates:
        try:
            loaded = _load_checkpoint(asked, found, given, num_classes, kwargs)
        except ModelError as error:
            first_error = first_error or error
            continue
        note = f"no model was named; the checkpoint says that it is {arch}"
        return replace(loaded, notes=(note, *loaded.notes))
    assert first_error is not None
    raise first_error


def _load_factory(
    name: str,
    checkpoint: str | Path | None,
    ema: bool,
    best: bool,
    num_classes: int | None,
    given: tuple[ChannelValues, ChannelValues] | None,
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
        found, more = _with_normaliser(found, fit, given is not None)
        notes = (*fit.notes, *more, *_notes(None, found))
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


_ASSUMED = {
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "input_size": (3, 224, 224),
}


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
    given: tuple[ChannelValues, ChannelValues] | None,
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


def _build(
    asked: ModelName,
    found: checkpoints.Checkpoint,
    num_classes: int | None,
    options: dict[str, Any],
) -> nn.Module:
    try:
        if asked.kind == "torchvision":
            return torchvision_models.build(asked.name, num_classes, **options)
        if asked.kind == "hub":
            return _build_of_hub(asked, found, num_classes, options)
        module: nn.Module = timm.create_model(asked.name, num_classes=num_classes, **options)
        return module
    except (RuntimeError, MemoryError) as error:
        raise ModelError(
            f"{asked.name} cannot be built with {num_classes} classes, as {found.path} would have "
            f"it: {str(error).splitlines()[0] if str(error) else 'not enough memory'}",
            path=found.path,
        ) from error
    except Exception as error:
        if not found.model_args:
            raise
        raise ModelError(
            f"{asked.name} cannot be built with the arguments that {found.path} names "
            f"({', '.join(found.model_args)}): {type(error).__name__}: {error}",
            path=found.path,
        ) from error


def _build_of_hub(
    asked: ModelName,
    found: checkpoints.Checkpoint,
    num_classes: int | None,
    options: dict[str, Any],
) -> nn.Module:
    """By what the checkpoint says it is, which needs no network; else by the hub's own word."""
    if found.arch is not None and timm.is_model(found.arch):
        module: nn.Module = timm.create_model(found.arch, num_classes=num_classes, **options)
        return module
    return hub.create_untrained(asked.name, num_classes=num_classes, **options)


def _layout(
    asked: ModelName, num_classes: int | None, options: dict[str, Any]
) -> layouts.Filter | None:
    if asked.kind == "torchvision":
        return layouts.torchvision_filter(asked.name)
    if asked.kind == "hub":
        return None
    return layouts.timm_filter(asked.name, num_classes=num_classes, **options)


def _model_args(
    asked: ModelName, found: checkpoints.Checkpoint, kwargs: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments of the network: the caller's, else those that the checkpoint names for it."""
    named = {key: value for key, value in found.model_args.items() if key != "num_classes"}
    is_of_another = (
        found.arch is None or found.arch.partition(".")[0] != asked.name.partition(".")[0]
    )
    if not named or (is_of_another and asked.kind != "hub"):
        return kwargs, ()
    listed = ", ".join(f"{key}={value!r}"[:60] for key, value in named.items())
    return named | kwargs, (f"the network was built as the checkpoint names it: {listed}",)


def _guess_classes(asked: ModelName, found: checkpoints.Checkpoint) -> int | None:
    """By the classifier's name in timm's configuration, whatever stands before it."""
    cfg = timm.get_pretrained_cfg(asked.name) if asked.kind == "timm" else None
    classifier = getattr(cfg, "classifier", None) or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    rows = checkpoints.classifier_rows(found.state_dict, names) or found.num_classes
    return rows or _rows_at(names, found)


def _rows_at(names: tuple[str, ...], found: checkpoints.Checkpoint) -> int | None:
    """Rows of the classifier of these names, whatever stands before it."""
    ends = tuple(f".{name}.weight" for name in names)
    rows = {
        int(value.shape[0])
        for key, value in found.state_dict.items()
        if ends and f".{key}".endswith(ends) and value.ndim >= 2
    }
    return rows.pop() if len(rows) == 1 else None


def _fitting_name(asked: ModelName, found: checkpoints.Checkpoint) -> str | None:
    """Another name for which the weights fit, where trying is cheap: no memory is filled."""
    base = asked.name.removeprefix(torchvision_models.PREFIX).partition(".")[0]
    for name in dict.fromkeys((found.arch or base, torchvision_models.PREFIX + base, base)):
        try:
            other = catalogue.resolve(name)
            if other.kind not in ("timm", "torchvision") or other.name == asked.name:
                continue
            with torch.device("meta"):
                module = _build(other, found, _guess_classes(other, found), {})
            if fitting.find_fit(module, found).match is not None:
                return other.name
        except Exception:  # only an offer: where it cannot be tried, there is none
            continue
    return None


def _with_normaliser(
    found: checkpoints.Checkpoint, fit: fitting.Fit, is_given: bool
) -> tuple[checkpoints.Checkpoint, tuple[str, ...]]:
    """Mean and std of a normaliser that was saved beside the network are the model's own."""
    if fit.normalisation is None:
        unused = fit.like_a_normaliser
        note = f"{', '.join(unused)} of the checkpoint were not used to normalise"
        return found, (note,) if unused else ()
    mean, std, keys = fit.normalisation
    if is_given:
        return found, (f"the checkpoint's {keys} were not used: mean and std were given",)
    if found.mean or found.std:
        return found, (
            f"the checkpoint's {keys} were not used: it also names mean and std among its options",
        )
    return replace(found, mean=mean, std=std), (f"mean and std are the checkpoint's {keys}",)


def _notes(name: str | None, checkpoint: checkpoints.Checkpoint) -> tuple[str, ...]:
    notes = list(checkpoint.notes)
    if checkpoint.ema_available and checkpoint.entry not in checkpoints.EMA_ENTRIES:
        notes.append("the checkpoint also holds averaged weights (EMA), which were not taken")
    if checkpoint.arch is not None and name is not None and not _is_name(checkpoint.arch, name):
        notes.append(f"the checkpoint says it is {checkpoint.arch!r}")
    return tuple(notes)


def _is_name(arch: str, name: str) -> bool:
    """Whether both mean one network."""
    return arch.partition(".")[0] in (
        name.partition(".")[0],
        name.removeprefix(torchvision_models.PREFIX).partition(".")[0],
    )


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
