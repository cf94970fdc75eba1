"""`--reference`: whose errors CE divides by."""

from __future__ import annotations

from pathlib import Path

from robustbench_gnl.metrics.reference import Reference, default_reference, load_reference


def chosen_reference(path: Path | None) -> Reference:
    """The user's own, else AlexNet."""
    return default_reference() if path is None else load_reference(path)
