"""`--reference`: the errors that CE divides by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import say

if TYPE_CHECKING:
    from robustbench_gnl.metrics.reference import Reference
    from robustbench_gnl.records import Run


def chosen_reference(path: Path | None) -> Reference:
    """The reference in a file of the user, else that of the default suite."""
    # Imported here, since `--help` needs no metrics.
    from robustbench_gnl.metrics.reference import default_reference, load_reference

    return default_reference() if path is None else load_reference(path)


def note_unused_reference(path: Path | None, runs: Iterable[Run]) -> None:
    """Report a reference that was given with runs of suites without CE."""
    from robustbench_gnl.suites import suite_of

    if path is None:
        return
    suites = dict.fromkeys(suite_of(run.protocol) for run in runs)
    titles = [suite.title for suite in suites if suite.reference is None]
    if titles:
        say(f"Note: --reference is not used for {' and '.join(titles)}, which has no CE")
