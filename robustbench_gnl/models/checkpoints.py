"""Read a checkpoint file or a training folder without running anything it holds.

The formats are those of timm's training script, which the authors of GroupNL (Ding et al.,
IEEE TMC 2026, doi 10.1109/TMC.2026.3655770) use, of torchvision's, and plain state dicts."""

from __future__ import annotations

import argparse
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models.safe_reading import deserialise

PLAIN_ENTRY = "plain"
_WEIGHT_ENTRIES = ("state_dict", "model")
_EMA_ENTRIES = ("state_dict_ema", "model_ema")
# What DistributedDataParallel and torch.compile put before every key.
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")
_CLASSIFIERS = ("classifier", "fc", "head", "head.fc", "last_linear")
_LAST, _BEST = "last.pth.tar", "model_best.pth.tar"


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file, and what the file says about them.

    Attributes:
        path: The file that was read, also where a folder was given.
        sha256: Of the file's bytes.
        entry: Where in the file the weights stood; "plain" for a bare state dict.
        state_dict: The weights, wrapper prefixes taken off.
        ema_available: Whether the file also holds averaged weights.
        arch: The architecture that the file names, if any.
        num_classes: Rows of the classifier, where it has a customary name.
        mean: Normalisation that the training options name, if any.
        std: Likewise.
    """

    path: Path
    sha256: str
    entry: str
    state_dict: dict[str, Tensor]
    ema_available: bool = False
    arch: str | None = None
    num_classes: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def find_checkpoint(path: str | Path, *, best: bool = False) -> Path:
    """The file to read: `path` itself, or the one to take from a training folder.

    Raises:
        ModelError: There is no such file.
        UsageError: `best` was asked of a file.
    """
    path = Path(path)
    try:
        path = path.expanduser()
        if path.is_file():
            if best:
                raise UsageError(
                    f"best=True takes {_BEST} from a training folder, but {path} is a file; "
                    "give the folder, or leave it out.",
                    path=path,
                )
            return path
        names = [child.name for child in path.iterdir()] if path.is_dir() else None
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"Cannot look for a checkpoint at {path}: {error}.", path=path) from error
    if names is None:
        raise ModelError(
            f"No checkpoint at {path}: there is no such file or folder; check the path.", path=path
        )
    numbered = [m for m in (re.fullmatch(r"checkpoint-(\d+)\.pth\.tar", n) for n in names) if m]
    if best:
        wanted, looked_for = _BEST, _BEST
    else:
        newest = max(numbered, key=lambda match: int(match[1]), default=None)
        wanted = _LAST if _LAST in names or newest is None else newest[0]
        looked_for = f"{_LAST} or checkpoint-N.pth.tar"
    if wanted not in names:
        raise ModelError(
            f"No checkpoint in the folder {path}: looked for {looked_for}; "
            "give the file itself if it has another name.",
            path=path,
            looked_for=looked_for,
        )
    return path / wanted


def read_checkpoint(path: str | Path, *, ema: bool = False, best: bool = False) -> Checkpoint:
    """Read the weights of a file or training folder.

    Args:
        path: `.pth`, `.pt`, `.pth.tar` or `.safetensors` file, or a training folder.
        ema: Take the averaged weights instead of the model's own.
        best: Take the best checkpoint of the folder instead of the last.

    Raises:
        ModelError: The file is missing, unreadable, refused, or holds no such weights.
    """
    file = find_checkpoint(path, best=best)
    try:
        # One handle for both, so that hash and weights belong together even if a training
        # run puts a new file in place meanwhile.
        with file.open("rb") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
            handle.seek(0)
            content = deserialise(file, handle)
    except OSError as error:
        raise ModelError(
            f"Cannot read the checkpoint {file}: {error.strerror or error}.", path=file
        ) from error
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{file} should hold a dict of weights, but holds a {type(content).__name__}; "
            "save model.state_dict().",
            path=file,
        )
    entry = _choose_entry(file, content, ema=ema)
    state_dict = _clean(file, entry, content if entry == PLAIN_ENTRY else content[entry])
    arguments = _arguments(content)
    arch = content.get("arch", arguments.get("model"))
    return Checkpoint(
        path=file,
        sha256=sha256,
        entry=entry,
        state_dict=state_dict,
        ema_available=any(isinstance(content.get(name), Mapping) for name in _EMA_ENTRIES),
        arch=arch if isinstance(arch, str) else None,
        num_classes=classifier_rows(state_dict, _CLASSIFIERS),
        mean=_channel_values(arguments.get("mean")),
        std=_positive(_channel_values(arguments.get("std"))),
    )


def classifier_rows(state_dict: Mapping[str, Tensor], names: tuple[str, ...]) -> int | None:
    """Number of classes by the first classifier of these names that the weights have."""
    for name in names:
        weight = state_dict.get(f"{name}.weight")
        if weight is not None and weight.ndim >= 2:
            return int(weight.shape[0])
    return None


def _choose_entry(file: Path, content: Mapping[Any, Any], *, ema: bool) -> str:
    averaged = [name for name in _EMA_ENTRIES if isinstance(content.get(name), Mapping)]
    if ema:
        if not averaged:
            raise ModelError(
                f"{file} holds no averaged weights: looked for {' and '.join(_EMA_ENTRIES)}; "
                "leave out ema to take the model's own.",
                path=file,
            )
        return averaged[0]
    for name in _WEIGHT_ENTRIES:
        if isinstance(content.get(name), Mapping):
            return name
    if averaged:
        raise ModelError(
            f"{file} holds averaged weights alone ({averaged[0]}); ask for them with ema.",
            path=file,
        )
    return PLAIN_ENTRY


def _clean(file: Path, entry: str, weights: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The weights as a dict of tensors without wrapper prefixes."""
    if not weights:
        raise ModelError(f"{file} holds no weights: its {entry} entry is empty.", path=file)
    for key, value in weights.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{file} should hold tensors under {entry}, but {key!r} is a "
                f"{type(value).__name__}; save model.state_dict().",
                path=file,
                key=key,
            )
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise ModelError(
                f"{file} should hold dense real tensors, but {key!r} is sparse, quantised or "
                "complex; save the weights of the plain network.",
                path=file,
                key=key,
            )
    cleaned: dict[str, Tensor] = dict(weights)
    if entry in _EMA_ENTRIES:
        cleaned.pop("n_averaged", None)  # the step count of torch's AveragedModel
    stripped = True
    while stripped:
        stripped = False
        for prefix in _WRAPPER_PREFIXES:
            # A network may have a child of that name: only a prefix of every key is a wrapper.
            if cleaned and all(key.startswith(prefix) for key in cleaned):
                cleaned = {key.removeprefix(prefix): value for key, value in cleaned.items()}
                stripped = True
    return cleaned


def _arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
    arguments = content.get("args")
    if isinstance(arguments, argparse.Namespace):
        return vars(arguments)
    return dict(arguments) if isinstance(arguments, Mapping) else {}


def _positive(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """`None` for what cannot be divided by."""
    return values if values and min(values) > 0 else None


def _channel_values(value: Any) -> tuple[float, ...] | None:
    """One number for each of three channels, `None` for anything else."""
    if not isinstance(value, list | tuple) or len(value) not in (1, 3):
        return None
    if not all(isinstance(number, int | float) for number in value):
        return None
    try:
        numbers = tuple(float(number) for number in value)
    except OverflowError:
        return None
    if not all(math.isfinite(number) for number in numbers):
        return None
    return numbers if len(numbers) == 3 else numbers * 3
