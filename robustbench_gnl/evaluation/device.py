"""Devices and precisions of inference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robustbench_gnl.errors import UsageError, did_you_mean, option

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as a device that is there.

    Raises:
        UsageError: The name is unknown or this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    family, _, index = name.partition(":")
    numbered = family == "cuda" and index.isdigit()
    if family not in ("cpu", "cuda", "mps") or (":" in name and not numbered):
        hint = did_you_mean(name, ("auto", "cpu", "cuda", "mps"))
        raise UsageError(
            f"unknown device {name!r}; expected auto, cpu, cuda, cuda:N or mps{hint}", device=name
        )
    if family == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n_devices == 0 or int(index or 0) >= n_devices:
            raise UsageError(
                f"the device {name} is not there: torch sees {n_devices} CUDA devices; "
                f"use {option('device', 'auto')} or cpu",
                device=name,
            )
    if family == "mps" and not torch.backends.mps.is_available():
        raise UsageError(
            f"the device mps is not there; use {option('device', 'auto')} or cpu", device=name
        )
    return torch.device(name)


def check_precision(name: str) -> str:
    """Raises UsageError when there is no such precision."""
    if not isinstance(name, str) or name not in PRECISIONS:
        raise UsageError(f"unknown precision {name!r}; expected one of {', '.join(PRECISIONS)}")
    return name


@contextmanager
def full_fp32() -> Iterator[None]:
    """Switch TF32 off, so that fp32 is exact. The switches belong to the process, so this is used
    around an evaluation and not around each of several concurrent batches."""
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32 = convolution.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before


@contextmanager
def inference(device: torch.device, precision: str) -> Iterator[None]:
    """Inference mode in a precision, for the calling thread."""
    # autocast keeps reductions such as softmax in float32; the weights stay as they are.
    reduced = precision != "fp32"
    with (
        torch.inference_mode(),
        torch.autocast(device.type, PRECISIONS[precision] if reduced else None, reduced),
    ):
        yield


def describe_device(device: torch.device) -> str:
    """The device in words, for the run's environment."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return str(device)
