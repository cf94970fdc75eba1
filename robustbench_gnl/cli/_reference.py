"""`--reference`: whose errors CE divides by."""

from __future__ import annotations

from pathlib import Path

from robustbench_gnl.reference import Reference, load_alexnet, load_reference


def chosen_reference(path: Path | None) -> Reference:
    """The user's own, else AlexNet."""
    return load_alexnet() if path is None else load_reference(path)
