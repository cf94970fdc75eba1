"""`--reference`: the errors that CE divides by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference


def chosen_reference(path: Path | None) -> Reference:
    """The reference in a file of the user, else that of the default suite."""
    # Imported here, since `--help` needs no metrics.
    from robustbench_gnl.metrics.reference import default_reference, load_reference

    return default_reference() if path is None else load_reference(path)
