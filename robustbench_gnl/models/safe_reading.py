"""Reading the tensors of a checkpoint without running code in it.

A pickle can run any program, so only tensors, plain containers and the data of
`pickled_data` are let through, and those only while a file is read.
"""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models.pickled_data import SUBSTITUTES

# safetensors itself refuses longer headers.
_LONGEST_HEADER = 100_000_000
# torch.save compresses nothing, so its archives are as large as what they hold.
_MOST_UNPACKED = 2


def check_beginning(file: Path, handle: BinaryIO) -> None:
    """Look at the ends of a checkpoint before all of it is read, which may take long.

    Raises:
        ModelError: It cannot be one, or would unpack to much more than it is.
        OSError: The system cannot read it.
    """
    size = handle.seek(0, 2)
    handle.seek(0)
    start = handle.read(9)
    handle.seek(0)
    if _is_safetensors(start):
        length = struct.unpack("<Q", start[:8])[0]
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise _unreadable(file, "its header does not fit into it")
    elif start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(handle) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
            raise _unreadable(file, type(error).__name__) from error
        # The million lets small archives pass, whose ratio says little.
        if unpacked > _MOST_UNPACKED * size + 1_000_000:
            raise ModelError(
                f"Refused to load {file}: it would unpack from {size:,} to {unpacked:,} bytes, "
                "where torch.save compresses nothing. Save model.state_dict() with torch.save.",
                path=file,
            )
        handle.seek(0)
    elif not start.startswith(b"\x80"):
        raise _unreadable(file, "it is empty" if size == 0 else "it begins like no such file")


def _is_safetensors(start: bytes) -> bool:
    """By the content: the length of a header in eight bytes, then its JSON."""
    return start[8:9] == b"{"


def deserialise(file: Path, handle: BinaryIO) -> Any:
    """The content of an open checkpoint.

    Raises:
        ModelError: The bytes are damaged, of another kind, or hold more than weights.
        OSError: The system cannot read them.
    """
    try:
        start = handle.read(9)
        handle.seek(0)
        if _is_safetensors(start):
            return safetensors.torch.load(handle.read())
        with warnings.catch_warnings(), torch.serialization.safe_globals(SUBSTITUTES):
            # torch warns of oddities that the caller is about to hear of as an error.
            warnings.simplefilter("ignore")
            return torch.load(handle, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        forbidden = re.search(r"(?:GLOBAL|function|class|global) `?([\w.]+\.[\w.]+)", str(error))
        # torch names what it refused in the text of the error only.
        if "weights_only" in str(error) and forbidden is not None:
            raise ModelError(
                f"Refused to load {file}: it holds more than weights ({forbidden[1]}), and "
                "loading that could run a program. Save model.state_dict() alone.",
                path=file,
                forbidden=forbidden[1],
            ) from error
        raise _unreadable(file, type(error).__name__) from error


def _unreadable(file: Path, why: str) -> ModelError:
    return ModelError(
        f"{file} is no readable checkpoint ({why}): expected a file by "
        "torch.save or safetensors; it may be cut short or of another kind.",
        path=file,
    )
