"""Turn a checkpoint's bytes into tensors without running anything they hold.

A pickle can run any program, so only tensors, plain containers and `argparse.Namespace`
(timm's training script keeps its options in one) are let through, and that class only while
a file is read.
"""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch

from robustbench_gnl.errors import ModelError


def deserialise(file: Path, handle: BinaryIO) -> Any:
    """The content of an open checkpoint.

    Raises:
        ModelError: The bytes are damaged, of another kind, or hold more than weights.
        OSError: The system cannot read them.
    """
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load(handle.read())
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            # torch warns of oddities that the caller is about to hear of as an error.
            warnings.simplefilter("ignore")
            return torch.load(handle, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        forbidden = re.search(r"(?:GLOBAL|function|class|global) `?([\w.]+\.[\w.]+)", str(error))
        if "weights_only" in str(error) and forbidden is not None:
            raise ModelError(
                f"Refused to load {file}: it holds more than weights ({forbidden[1]}), and "
                "loading that could run a program. Save model.state_dict() alone.",
                path=file,
                forbidden=forbidden[1],
            ) from error
        raise ModelError(
            f"{file} is no readable checkpoint ({type(error).__name__}): expected a file by "
            "torch.save or safetensors; it may be cut short or of another kind.",
            path=file,
        ) from error
