"""The runs that a command is given: from the store, or from exported JSON files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import no_runs_in, say
from robustbench_gnl.cli._run_files import read_runs
from robustbench_gnl.contents import Contents, pieces_contents
from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import CLOCK_WHEN_BEGUN

if TYPE_CHECKING:
    from robustbench_gnl.records import Condition, Run
    from robustbench_gnl.statistics import Outcomes
    from robustbench_gnl.store import Store

GIVEN_HELP = "Run id (or its start), tag, model name, or file written by `gnlbench runs export`."


@dataclass(frozen=True)
class GivenRun:
    """A run and its outcomes, image by image."""

    run: Run
    outcomes: Outcomes
    keys: tuple[str, ...]
    """The image keys, in the order of the images of `outcomes`."""
    contents: Mapping[tuple[int, Condition], Contents]
    """What each piece was read from, by block and condition."""


def given_runs(selectors: Sequence[str], db: str) -> list[GivenRun]:
    """The runs of the given ids, tags, model names and files, in their order.

    Raises:
        UsageError: A run is missing, or a file holds more than one.
    """
    from robustbench_gnl.store import open_store

    with ExitStack() as stack:
        store: Store | None = None
        found = []
        for selector in selectors:
            if _names_a_file(selector):
                found.append(_from_file(Path(selector)))
                continue
            if selector.endswith(".json") or "/" in selector:
                what = "that is a folder" if os.path.isdir(selector) else "there is no such file"
                raise UsageError(
                    f"no run {selector!r}: {what}; write a file with "
                    "`gnlbench runs export RUN -o FILE`",
                    selector=selector,
                )
            store = store or stack.enter_context(open_store(db))
            with store.snapshot():  # Another process may be writing or deleting it.
                found.append(_from_store(store, selector))
    return found


def _names_a_file(selector: str) -> bool:
    """Whether there is such a file, or a pipe, such as a shell's `<(zcat FILE)`."""
    return os.path.exists(selector) and not os.path.isdir(selector)


def newest_run_id(db: str) -> str:
    """The run that was begun last.

    Raises:
        UsageError: The store is empty.
    """
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        newest = store.runs(limit=1)
        if not newest:
            raise UsageError(f"{no_runs_in(store)}; make the first with `gnlbench demo`")
    return newest[0].id


def _from_store(store: Store, selector: str) -> GivenRun:
    from robustbench_gnl.statistics import outcomes_of

    ids = store.named(selector)
    run = store.run(ids[0])
    if len(ids) > 1:
        more = f" and {len(ids) - 2} more" if len(ids) > 2 else ""
        say(
            f"Note: {selector!r} names {len(ids)} runs; taken is the newest, {run.id} "
            f"(checkpoint {run.model.checkpoint_sha256[:8]}), not {ids[1]}{more}"
        )
    outcomes = outcomes_of(store.pieces(run.id), run.protocol.n_images)
    keys = store.image_set(run.protocol.image_set).keys
    return GivenRun(run, outcomes, keys, store.stored_pieces(run.id))


def _from_file(path: Path) -> GivenRun:
    from robustbench_gnl.statistics import outcomes_of

    with ExitStack() as stack:
        stored = list(read_runs(path, stack))
    if len(stored) != 1:
        raise UsageError(
            f"expected one run in {path}, got {len(stored)}; export one with "
            "`gnlbench runs export RUN -o FILE`, or give the store with --db",
            path=path,
        )
    (one,) = stored
    outcomes = outcomes_of(one.pieces, one.protocol.n_images)
    contents = pieces_contents(one.pieces, one.protocol.source)
    return GivenRun(one.run, outcomes, one.image_set.keys, contents)


def names_of(runs: Sequence[Run]) -> list[str]:
    """The names of runs in a report: the model, with the id of the run where models repeat."""
    models = [run.model.name for run in runs]
    return [
        name if models.count(name) == 1 else f"{name} [{run.id}]"
        for name, run in zip(models, runs, strict=True)
    ]


def seconds_of(run: Run) -> float:
    """How long a run took, in seconds. Batches evaluated at the same time each count their own
    seconds, so less time may have passed on the clock. More has passed where the run was
    interrupted, and the clock is useless where it was set back."""
    if run.finished_at is None or CLOCK_WHEN_BEGUN in run.environment:
        return run.seconds
    ends = [datetime.fromisoformat(time) for time in (run.created_at, run.finished_at)]
    # Times are stored to the second: a run within one took up to 1 s.
    return min(run.seconds, max(1.0, (ends[1] - ends[0]).total_seconds()))
