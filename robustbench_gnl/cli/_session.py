"""The session behind `eval`, `check --model` and `demo`: from options to runs, told on stderr."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import counted, say
from robustbench_gnl.cli._request import DataRequest, ModelRequest, open_requested
from robustbench_gnl.cli._tags import say_what_tags_mean
from robustbench_gnl.evaluation import Observer, Session, Settings
from robustbench_gnl.evaluation.observer import Task
from robustbench_gnl.progress import ProgressBar, duration

if TYPE_CHECKING:
    from robustbench_gnl.data import Source
    from robustbench_gnl.modules import LoadedModel
    from robustbench_gnl.records import Condition, Run

_KINDS = {
    "released": "the released ImageNet-C",
    "released-layout": "a tree in the layout of ImageNet-C whose origin is unverified",
    "sample": "the built-in sample, corrupted on the fly",
}
"""What the sources of images are called, but for generated ones."""


class CommandObserver(Observer):
    """Messages and a progress bar on stderr."""

    def info(self, message: str) -> None:
        say(message)

    def note(self, message: str) -> None:
        say(f"Note: {message}")

    def warning(self, message: str) -> None:
        say(f"Warning: {message}")

    @contextmanager
    def task(self, total: int, label: str) -> Iterator[Task]:
        with ProgressBar(total, label=label, write=say) as progress:
            yield progress


def requested_session(
    models: Sequence[ModelRequest], data: DataRequest, settings: Settings, db: str
) -> Session:
    """The session of some options, to be used in a `with` statement.

    Raises:
        StoreError: The store cannot be read.
        UsageError: No data was given, or it was described wrongly.
        DataError: The data is not there.
    """
    from robustbench_gnl.store import open_store
    from robustbench_gnl.store.location import parse_location

    open_store(db).close()  # told before the data is looked through
    source, conditions = open_requested(data)
    say(f"Data: {describe_source(source)}")
    _note_first_classes_only(source, data.limit)
    return Session(
        _loaded(models),
        source,
        conditions,
        settings,
        store=db,
        observer=CommandObserver(),
        command=typed_command(db, parse_location(db).name),
    )


def evaluate_and_tell(session: Session, db: str) -> list[Run]:
    """The runs of an entered session, and on stderr what their tags mean from now on."""
    from robustbench_gnl.store import open_store

    runs = session.evaluate()
    if session.settings.tags:
        with open_store(db) as store:
            say_what_tags_mean(session.settings.tags, {run.id for run in runs}, store)
    return runs


def typed_command(db: str, shown_db: str) -> str:
    """The command for the record; a password in the store's URL is not for the record."""
    return shlex.join(["gnlbench", *(argument.replace(db, shown_db) for argument in sys.argv[1:])])


def describe_source(source: Source) -> str:
    """What was detected of the data, in one line."""
    made = "clean images, corrupted on the fly" if source.recipe else "a tree that gnlbench made"
    return (
        f"{source.root}: {_KINDS.get(source.kind, made)}, {counted(source.n_images, 'image')} of "
        f"{counted(_n_classes(source), 'class', 'classes')}"
    )


def say_estimate(session: Session) -> None:
    """What an entered session would do, on stderr."""
    from robustbench_gnl.evaluation.estimate import estimate_of

    estimate = estimate_of(session)
    say(
        f"Images: {estimate.n_images:,} in {counted(estimate.n_blocks, 'block')}; "
        f"conditions: {len(session.conditions)} ({_first_three(session.conditions)}, ...)"
    )
    for each in estimate.models:
        run = f"run {each.run_id}" if each.run_id else "a new run"
        say(
            f"{each.name}: protocol {each.protocol.name} ({each.protocol.fingerprint[:8]}), "
            f"{run}, {each.n_stored} of {each.n_pieces} pieces stored"
        )
    if estimate.n_images_left == 0:
        say("Nothing is left to do")
    else:
        say(f"Left: {estimate.n_images_left:,} images; about {duration(estimate.seconds)}")


def _first_three(conditions: Sequence[Condition]) -> str:
    return ", ".join(map(str, conditions[:3]))


def _n_classes(source: Source) -> int:
    return len({key.split("/", 1)[0] for key in source.files})


def _note_first_classes_only(source: Source, limit: int | None) -> None:
    n_classes = _n_classes(source)
    if limit is not None and n_classes < len(source.class_folders):
        say(
            f"Note: --limit takes the first keys in order, here those of "
            f"{counted(n_classes, 'class', 'classes')} among {len(source.class_folders):,}: "
            "quick to try, no measure of the model"
        )


def _loaded(requests: Sequence[ModelRequest]) -> Iterator[LoadedModel]:
    """The models, loaded when they are asked for: torch comes with the first."""
    from robustbench_gnl.evaluation import keep_freed_memory

    keep_freed_memory()
    for request in requests:
        yield _load(request)


def _load(request: ModelRequest) -> LoadedModel:
    from robustbench_gnl.models import find_checkpoint, load_demo_model, load_model

    if request.name is None and request.checkpoint is None:
        return load_demo_model()
    checkpoint = request.checkpoint
    if checkpoint is not None and checkpoint.is_dir():
        checkpoint = find_checkpoint(checkpoint, best=request.best)
        say(f"Checkpoint: {checkpoint}")
    loaded = load_model(
        request.name,
        request.checkpoint,
        pretrained=request.pretrained,
        ema=request.ema,
        best=request.best,
        mean=request.mean,
        std=request.std,
    )
    for note in loaded.notes:
        say(f"Note: {note}")
    return loaded
