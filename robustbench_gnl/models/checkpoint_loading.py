"""Creating the model of a checkpoint and loading its weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import timm
import torch
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError, option
from robustbench_gnl.models import (
    catalogue,
    checkpoints,
    diagnosis,
    fitting,
    hub,
    layouts,
    torchvision_models,
)
from robustbench_gnl.models.catalogue import ModelName
from robustbench_gnl.models.loaded import Normalisation, describe
from robustbench_gnl.modules import LoadedModel


def load_checkpoint(
    asked: ModelName,
    found: checkpoints.Checkpoint,
    given: Normalisation | None,
    num_classes: int | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    """Build the model, as many classes as the checkpoint has, and put its weights in."""
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
    found, notes = with_normaliser(found, fit, given is not None)
    if asked.kind == "torchvision":
        notes = (*notes, *torchvision_models.notes_on(asked.name))
    return describe(
        module, asked.name, found.sha256, found.entry, given, found,
        notes=(*asked.notes, *args_notes, *fit.notes, *notes, *notes_on(asked.name, found)),
        own_source="torchvision" if asked.kind == "torchvision" else "timm",
    )  # fmt: skip


def load_named_by_file(
    found: checkpoints.Checkpoint,
    given: Normalisation | None,
    num_classes: int | None,
    kwargs: dict[str, Any],
) -> LoadedModel:
    """The model that the checkpoint names, timm's or else torchvision's of that name."""
    arch = found.arch
    if arch is None:
        raise UsageError(
            f"{found.path} does not state its architecture; give {option('model', 'NAME')}, see: "
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
            f"{found.path} says that it is {arch!r}, which is not a GroupNL, timm or "
            f"torchvision model; name one with {option('model')}, or build it with a function of "
            f"your own ({option('model', 'FILE.py:FUNCTION')}).",
            path=found.path,
            arch=arch,
        )
    first_error: ModelError | None = None
    for asked in candidates:
        try:
            loaded = load_checkpoint(asked, found, given, num_classes, kwargs)
        except ModelError as error:
            first_error = first_error or error
            continue
        note = f"no model was named; the checkpoint says that it is {arch}"
        return replace(loaded, notes=(note, *loaded.notes))
    assert first_error is not None
    raise first_error


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
    """Create it from the architecture in the checkpoint, which works offline; else from the
    configuration on the hub."""
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
    """Arguments of the model: the caller's, else those that the checkpoint names for it."""
    named = {key: value for key, value in found.model_args.items() if key != "num_classes"}
    is_of_another = (
        found.arch is None or found.arch.partition(".")[0] != asked.name.partition(".")[0]
    )
    if not named or (is_of_another and asked.kind != "hub"):
        return kwargs, ()
    listed = ", ".join(f"{key}={value!r}"[:60] for key, value in named.items())
    return named | kwargs, (f"the model was created with arguments from the checkpoint: {listed}",)


def _guess_classes(asked: ModelName, found: checkpoints.Checkpoint) -> int | None:
    """By the classifier's name in timm's configuration, with any prefix."""
    cfg = timm.get_pretrained_cfg(asked.name) if asked.kind == "timm" else None
    classifier = getattr(cfg, "classifier", None) or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    rows = checkpoints.classifier_rows(found.state_dict, names) or found.num_classes
    return rows or _rows_at(names, found)


def _rows_at(names: tuple[str, ...], found: checkpoints.Checkpoint) -> int | None:
    """Rows of the classifier of these names, with any prefix."""
    ends = tuple(f".{name}.weight" for name in names)
    rows = {
        int(value.shape[0])
        for key, value in found.state_dict.items()
        if ends and f".{key}".endswith(ends) and value.ndim >= 2
    }
    return rows.pop() if len(rows) == 1 else None


def fitting_name(asked: ModelName, found: checkpoints.Checkpoint) -> str | None:
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


def with_normaliser(
    found: checkpoints.Checkpoint, fit: fitting.Fit, is_given: bool
) -> tuple[checkpoints.Checkpoint, tuple[str, ...]]:
    """Use mean and std of a normalisation layer that was saved with the model."""
    if fit.normalisation is None:
        unused = fit.likely_normaliser_keys
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


def notes_on(name: str | None, checkpoint: checkpoints.Checkpoint) -> tuple[str, ...]:
    notes = list(checkpoint.notes)
    if checkpoint.ema_available and checkpoint.entry not in checkpoints.EMA_ENTRIES:
        notes.append("the checkpoint also holds averaged weights (EMA), which were not taken")
    if checkpoint.arch is not None and name is not None and not _is_name(checkpoint.arch, name):
        notes.append(f"the checkpoint says it is {checkpoint.arch!r}")
    return tuple(notes)


def _is_name(arch: str, name: str) -> bool:
    """Whether both mean one model."""
    return arch.partition(".")[0] in (
        name.partition(".")[0],
        name.removeprefix(torchvision_models.PREFIX).partition(".")[0],
    )
