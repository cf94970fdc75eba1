"""Reading the weights and metadata of a checkpoint without running code in it.

The formats are those of timm's training script, which the authors of GroupNL (Ding et al.,
IEEE TMC 2026, doi 10.1109/TMC.2026.3655770) use, of torchvision's, Lightning's and DeepSpeed's,
of PyTorch's tutorials and of Hugging Face's folders, and plain state dicts."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models.checkpoint_files import find_checkpoint, read_config
from robustbench_gnl.models.pickled_data import NumpyArray
from robustbench_gnl.models.safe_reading import check_beginning, deserialise
from robustbench_gnl.normalisation import channel_values

PLAIN_ENTRY = "plain"
# Of timm and torchvision; then of PyTorch's tutorials, of many research repositories, of DeepSpeed.
_WEIGHT_ENTRIES = (
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network"),
    *("module", "weights", "params"),
)
EMA_ENTRIES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
# What DistributedDataParallel puts before every key.
_DATA_PARALLEL = "module."
# What torch.compile, FSDP and activation checkpointing put wherever they wrap a part; no model
# names a child so.
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_CLASSIFIERS = ("classifier", "fc", "head", "head.fc", "last_linear")
# Under which name the hyperparameters of a Lightning module tell a model's name.
_HYPER_PARAMETERS = ("arch", "architecture", "model_name", "model", "backbone", "backbone_name")
_FLOAT8 = tuple(
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
    if hasattr(torch, name)
)
_DTYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, *_FLOAT8),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
)
# An expanded tensor has far more numbers than bytes; a small one harms nobody.
_LARGEST_EXPANDED = 2**26


@dataclass(frozen=True)
class Checkpoint:
    """The weights and metadata of one file.

    Attributes:
        path: The file that was read, also where a folder was given.
        sha256: Of the file's bytes.
        entry: The entry of the file with the weights; "plain" for a bare state dict.
        state_dict: The weights, wrapper prefixes taken off.
        ema_available: Whether the file also holds averaged weights.
        arch: The architecture that the file names, if any.
        num_classes: Rows of the classifier, where it has a customary name.
        mean: Normalisation that the training options name, if any.
        std: Likewise.
        model_args: Arguments of the model that the file names.
        notes: What was unusual about the file.
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
    model_args: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_checkpoint(path: str | Path, *, ema: bool = False, best: bool = False) -> Checkpoint:
    """Read the weights of a file, a training folder or a folder of the Hugging Face hub.

    Args:
        path: `.pth`, `.pt`, `.pth.tar`, `.ckpt` or `.safetensors` file, or a folder.
        ema: Take the averaged weights instead of the model's own.
        best: Take the best checkpoint of the folder instead of the last.

    Raises:
        ModelError: The file is missing, unreadable, refused, or holds no such weights.
    """
    file = find_checkpoint(path, best=best)
    config = read_config(file)
    try:
        # One handle for both, so that hash and weights belong together even if a training
        # run puts a new file in place meanwhile.
        with file.open("rb") as handle:
            check_beginning(file, handle)
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
    state_dict = _clean(file, entry, _at(content, entry))
    arguments = _arguments(content)
    preparation = _mapping(config.get("pretrained_cfg")) or config
    return Checkpoint(
        path=file,
        sha256=sha256,
        entry=entry,
        state_dict=state_dict,
        ema_available=any(isinstance(content.get(name), Mapping) for name in EMA_ENTRIES),
        arch=next(_named_architectures(content, arguments, config), None),
        num_classes=classifier_rows(state_dict, _CLASSIFIERS),
        mean=channel_values(arguments.get("mean")) or channel_values(preparation.get("mean")),
        std=channel_values(arguments.get("std"), positive=True)
        or channel_values(preparation.get("std"), positive=True),
        model_args=_mapping(config.get("model_args")) or _mapping(arguments.get("model_kwargs")),
        notes=tuple(_notes_on(state_dict)),
    )


def classifier_rows(state_dict: Mapping[str, Tensor], names: tuple[str, ...]) -> int | None:
    """Number of classes by the first classifier of these names that the weights have."""
    for name in names:
        weight = state_dict.get(f"{name}.weight")
        if weight is not None and weight.ndim >= 2:
            return int(weight.shape[0])
    return None


def _choose_entry(file: Path, content: Mapping[Any, Any], *, ema: bool) -> str:
    """Where the weights are; `a.b` for an entry within an entry."""
    averaged = [name for name in EMA_ENTRIES if isinstance(content.get(name), Mapping)]
    if ema:
        if not averaged:
            raise ModelError(
                f"{file} holds no averaged weights: looked for {' and '.join(EMA_ENTRIES)}; "
                "leave out ema to take the model's own.",
                path=file,
            )
        return averaged[0]
    there = [name for name in _WEIGHT_ENTRIES if isinstance(content.get(name), Mapping)]
    # In the order of _WEIGHT_ENTRIES: a file may hold a `model` name beside its `state_dict`.
    for name in there:
        if _has_tensors(content[name]):
            return name
        for inner in _WEIGHT_ENTRIES:
            if _has_tensors(content[name].get(inner)):
                return f"{name}.{inner}"
    if there and not _has_tensors(content):
        return there[0]
    if averaged:
        raise ModelError(
            f"{file} holds averaged weights alone ({averaged[0]}); ask for them with ema.",
            path=file,
        )
    return PLAIN_ENTRY


def _at(content: Mapping[Any, Any], entry: str) -> Mapping[Any, Any]:
    if entry == PLAIN_ENTRY:
        return content
    for name in entry.split("."):
        content = content[name]
    return content


def _has_tensors(content: Any) -> bool:
    return isinstance(content, Mapping) and any(
        isinstance(value, Tensor | NumpyArray) for value in content.values()
    )


def _clean(file: Path, entry: str, weights: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The weights as a dict of tensors, without the prefixes of wrappers."""
    if not weights:
        raise ModelError(f"{file} holds no weights: its {entry} entry is empty.", path=file)
    cleaned: dict[str, Tensor] = {}
    for key, value in weights.items():
        if isinstance(value, NumpyArray) and value.array.dtype.kind in "biuf":
            # torch takes arrays in the byte order of this machine only.
            value = torch.from_numpy(value.array.astype(value.array.dtype.newbyteorder("=")))
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{file} should hold tensors under {entry}, but {key!r} is a "
                f"{type(value).__name__}; save model.state_dict().",
                path=file,
                key=key,
            )
        cleaned[key] = _usable(file, key, value)
    if entry in EMA_ENTRIES:
        cleaned.pop("n_averaged", None)  # the step count of torch's AveragedModel
    if not cleaned:
        raise ModelError(
            f"{file} holds no weights: its {entry} entry has counters alone.", path=file
        )
    for wrapper in _WRAPPERS:
        unwrapped = {key.replace(wrapper, ""): value for key, value in cleaned.items()}
        if len(unwrapped) == len(cleaned):  # no two keys become one
            cleaned = unwrapped
    # A model may have a child of that name: only a prefix of every key is a wrapper.
    while all(key.startswith(_DATA_PARALLEL) for key in cleaned):
        cleaned = {key.removeprefix(_DATA_PARALLEL): value for key, value in cleaned.items()}
    return cleaned


def _usable(file: Path, key: str, value: Tensor) -> Tensor:
    """The tensor, if it is one of plain numbers that are in the file.

    Raises:
        ModelError: It is of another kind, or has no data.
    """
    if type(value) not in (Tensor, nn.Parameter) or value.is_nested:
        raise ModelError(
            f"{file} should hold dense real tensors, but {key!r} is a "
            f"{'nested tensor' if value.is_nested else type(value).__name__}; save the weights of "
            "the plain model.",
            path=file,
            key=key,
        )
    if value.layout != torch.strided or value.is_quantized or value.is_complex():
        raise ModelError(
            f"{file} should hold dense real tensors, but {key!r} is sparse, quantised or "
            "complex; save the weights of the plain model.",
            path=file,
            key=key,
        )
    if value.device.type != "cpu":
        raise ModelError(
            f"{file} has no data for {key!r}: it was saved from the device "
            f"{value.device.type!r}, which holds shapes alone. Save the model after its weights "
            "were loaded.",
            path=file,
            key=key,
        )
    if value.dtype not in _DTYPES:
        raise ModelError(
            f"{file} holds {key!r} as {value.dtype}, which is no type of plain weights; save the "
            "model in float32, float16 or bfloat16.",
            path=file,
            key=key,
        )
    # A small file could state a tensor of stride 0 with any number of elements.
    n_bytes = value.numel() * value.element_size()
    if n_bytes > max(_LARGEST_EXPANDED, 2 * value.untyped_storage().nbytes()):
        raise ModelError(
            f"{file} has {value.untyped_storage().nbytes():,} bytes for the {value.numel():,} "
            f"numbers of {key!r}; save model.state_dict() again.",
            path=file,
            key=key,
        )
    return value


def _notes_on(state_dict: Mapping[str, Tensor]) -> Iterator[str]:
    coarse = {str(value.dtype) for value in state_dict.values() if value.dtype in _FLOAT8}
    if coarse:
        yield f"the checkpoint stores weights as {', '.join(sorted(coarse))}"


def _named_architectures(
    content: Mapping[Any, Any], arguments: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[str]:
    """Architecture names in the file, the most reliable first."""
    hyper = _mapping(content.get("hyper_parameters"))
    for name in (
        *(content.get("arch"), arguments.get("model"), arguments.get("arch")),
        *(config.get("architecture"), content.get("architecture"), content.get("model_name")),
        *(hyper.get(key) for key in _HYPER_PARAMETERS),
        # Of Hugging Face transformers, which no name of timm's means; an error can tell it.
        *(_list(config.get("architectures"))[:1]),
    ):
        if isinstance(name, str) and name:
            yield name


def _arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
    return _mapping(content.get("args"))


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, argparse.Namespace):
        return vars(value)
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
