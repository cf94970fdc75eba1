"""Joins models, data, evaluation and store: what `eval` and `demo` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from robustbench_gnl.cli._progress import EvaluationProgress
from robustbench_gnl.cli._request import DataRequest, ModelRequest, Settings, open_requested
from robustbench_gnl.errors import GnlbenchError, UsageError
from robustbench_gnl.records import (
    BLOCK_SIZE,
    Condition,
    ImageSet,
    Model,
    Piece,
    Protocol,
    Run,
)

if TYPE_CHECKING:
    from robustbench_gnl.data import Layout, Source
    from robustbench_gnl.evaluation import Judged, Network
    from robustbench_gnl.models import LoadedModel
    from robustbench_gnl.store import Store


def say(message: str) -> None:
    """A message to the user: never to stdout, which is for data."""
    typer.echo(message, err=True)


@dataclass
class Candidate:
    """One model of an evaluation: its network, and its run as far as it goes."""

    network: Network
    model: Model
    image_set: ImageSet
    protocol: Protocol
    run_id: str | None = None
    block_size: int = BLOCK_SIZE
    stored: dict[tuple[int, Condition], str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    is_finished: bool = False

    def find_stored(self, store: Store, *, rerun: bool) -> None:
        """Take up the newest run of this model under this protocol, unless a new one is asked."""
        run = None if rerun else store.find_run(self.model, self.protocol)
        if run is not None:
            self.run_id, self.block_size, self.tags = run.id, run.block_size, run.tags
            self.is_finished = run.finished_at is not None
            self.stored = store.stored_pieces(run.id)


@dataclass
class Plan:
    """Everything an evaluation needs, opened and checked."""

    source: Source
    conditions: tuple[Condition, ...]
    candidates: list[Candidate]
    executor: Executor
    n_workers: int
    settings: Settings

    @property
    def layout(self) -> Layout:
        """One layout for all the networks, since they share the images."""
        from robustbench_gnl.data import Layout

        sizes = {candidate.block_size for candidate in self.candidates}
        if len(sizes) > 1:
            raise UsageError(
                "the stored runs of these models were cut into blocks of different sizes "
                f"({', '.join(map(str, sorted(sizes)))}); evaluate them one by one"
            )
        return Layout(self.source.n_images, sizes.pop(), self.batch_size)

    @property
    def batch_size(self) -> int:
        """As it was asked for, else what suits the device."""
        from robustbench_gnl.evaluation import default_batch_size

        return self.settings.batch_size or default_batch_size(self.candidates[0].network.device)

    def judged(self, store: Store | None = None) -> list[Judged]:
        """The networks as the evaluation takes them, each storing its pieces."""
        from robustbench_gnl.evaluation import Judged

        return [
            Judged(each.network, each.image_set, _Sink(each, store), each.stored)
            for each in self.candidates
        ]

    def n_images_left(self) -> int:
        """Images still to be shown to some network, every condition counted."""
        from robustbench_gnl.evaluation import remaining_work

        work = remaining_work(self.judged(), self.conditions, self.layout)
        return sum(len(self.layout.block(block)) * len(todo) for block, todo in work.items())


@contextmanager
def planned(
    models: Sequence[ModelRequest], data: DataRequest, settings: Settings
) -> Iterator[Plan]:
    """Open data and models; workers start first, so that they load while torch does."""
    from robustbench_gnl.data import default_workers, start_workers

    source, conditions = open_requested(data)
    say(f"Data: {describe_source(source)}")
    n_classes = len({key.split("/", 1)[0] for key in source.files})
    if data.limit is not None and n_classes < len(source.class_folders):
        say(
            f"Note: --limit takes the first keys in order, here those of "
            f"{counted(n_classes, 'class', 'classes')} among {len(source.class_folders):,}: "
            "quick to try, no measure of the model"
        )
    n_workers = default_workers() if settings.workers is None else settings.workers
    with ExitStack() as stack:
        executor = start_workers(n_workers, corrupting=source.recipe is not None)
        # At an error or Ctrl-C nobody waits for images that nobody will see.
        stack.callback(executor.shutdown, wait=True, cancel_futures=True)
        if n_workers:
            executor.submit(int)  # starts the processes now
        if settings.skip_bad_images:
            source = _without_bad_images(source, conditions, executor, n_workers)
        from robustbench_gnl.evaluation import keep_freed_memory

        keep_freed_memory()
        loaded = [_load(request) for request in models]
        candidates = [_candidate(each, source, settings, stack) for each in loaded]
        yield Plan(source, conditions, _once(candidates), executor, n_workers, settings)


def _once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each model once: the same weights under two paths are one run."""
    by_identity = {(c.model.fingerprint, c.protocol.fingerprint): c for c in candidates}
    if len(by_identity) < len(candidates):
        say("Note: the same model and weights were given twice; they are evaluated once")
    return list(by_identity.values())


def _load(request: ModelRequest) -> LoadedModel:
    from robustbench_gnl.models import find_checkpoint, load_demo_model, load_model

    if request.name is None:
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


def _candidate(
    loaded: LoadedModel, source: Source, settings: Settings, stack: ExitStack
) -> Candidate:
    from robustbench_gnl.evaluation import Network, check_precision, resolve_device

    network = stack.enter_context(
        Network(
            loaded.module,
            mean=loaded.mean,
            std=loaded.std,
            device=resolve_device(settings.device),
            precision=check_precision(settings.precision),
        )
    )
    n_classes = network.check(settings.input_size, preferred_size=loaded.input_size[-1])
    image_set = source.image_set(n_classes)
    protocol = source.protocol(
        image_set, input_size=settings.input_size, precision=settings.precision
    )
    model = Model(
        name=loaded.name,
        checkpoint_sha256=loaded.checkpoint_sha256,
        weights=loaded.weights,
        n_params=loaded.n_params,
        n_classes=loaded.num_classes,
        mean=loaded.mean,
        std=loaded.std,
    )
    say(
        f"Model: {model.name}, {model.n_params:,} parameters, weights {model.weights} "
        f"(sha256 {model.checkpoint_sha256[:12]}), mean {_numbers(model.mean)}, "
        f"std {_numbers(model.std)} ({loaded.mean_source})"
    )
    return Candidate(network, model, image_set, protocol)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def describe_source(source: Source) -> str:
    """What was found out about the data, in one line."""
    kind = {
        "released": "the released ImageNet-C",
        "released-layout": "a tree in the layout of ImageNet-C whose origin is unverified",
        "generated": "clean images, corrupted on the fly"
        if source.recipe
        else "a tree that gnlbench made",
        "sample": "the built-in sample, corrupted on the fly",
    }[source.kind]
    classes = len({key.split("/", 1)[0] for key in source.files})
    return (
        f"{source.root}: {kind}, {counted(source.n_images, 'image')} of "
        f"{counted(classes, 'class', 'classes')}"
    )


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,000 images`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _without_bad_images(
    source: Source, conditions: Sequence[Condition], executor: Executor, n_workers: int
) -> Source:
    from robustbench_gnl.data import find_bad_images

    say("Looking for images that cannot be read")
    with EvaluationProgress(0, label="looking") as progress:
        bad = find_bad_images(
            source, conditions, executor, ahead=max(1, 2 * n_workers), on_progress=progress.show
        )
    for key, reason in list(bad.items())[:10]:
        say(f"Left out: {key} ({reason})")
    if bad:
        say(f"{len(bad)} of {source.n_images} images leave every cell; the protocol is partial")
        return source.without(bad)
    return source


def evaluate_plan(plan: Plan, store: Store, command: str) -> list[Run]:
    """Evaluate what is not stored yet, storing every piece at once; the runs in order."""
    from robustbench_gnl.data import check_trees

    for candidate in plan.candidates:
        candidate.find_stored(store, rerun=plan.settings.rerun)
    todo = [each for each in plan.candidates if _lacks(each, plan)]
    if todo:
        check_trees(plan.source, plan.conditions)
        begun = [each for each in todo if each.run_id is None]
        try:
            _evaluate(todo, plan, store, command)
        except GnlbenchError:
            _forget_empty_runs(begun, store)
            raise
    else:
        say("Everything that was asked for is stored already; --rerun evaluates anew")
    runs = []
    for candidate in plan.candidates:
        run_id = candidate.run_id or ""
        if set(plan.settings.tags) - set(candidate.tags):
            store.add_tags(run_id, plan.settings.tags)
        if candidate in todo or not candidate.is_finished:
            store.finish_run(run_id)
        runs.append(store.run(run_id))
    return runs


def _evaluate(todo: Sequence[Candidate], plan: Plan, store: Store, command: str) -> None:
    from robustbench_gnl.evaluation import evaluate_pieces

    n_images = plan.n_images_left()
    with ExitStack() as locks:
        for candidate in todo:
            _begin_or_resume(candidate, plan, store, command, locks)
        with EvaluationProgress(n_images, label="starting") as progress:
            evaluate_pieces(
                plan.judged(store), plan.source, plan.conditions, plan.layout,
                plan.executor, n_workers=plan.n_workers,
                input_size=plan.settings.input_size, on_batch=progress.advance,
            )  # fmt: skip


def _begin_or_resume(
    candidate: Candidate, plan: Plan, store: Store, command: str, locks: ExitStack
) -> None:
    """Have a run to write, and the lock on it."""
    from robustbench_gnl.evaluation import environment

    here = environment(candidate.network.device, command)
    if candidate.run_id is None:
        candidate.run_id = store.create_run(
            candidate.model,
            candidate.protocol,
            candidate.image_set,
            block_size=candidate.block_size,
            tags=plan.settings.tags,
            environment=here,
            skipped=plan.source.skipped,
        )
        locks.enter_context(store.lock_run(candidate.run_id))
        return
    locks.enter_context(store.lock_run(candidate.run_id))
    # Another process may have worked on it until the lock was ours.
    candidate.stored = store.stored_pieces(candidate.run_id)
    store.note_resumed(candidate.run_id, here)
    say(f"Resuming run {candidate.run_id}: {len(candidate.stored)} pieces are stored")


def _forget_empty_runs(begun: Sequence[Candidate], store: Store) -> None:
    """A run that failed before its first piece says nothing: leave no trace of it."""
    for candidate in begun:
        if candidate.run_id is not None and not store.stored_pieces(candidate.run_id):
            store.delete_run(candidate.run_id)


def _lacks(candidate: Candidate, plan: Plan) -> bool:
    blocks = range(plan.layout.n_blocks)
    return any((b, c) not in candidate.stored for c in plan.conditions for b in blocks)


class _Sink:
    """Stores each piece, and looks at the first clean one."""

    def __init__(self, candidate: Candidate, store: Store | None) -> None:
        self._candidate = candidate
        self._store = store

    def __call__(self, piece: Piece) -> None:
        if self._store is None or self._candidate.run_id is None:
            raise RuntimeError("a plan without a store was evaluated")
        self._store.add_piece(self._candidate.run_id, piece)
        if piece.condition.is_clean and piece.block == 0:
            warn_near_chance(piece, self._candidate.model)


def warn_near_chance(piece: Piece, model: Model) -> None:
    """A network that guesses on clean images is nearly always a mistake of the set-up."""
    chance = 1 / model.n_classes
    spread = 3 * (chance * (1 - chance) / piece.n_images) ** 0.5
    accuracy = piece.n_top1 / piece.n_images
    if accuracy <= max(0.05, chance + spread):
        say(
            f"Warning: {model.name} is right on {accuracy:.1%} of the first clean images, "
            f"near chance ({chance:.1%}). The usual causes: another order of classes, "
            "another normalisation (--mean, --std), or the wrong checkpoint"
        )
