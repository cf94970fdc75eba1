"""The class `Session`: one evaluation of models on a source, resumable with a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from robustbench_gnl.data import (
    BadImageError,
    Source,
    check_trees,
    default_workers,
    find_bad_images,
    start_workers,
)
from robustbench_gnl.errors import DataError, UsageError, option
from robustbench_gnl.evaluation import arguments
from robustbench_gnl.evaluation.observer import Observer, worded
from robustbench_gnl.evaluation.settings import Settings
from robustbench_gnl.metrics.chance import near_chance_warning
from robustbench_gnl.records import Condition, Piece, Run

if TYPE_CHECKING:
    import torch

    from robustbench_gnl.data import Layout
    from robustbench_gnl.evaluation.model import EvaluatedModel, StoredPieces
    from robustbench_gnl.modules import LoadedModel
    from robustbench_gnl.store import Store

N_BAD_IMAGES_NAMED = 10


class Session:
    """One evaluation: models x source x conditions x settings, with an optional store.

        with Session(models, source, conditions, settings, store="results.sqlite") as session:
            runs = session.evaluate()

    With a store, every piece is committed at once; a run that is stored is resumed, or returned
    if it is complete. Several models share the images, which are made once.
    """

    def __init__(
        self,
        models: Iterable[LoadedModel],
        source: Source,
        conditions: Iterable[Condition | str] | Condition | str | None = None,
        settings: Settings | None = None,
        *,
        store: Store | str | Path | None = None,
        observer: Observer | None = None,
        command: str | None = None,
    ) -> None:
        """Nothing is loaded or started before the `with` statement.

        Args:
            models: Iterated over once, after the workers were started: a generator may load torch
                and the models meanwhile.
            conditions: What to evaluate, as `Condition`s or by name; None: clean, and those that
                the means of the suite are over, as far as the source has them.
            store: An open store, the path or URL of one, or None.
            observer: Receives messages and progress; by default notes and warnings become Python
                warnings.
            command: Stored in the run's environment; by default the arguments of the process.

        Raises:
            UsageError: A condition is unknown, given twice or not in the source, or the store is
                neither a store nor a path or URL.
        """
        self.source = source
        self.conditions = arguments.checked_conditions(conditions, source)
        self.settings = settings or Settings()
        self.input_size = self.settings.input_size_for(source.suite)
        self.n_workers = (
            default_workers() if self.settings.n_workers is None else self.settings.n_workers
        )
        self.models: list[EvaluatedModel] = []
        """Each model once, ready to be evaluated; filled by the `with` statement."""
        self._unloaded = models
        self._store = arguments.checked_store(store)
        self._observer = worded(observer or Observer())
        self._command = command
        self._opened = ExitStack()

    def __enter__(self) -> Session:
        """Start the workers, look for bad images if asked to, and prepare the models.

        Raises:
            StoreError: The store cannot be read.
            DataError: No image can be used, or an image has a class that the suite does not have.
            UsageError: There is no model, the device or precision is not there, or weights are
                random.
            ModelError: A model fails, or does not fit the classes of the source.
        """
        if isinstance(self._store, str):
            with self._open_store(write=False):
                pass  # a store that cannot be read is reported before torch is loaded
        with ExitStack() as stack:
            self.executor = start_workers(self.n_workers, engine=self.source.engine)
            # At an error or Ctrl-C nobody waits for images that nobody will use.
            stack.callback(self.executor.shutdown, wait=True, cancel_futures=True)
            if self.n_workers:
                self.executor.submit(int)  # starts the processes, which load while torch does
            if self.settings.skip_bad_images:
                self.source = self._without_bad_images()
            loaded = list(self._unloaded)
            if not loaded:
                raise UsageError("expected at least one model to evaluate, got none")
            from robustbench_gnl.evaluation.model import prepare_model

            self.models = self._each_once(
                [
                    stack.enter_context(
                        prepare_model(each, self.source, self.settings, self._observer)
                    )
                    for each in loaded
                ]
            )
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    # Planning

    @property
    def layout(self) -> Layout:
        """One layout for all models that are to be evaluated, since they share the images.

        Raises:
            UsageError: Their stored runs have blocks of different sizes.
        """
        from robustbench_gnl.evaluation.model import layout_of

        models = self._unfinished() or self.models[:1]
        sizes = {each.block_size for each in models}
        if len(sizes) > 1:
            raise UsageError(
                "the stored runs of these models were cut into blocks of different sizes "
                f"({', '.join(map(str, sorted(sizes)))}); evaluate them one by one"
            )
        return layout_of(self.source, sizes.pop(), self.batch_size)

    @property
    def device(self) -> torch.device:
        """Where all the models are."""
        return self.models[0].network.device

    @property
    def batch_size(self) -> int:
        """Images in a forward pass."""
        from robustbench_gnl.evaluation.inference_threads import default_batch_size

        return self.settings.batch_size or default_batch_size(self.device)

    def find_stored_runs(self) -> None:
        """Choose the runs to resume, by reading the store only; without a store there are none.

        Raises:
            DataError: A run would have to be resumed with other images than it began with.
        """
        if self._store is not None:
            with self._open_store(write=False) as store:
                self._find_runs_in(store)

    def difference_from(self, run: Run, stored: StoredPieces) -> str | None:
        """The first difference between the files of the source and those that a run read; None if
        there is none."""
        from robustbench_gnl.evaluation.model import difference_from

        return difference_from(self.source, run, stored)

    def n_images_left(self) -> int:
        """Images that some model still has to see, each counted once per condition."""
        return self._n_images_left(self._unfinished(), self.layout)

    def _n_images_left(self, models: Sequence[EvaluatedModel], layout: Layout) -> int:
        from robustbench_gnl.evaluation.loop import remaining_work

        work = remaining_work(models, self.conditions, layout)
        return sum(len(layout.block(block)) * len(todo) for block, todo in work.items())

    # Evaluating

    def evaluate(
        self, *, on_piece: Callable[[Piece], None] | None = None, with_pieces: bool = False
    ) -> list[Run]:
        """Evaluate what is not stored yet; the runs of the models, in their order.

        Args:
            on_piece: Called with each piece that is made, after it was committed.
            with_pieces: Give stored runs with all their pieces and the image set.

        Raises:
            DataError: An image cannot be used, or the images changed since a run began.
            ModelError: Outputs that are not finite logits.
            StoreError: The store cannot be written, or another process writes the same run.
        """
        from robustbench_gnl.evaluation.environment import environment
        from robustbench_gnl.evaluation.model import now

        if not self.models:
            raise UsageError("use the session in a `with` statement, which prepares its models")
        if self._store is None:
            created_at = now()
            # A missing folder is reported before the first image is evaluated.
            check_trees(self.source, self.conditions)
            made: dict[EvaluatedModel, list[Piece]] = {each: [] for each in self.models}
            self._make_pieces(
                self.models,
                self.layout,
                lambda model, piece: made[model].append(piece),
                on_piece,
            )
            here = environment(self.device, self._command)
            return [
                each.unstored_run(made[each], created_at, self.source.skipped, here)
                for each in self.models
            ]
        with self._open_store(write=True) as store, self._forgetting_runs():
            self._find_runs_in(store)
            unfinished = self._unfinished()
            if unfinished:
                # Before a run is begun, which this may refuse; and before the locks, since another
                # process may finish one of the runs until they are held.
                layout = self.layout
                check_trees(self.source, self.conditions)
                self._evaluate_into(store, unfinished, layout, on_piece)
            else:
                self._observer.info(
                    "Everything that was asked for is stored already; "
                    f"{option('rerun')} evaluates it again"
                )
            run_ids = []
            for each in self.models:
                assert each.run_id is not None  # found, or begun
                run_ids.append(each.run_id)
                if set(self.settings.tags) - set(each.tags):
                    store.add_tags(each.run_id, self.settings.tags)
                if each in unfinished or not each.is_finished:
                    store.finish_run(each.run_id)
            return [store.run(run_id, with_pieces=with_pieces) for run_id in run_ids]

    def _evaluate_into(
        self,
        store: Store,
        unfinished: Sequence[EvaluatedModel],
        layout: Layout,
        on_piece: Callable[[Piece], None] | None,
    ) -> None:
        """Evaluate models into their runs, which are locked meanwhile."""

        def commit(model: EvaluatedModel, piece: Piece) -> None:
            assert model.run_id is not None
            store.add_piece(model.run_id, piece)

        from robustbench_gnl.evaluation.environment import environment

        here = environment(self.device, self._command)
        with ExitStack() as locks:
            for each in unfinished:
                locks.enter_context(
                    each.locked_run(store, self.settings, self.source.skipped, here, self._observer)
                )
            self._make_pieces(unfinished, layout, commit, on_piece)

    def _make_pieces(
        self,
        models: Sequence[EvaluatedModel],
        layout: Layout,
        keep: Callable[[EvaluatedModel, Piece], None],
        on_piece: Callable[[Piece], None] | None,
    ) -> None:
        """Make the pieces that the models need; each is kept at once."""
        from robustbench_gnl.evaluation.loop import evaluate_pieces

        suite = self.source.suite

        def finish(model: EvaluatedModel, piece: Piece) -> None:
            keep(model, piece)
            if piece.condition == suite.chance_condition and piece.block == 0:
                warning = near_chance_warning(
                    model.model.name, suite, piece.n_top1, piece.n_images, model.model.n_classes
                )
                if warning is not None:
                    self._observer.warning(warning)
            if on_piece is not None:
                on_piece(piece)

        try:
            n_images = self._n_images_left(models, layout)
            with self._observer.task(n_images, "starting") as task:
                evaluate_pieces(
                    models,
                    self.source,
                    self.conditions,
                    layout,
                    self.executor,
                    n_workers=self.n_workers,
                    input_size=self.input_size,
                    on_piece=finish,
                    on_batch=task.advance,
                )
        except BadImageError as error:
            raise DataError(
                f"{error.message}, or leave such images out of every cell with "
                f"{option('skip_bad_images')}",
                path=error.path,
            ) from error

    # Preparing

    def _without_bad_images(self) -> Source:
        self._observer.info("Looking for images that cannot be read")
        with self._observer.task(0, "looking") as task:
            bad = find_bad_images(
                self.source,
                self.conditions,
                self.executor,
                ahead=max(1, 2 * self.n_workers),
                on_progress=task.show,
            )
        if not bad:
            return self.source
        for key, reason in list(bad.items())[:N_BAD_IMAGES_NAMED]:
            self._observer.info(f"Left out: {key} ({reason})")
        self._observer.info(
            f"{len(bad)} of {self.source.n_images} images are left out of every condition; the "
            "protocol is partial"
        )
        return self.source.without(bad)

    def _each_once(self, models: Sequence[EvaluatedModel]) -> list[EvaluatedModel]:
        """The same weights under two paths are one run."""
        by_identity = {(each.model.fingerprint, each.protocol.fingerprint): each for each in models}
        if len(by_identity) < len(models):
            self._observer.note(
                "the same model and weights were given twice; they are evaluated once"
            )
        return list(by_identity.values())

    # The store

    @contextmanager
    def _open_store(self, *, write: bool) -> Iterator[Store]:
        """The store that was given, or the one at the place that was given, opened meanwhile."""
        assert self._store is not None
        if not isinstance(self._store, str):
            yield self._store
            return
        from robustbench_gnl.store import open_store

        with open_store(self._store, write=write) as store:
            yield store

    @contextmanager
    def _forgetting_runs(self) -> Iterator[None]:
        """Afterwards the stored runs are unknown again, so that a session can evaluate twice."""
        try:
            yield
        finally:
            for each in self.models:
                each.forget_stored_run(self.settings.block_size)

    def _unfinished(self) -> list[EvaluatedModel]:
        """The models that lack a piece, as far as their stored runs have been looked for."""
        from robustbench_gnl.evaluation.model import pieces_of

        return [
            each
            for each in self.models
            if not each.stored.keys()
            >= set(pieces_of(self.source, each.block_size, self.conditions))
        ]

    def _find_runs_in(self, store: Store) -> None:
        for each in self.models:
            each.find_stored_run(
                store,
                self.source,
                self.conditions,
                self._observer,
                rerun=self.settings.rerun,
            )
