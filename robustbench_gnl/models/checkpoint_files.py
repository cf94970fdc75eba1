"""Finding the checkpoint file: the path itself, or a file in a training or hub folder."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.files import kind_of

_LAST, _BEST = "last.pth.tar", "model_best.pth.tar"
# As `timm.models.push_to_hf_hub` and Hugging Face's own tools name them.
_CONFIG, _HUB_WEIGHTS = "config.json", ("model.safetensors", "pytorch_model.bin")
_LARGEST_CONFIG = 10_000_000


def find_checkpoint(path: str | Path, *, best: bool = False) -> Path:
    """The file to read: `path` itself, or the one to take from a folder.

    Raises:
        ModelError: There is no such file, or it is a pipe, a device or a socket.
        UsageError: `best` was asked of a file.
    """
    path = Path(path)
    try:
        path = path.expanduser()
        mode = path.stat().st_mode
        names = os.listdir(path) if stat.S_ISDIR(mode) else None
    except FileNotFoundError as error:
        raise ModelError(
            f"No checkpoint at {path}: there is no such file or folder; check the path.", path=path
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"Cannot look for a checkpoint at {path}: {error}.", path=path) from error
    if names is None:
        if best and stat.S_ISREG(mode):
            raise UsageError(
                f"best=True takes {_BEST} from a training folder, but {path} is a file; "
                "give the folder, or leave it out.",
                path=path,
            )
        return _regular(path)
    return _regular(path / _choose(path, names, best=best))


def _choose(folder: Path, names: list[str], *, best: bool) -> str:
    numbered = [m for m in (re.fullmatch(r"checkpoint-(\d+)\.pth\.tar", n) for n in names) if m]
    if best:
        wanted, looked_for = _BEST, _BEST
    else:
        newest = max(numbered, key=lambda match: int(match[1]), default=None)
        wanted = _LAST if _LAST in names or newest is None else newest[0]
        looked_for = f"{_LAST} or checkpoint-N.pth.tar, or {_CONFIG} with {_HUB_WEIGHTS[0]}"
        if wanted not in names and _CONFIG in names:
            wanted = next((name for name in _HUB_WEIGHTS if name in names), wanted)
    if wanted not in names:
        raise ModelError(
            f"No checkpoint in the folder {folder}: looked for {looked_for}; "
            "give the file itself if it has another name.",
            path=folder,
            looked_for=looked_for,
        )
    return wanted


def _regular(path: Path) -> Path:
    """Refuse pipes, devices and sockets, which may block or never end.

    Raises:
        ModelError: A pipe, a device, a socket, a folder, or a broken link.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ModelError(
            f"Cannot read the checkpoint {path}: {error.strerror}.", path=path
        ) from error
    if stat.S_ISREG(mode):
        return path
    raise ModelError(
        f"{path} is not a regular file but {kind_of(mode)}; "
        "a checkpoint is read more than once, so write it to a file and give that.",
        path=path,
    )


def read_config(weights: Path) -> dict[str, Any]:
    """What the `config.json` beside the weights of a hub folder says; `{}` where there is none.

    Raises:
        ModelError: It is damaged, or no regular file.
    """
    path = weights.parent / _CONFIG
    if weights.name not in _HUB_WEIGHTS or not os.path.lexists(path):
        return {}
    _regular(path)
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise ValueError(f"more than {_LARGEST_CONFIG:,} bytes")
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is no readable configuration ({error}): expected the JSON object that timm "
            f"writes; repair it, or move {weights.name} elsewhere and name the model.",
            path=path,
        ) from error
    return config
