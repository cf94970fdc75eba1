"""The reading half of a store; each method is one transaction, unless `snapshot` is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from robustbench_gnl.contents import Contents
from robustbench_gnl.records import Condition, ImageSet, Model, Piece, Protocol, Run
from robustbench_gnl.store import cache, reading, selection
from robustbench_gnl.store.database_errors import store_errors
from robustbench_gnl.store.documents import to_document
from robustbench_gnl.store.location import Location
from robustbench_gnl.store.stored_run import StoredRun


class StoreReader:
    """The reading half of a store."""

    def __init__(
        self, engine: Engine, location: Location, *, has_cache: bool = True, exists: bool = True
    ) -> None:
        self._engine = engine
        self._location = location
        self._has_cache = has_cache
        self.exists = exists
        """False if there was nothing to read; the store is then empty."""
        self._snapshot: Connection | None = None
        """The connection of `snapshot`, while it lasts."""

    @property
    def name(self) -> str:
        """The name in messages, without a password."""
        return self._location.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the store as at the first one, even if other processes write in the
        meantime."""
        if self._snapshot is not None:
            yield
            return
        options = {"isolation_level": "REPEATABLE READ"}  # as a transaction of SQLite is anyway
        with (
            store_errors(self._location.name),
            self._engine.connect().execution_options(
                **({} if self._engine.dialect.name == "sqlite" else options)
            ) as connection,
            connection.begin(),
        ):
            self._snapshot = connection
            try:
                yield
            finally:
                self._snapshot = None

    def runs(self, *, limit: int | None = None) -> list[Run]:
        """The runs, newest first, with their complete cells."""
        with self._reading() as connection:
            return reading.load_runs(connection, limit=limit)

    def run(self, run_id: str, *, with_pieces: bool = False) -> Run:
        """The run of an id that was found in this store.

        Args:
            with_pieces: Load its pieces and its image set too, for the frames per image.

        Raises:
            StoreError: The run has been deleted.
            UsageError: The text is not a run id.
        """
        with self._reading() as connection:
            run = reading.load_run(connection, run_id)
            if not with_pieces:
                return run
            pieces = tuple(reading.load_pieces(connection, run_id))
            image_set = reading.load_image_set(connection, run.protocol.image_set)
        return replace(run, pieces=pieces, image_set=image_set)

    def resolve(self, selector: str) -> Run:
        """The run that a selector names: its id, the unambiguous start of one, a tag (the newest
        run that has it), or a model's name (its newest finished run).

        Raises:
            UsageError: None, or more than one.
        """
        with self._reading() as connection:
            return reading.load_run(connection, selection.named_run_ids(connection, selector)[0])

    def resolve_id(self, selector: str) -> str:
        """The id of the run that a selector names, also of one that cannot be read.

        Raises:
            UsageError: None, or more than one.
        """
        return self.named(selector)[0]

    def named(self, selector: str) -> list[str]:
        """The ids of all runs that a selector names, the one that `resolve` takes first.

        Raises:
            UsageError: None, or the start of more than one id.
        """
        with self._reading() as connection:
            return selection.named_run_ids(connection, selector)

    def tagged(self, tag: str) -> list[str]:
        """The ids of the runs that have a tag, the newest first."""
        with self._reading() as connection:
            return selection.tagged_run_ids(connection, tag)

    def begins_id(self, word: str) -> str | None:
        """A run whose id begins with a word, which then goes before a tag; None if none does."""
        with self._reading() as connection:
            return selection.id_that_begins(connection, word)

    def run_ids_of(self, model: Model, protocol: Protocol) -> list[str]:
        """The ids of the runs of this model under this protocol, the newest first."""
        with self._reading() as connection:
            return selection.find_run_ids(connection, model, protocol)

    def stored_pieces(self, run_id: str) -> dict[tuple[int, Condition], Contents]:
        """What each (block, condition) that is stored was read from: a resumed run skips these."""
        with self._reading() as connection:
            return reading.load_contents(connection, run_id)

    def pieces(self, run_id: str, condition: Condition | None = None) -> Iterator[Piece]:
        """The run's pieces by condition and block."""
        with self._reading() as connection:
            pieces = reading.load_pieces(connection, run_id, condition)
        return self._with_store_errors(pieces)

    def image_set(self, fingerprint: str) -> ImageSet:
        """The images behind a fingerprint."""
        with self._reading() as connection:
            return reading.load_image_set(connection, fingerprint)

    def export_run(self, run_id: str) -> dict[str, Any]:
        """Everything about a run as values that JSON can hold; an import takes it."""
        return to_document(self.stored_run(run_id))

    def replicates(self, run: Run, *, draws: str, seed: int, n_resamples: int) -> bytes | None:
        """The stored replicates of exactly the run's cells; None if they must be computed."""
        if not self._has_cache:
            return None
        with self._reading() as connection:
            return cache.load_replicates(
                connection, run, draws=draws, seed=seed, n_resamples=n_resamples
            )

    def stored_run(self, run_id: str) -> StoredRun:
        """Everything about one run: its images and pieces too."""
        with self._reading() as connection:
            return reading.load_stored(connection, run_id)

    def stored_runs(self) -> Iterator[StoredRun]:
        """Everything in the store, oldest run first."""
        ids = [run.id for run in reversed(self.runs())]
        for run_id in ids:
            yield self.stored_run(run_id)

    def _with_store_errors(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        with store_errors(self._location.name):
            yield from pieces

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._snapshot is not None:
            with store_errors(self._location.name):
                yield self._snapshot
            return
        with store_errors(self._location.name), self._engine.begin() as connection:
            yield connection
