"""One model of an evaluation, and its stored run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from robustbench_gnl.contents import Contents
from robustbench_gnl.data import Layout, Source, first_difference
from robustbench_gnl.errors import DataError, StoreError, UsageError, option
from robustbench_gnl.evaluation.device import check_precision, resolve_device
from robustbench_gnl.evaluation.network import Network
from robustbench_gnl.evaluation.observer import Observer
from robustbench_gnl.evaluation.settings import Settings
from robustbench_gnl.metrics import cells_of
from robustbench_gnl.modules import LoadedModel, has_initial_weights
from robustbench_gnl.records import BLOCK_SIZE, Condition, ImageSet, Model, Piece, Protocol, Run
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.store import Store

StoredPieces = Mapping[tuple[int, Condition], Contents]
"""Block and condition of the stored pieces, and the files that they were read from."""


@dataclass(eq=False)
class EvaluatedModel:
    """One model of an evaluation, and its stored run."""

    network: Network
    model: Model
    image_set: ImageSet
    protocol: Protocol
    run_id: str | None = None
    """None until a run is resumed or begun."""
    block_size: int = BLOCK_SIZE
    stored: StoredPieces = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    is_finished: bool = False
    known_run_ids: tuple[str, ...] | None = None
    """The runs of this model under this protocol that were stored when the session began; None
    until they were looked for."""

    def needs(self, block: int, condition: Condition) -> bool:
        """Whether a piece is still to be evaluated."""
        return (block, condition) not in self.stored

    def forget_stored_run(self, block_size: int) -> None:
        """Restore the state before a stored run was looked for."""
        self.run_id, self.known_run_ids, self.block_size = None, None, block_size
        self.stored, self.tags, self.is_finished = {}, (), False

    def find_stored_run(
        self,
        store: Store,
        source: Source,
        conditions: Sequence[Condition],
        observer: Observer,
        *,
        rerun: bool,
    ) -> None:
        """Choose the newest run of this model under this protocol that read the same files, to
        resume it; none for a rerun. Done once: a second call changes nothing.

        A run of other files of the same names that has all the conditions stays as it is, and a
        new one is begun.

        Raises:
            DataError: A run of other files would have to be resumed with these.
        """
        if self.known_run_ids is not None:
            return
        # Listed before any is read: a run that appears later is that of another process.
        self.known_run_ids = tuple(store.run_ids_of(self.model, self.protocol))
        incomplete: list[tuple[Run, str]] = []
        # Newest first, as the store lists them.
        for run_id in () if rerun else self.known_run_ids:
            run, stored = store.run(run_id), store.stored_pieces(run_id)
            difference = difference_from(source, run, stored)
            if difference is None:
                self.run_id, self.block_size, self.tags = run.id, run.block_size, run.tags
                self.is_finished = run.finished_at is not None
                self.stored = stored
                return
            if not stored.keys() >= set(pieces_of(source, run.block_size, conditions)):
                incomplete.append((run, difference))
            else:
                observer.note(
                    f"run {run.id} of this model and protocol read other files of the same "
                    f"names (the first difference found: {difference}), so it is not used for "
                    "these"
                )
        if incomplete:
            run, difference = incomplete[0]
            raise DataError(
                f"the images of {source.root} changed since this run began, or are others of the "
                f"same names (run {run.id}, the first difference found: {difference}); put them "
                f"back, or start again with {option('rerun')}",
                path=source.root,
            )

    @contextmanager
    def locked_run(
        self,
        store: Store,
        settings: Settings,
        skipped: Mapping[str, str],
        environment: Mapping[str, Any],
        observer: Observer,
    ) -> Iterator[None]:
        """Resume the run that was found, or begin one, and hold the lock on it meanwhile.

        A new run that fails before its first piece has no results, and is deleted.

        Args:
            skipped: Image key and the reason it is left out.

        Raises:
            StoreError: Another process writes the run, or has begun the same one.
        """
        if self.run_id is not None:
            with store.lock_run(self.run_id):
                # Another process may have worked on it until the lock was ours.
                self.stored = store.stored_pieces(self.run_id)
                store.note_resumed(self.run_id, environment)
                stored = counted(len(self.stored), "piece is", "pieces are")
                observer.info(f"Resuming run {self.run_id}: {stored} stored")
                yield
            return
        with store.begin_run(
            self.model,
            self.protocol,
            self.image_set,
            known=None if settings.rerun else self.known_run_ids,
            block_size=self.block_size,
            tags=settings.tags,
            environment=environment,
            skipped=skipped,
        ) as self.run_id:
            try:
                yield
            except Exception:
                # Deleted while its lock keeps others from resuming it. The first error is the
                # one to report, even if the run is gone.
                with suppress(StoreError):
                    if not store.stored_pieces(self.run_id):
                        store.delete_run(self.run_id)
                raise

    def unstored_run(
        self,
        pieces: Sequence[Piece],
        created_at: str,
        skipped: Mapping[str, str],
        environment: Mapping[str, Any],
    ) -> Run:
        """The run that was evaluated without a store, finished now."""
        return Run(
            id="",
            model=self.model,
            protocol=self.protocol,
            block_size=self.block_size,
            created_at=created_at,
            finished_at=now(),
            cells=cells_of(pieces, self.image_set.n_images),
            environment=environment,
            skipped=skipped,
            seconds=sum(piece.seconds for piece in pieces),
            pieces=tuple(pieces),
            image_set=self.image_set,
        )


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def prepare_model(
    loaded: LoadedModel, source: Source, settings: Settings, observer: Observer
) -> Iterator[EvaluatedModel]:
    """The model on its device, tried on a blank image, with the labels that its outputs have.
    At the end its training modes are put back.

    Raises:
        UsageError: The device or the precision is not there, the model does not take the size of
            the images, or its weights are those that it was created with.
        ModelError: The model fails, or its outputs do not fit the classes of the source.
    """
    device, input_size = resolve_device(settings.device), settings.input_size_for(source.suite)
    precision = check_precision(settings.precision)
    if has_initial_weights(loaded.module):
        raise UsageError(
            f"{loaded.name} still has the random weights that it was created with; "
            "random weights are never evaluated. Load trained weights into it first"
        )
    with Network(
        loaded.module, mean=loaded.mean, std=loaded.std, device=device, precision=precision
    ) as network:
        n_classes = network.check(input_size, preferred_size=loaded.input_size[-1])
        image_set = source.image_set(n_classes)
        if (order := source.labels(n_classes).note) is not None:
            observer.note(order)
        model = Model(
            name=loaded.name,
            checkpoint_sha256=loaded.checkpoint_sha256,
            weights=loaded.weights,
            n_params=loaded.n_params,
            n_classes=n_classes,
            mean=loaded.mean,
            std=loaded.std,
        )
        observer.info(
            f"Model: {model.name}, {model.n_params:,} parameters, weights {model.weights} "
            f"(sha256 {model.checkpoint_sha256[:12]}), mean {_numbers(model.mean)}, "
            f"std {_numbers(model.std)} ({loaded.mean_source})"
        )
        protocol = source.protocol(image_set, input_size=input_size, precision=precision)
        yield EvaluatedModel(network, model, image_set, protocol, block_size=settings.block_size)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def layout_of(source: Source, block_size: int, batch_size: int = 1) -> Layout:
    """How the images of a source are cut into blocks and batches."""
    return Layout(source.n_images, block_size, batch_size)


def pieces_of(
    source: Source, block_size: int, conditions: Sequence[Condition]
) -> list[tuple[int, Condition]]:
    """Block and condition of every piece of a complete run."""
    n_blocks = layout_of(source, block_size).n_blocks
    return [(block, condition) for block in range(n_blocks) for condition in conditions]


def difference_from(source: Source, run: Run, stored: StoredPieces) -> str | None:
    """The first difference between the files of the source and those that a run read; None if there
    is none."""
    found = first_difference(source, layout_of(source, run.block_size), stored)
    return None if found is None else f"{found[1]}, block {found[0]}"
