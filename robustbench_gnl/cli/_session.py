"""The session of `eval`, `check --model` and `demo`: from options to runs, with messages on
stderr."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import say
from robustbench_gnl.cli._request import DataRequest, ModelRequest, open_requested
from robustbench_gnl.cli._tags import say_repeated_tags
from robustbench_gnl.evaluation import Observer, Session, Settings
from robustbench_gnl.evaluation.observer import Task
from robustbench_gnl.progress import ProgressBar, duration
from robustbench_gnl.text import counted, some_of

if TYPE_CHECKING:
    from robustbench_gnl.data import Source
    from robustbench_gnl.modules import LoadedModel
    from robustbench_gnl.records import Run


class CommandObserver(Observer):
    """Messages and a progress bar on stderr."""

    words_options = True

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
        UsageError: No data was given, or its options are wrong.
        DataError: The data is not there.
    """
    from robustbench_gnl.store import open_store
    from robustbench_gnl.store.location import parse_location

    open_store(db).close()  # a bad store is reported before the data is searched
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


def evaluated_runs(session: Session, db: str) -> list[Run]:
    """The runs of an entered session; which run its tags now name is printed to stderr."""
    from robustbench_gnl.store import open_store

    runs = session.evaluate()
    if session.settings.tags:
        with open_store(db) as store:
            say_repeated_tags(session.settings.tags, {run.id for run in runs}, store)
    return runs


def typed_command(db: str, shown_db: str) -> str:
    """The command line as it is stored with a run, without the password of the store's URL."""
    # `db` may be a URL with a password, wherever it stands in the line.
    return shlex.join(["gnlbench", *(argument.replace(db, shown_db) for argument in sys.argv[1:])])


def describe_source(source: Source) -> str:
    """What the data is detected to be, in one line."""
    return (
        f"{source.root}: {_kind_of(source)}, {counted(source.n_images, 'image')} of "
        f"{counted(_n_classes(source), 'class', 'classes')}"
    )


def _kind_of(source: Source) -> str:
    title = source.suite.title
    if source.suite.layout is not None:
        is_complete = source.kind == "released"
        return f"the images of {title}" if is_complete else f"the layout of {title} (unverified)"
    made = "clean images, corrupted on the fly" if source.recipe else "a tree that gnlbench made"
    return {
        "released": f"the released {title}",
        "released-layout": f"a tree in the layout of {title} whose origin is unverified",
        "sample": "the built-in sample, corrupted on the fly",
    }.get(source.kind, made)


def say_estimate(session: Session) -> None:
    """Print what an entered session would do to stderr."""
    from robustbench_gnl.evaluation.estimate import estimate_of

    estimate = estimate_of(session)
    say(
        f"Images: {estimate.n_images:,} in {counted(estimate.n_blocks, 'block')}; "
        f"conditions: {len(session.conditions)} ({some_of(session.conditions)})"
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


def _n_classes(source: Source) -> int:
    return len({key.split("/", 1)[0] for key in source.files})


def _note_first_classes_only(source: Source, limit: int | None) -> None:
    n_classes = _n_classes(source)
    if limit is not None and n_classes < len(source.class_folders):
        say(
            f"Note: --limit takes the first keys in order, here those of "
            f"{counted(n_classes, 'class', 'classes')} among {len(source.class_folders):,}: "
            "a quick test, not an evaluation of the model"
        )


def _loaded(requests: Sequence[ModelRequest]) -> Iterator[LoadedModel]:
    """The models, each loaded when it is needed; the first one loads torch."""
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
