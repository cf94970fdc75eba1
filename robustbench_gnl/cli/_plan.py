"""Everything an evaluation needs, opened and checked: data, networks, workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import counted, say
from robustbench_gnl.cli._progress import EvaluationProgress
from robustbench_gnl.cli._request import DataRequest, ModelRequest, Settings, open_requested
from robustbench_gnl.contents import Contents
from robustbench_gnl.errors import DataError, UsageError
from robustbench_gnl.records import BLOCK_SIZE, Condition, ImageSet, Model, Piece, Protocol, Run

if TYPE_CHECKING:
    from robustbench_gnl.data import Layout, Source
    from robustbench_gnl.evaluation import Judged, Network
    from robustbench_gnl.models import LoadedModel
    from robustbench_gnl.store import Store


@dataclass
class Candidate:
    """One model of an evaluation: its network, and its run as far as it goes."""

    network: Network
    model: Model
    image_set: ImageSet
    protocol: Protocol
    run_id: str | None = None
    block_size: int = BLOCK_SIZE
    stored: dict[tuple[int, Condition], Contents] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    is_finished: bool = False
    known: tuple[str, ...] | None = None
    """The runs of this model under this protocol that were there when this command began; None
    until they were looked for."""

    def find_stored(
        self, store: Store, source: Source, conditions: Sequence[Condition], *, rerun: bool
    ) -> None:
        """Take up the newest run of this model under this protocol that read these very files,
        unless a new one is asked for. Once: a second call changes nothing.

        A run of other files that has everything is left alone, and a new one begun.

        Raises:
            DataError: A run of other files would have to go on with these.
        """
        if self.known is not None:
            return  # the files were compared already
        # Before any is looked at: what appears later is of another process.
        self.known = tuple(store.run_ids_of(self.model, self.protocol))
        others: list[tuple[Run, str]] = []
        for run_id in () if rerun else self.known:
            run, stored = store.run(run_id), store.stored_pieces(run_id)
            difference = difference_from(source, run, stored)
            if difference is None:
                self.run_id, self.block_size, self.tags = run.id, run.block_size, run.tags
                self.is_finished = run.finished_at is not None
                self.stored = stored
                break
            if lacks(stored, conditions, layout_of(source, run.block_size)):
                others.append((run, difference))
            else:
                say(
                    f"Note: run {run.id} of this model and protocol read other files of the same "
                    f"names (the first difference found: {difference}); it does not answer for "
                    "these"
                )
        if self.run_id is None and others:
            run, difference = others[0]
            raise DataError(
                f"the images of {source.root} changed since this run began, or are others of the "
                f"same names (run {run.id}, the first difference found: {difference}); put them "
                "back, or begin anew with --rerun",
                path=source.root,
            )


def layout_of(source: Source, block_size: int, batch_size: int = 1) -> Layout:
    """How the images of a source are cut."""
    from robustbench_gnl.data import Layout

    return Layout(source.n_images, block_size, batch_size)


def lacks(
    stored: Mapping[tuple[int, Condition], Contents],
    conditions: Sequence[Condition],
    layout: Layout,
) -> bool:
    """Whether a piece is still to be evaluated."""
    blocks = range(layout.n_blocks)
    return any((block, condition) not in stored for condition in conditions for block in blocks)


def difference_from(
    source: Source, run: Run, stored: Mapping[tuple[int, Condition], Contents]
) -> str | None:
    """Where the data at hand are known to be other files than those that a run read."""
    from robustbench_gnl.data import first_difference

    found = first_difference(source, layout_of(source, run.block_size), stored)
    return None if found is None else f"{found[1]}, block {found[0]}"


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
        sizes = {candidate.block_size for candidate in self.candidates}
        if len(sizes) > 1:
            raise UsageError(
                "the stored runs of these models were cut into blocks of different sizes "
                f"({', '.join(map(str, sorted(sizes)))}); evaluate them one by one"
            )
        return layout_of(self.source, sizes.pop(), self.batch_size)

    @property
    def batch_size(self) -> int:
        """As it was asked for, else what suits the device."""
        from robustbench_gnl.evaluation import default_batch_size

        return self.settings.batch_size or default_batch_size(self.candidates[0].network.device)

    def judged(
        self, on_piece: Callable[[Candidate, Piece], None] = lambda *_: None
    ) -> list[Judged]:
        """The networks as the evaluation takes them; `on_piece` is told whose piece it is."""
        from robustbench_gnl.evaluation import Judged

        return [
            Judged(each.network, each.image_set, partial(on_piece, each), each.stored)
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
        executor = start_workers(n_workers, engine=source.engine)
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
    note = source.labels(n_classes).note
    if note is not None:
        say(f"Note: {note}")
    protocol = source.protocol(
        image_set, input_size=settings.input_size, precision=settings.precision
    )
    model = Model(
        name=loaded.name,
        checkpoint_sha256=loaded.checkpoint_sha256,
        weights=loaded.weights,
        n_params=loaded.n_params,
        n_classes=n_classes,
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
