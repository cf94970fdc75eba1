"""`--reference`: the errors that CE divides by."""

from __future__ import annotations

from pathlib import Path

from robustbench_gnl.metrics.reference import Reference, default_reference, load_reference


def chosen_reference(path: Path | None) -> Reference:
    """The reference in a file of the user, else that of the default suite."""
    return default_reference() if path is None else load_reference(path)
