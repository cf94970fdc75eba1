"""The environment of a run, which is not part of the protocol: versions, device, command."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import features

from robustbench_gnl._version import __version__
from robustbench_gnl.evaluation.device import describe_device

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "scipy", "pillow", "scikit-image",
    "opencv-python", "opencv-python-headless", "numba", "imagecorruptions-imaug",
)  # fmt: skip


def environment(device: torch.device, command: str | None = None) -> dict[str, Any]:
    """Versions, device, command and git commit, as they are stored with a run."""
    return {
        "gnlbench": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": describe_device(device),
        "libjpeg": features.version("libjpeg_turbo") or features.version_codec("jpg"),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "command": command if command is not None else " ".join(sys.argv),
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the folder in which the command runs: the user's experiment."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            # git may wait for a network drive; the commit is worth a few seconds at most.
            cwd=Path.cwd(), capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
