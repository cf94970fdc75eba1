"""The store: every question and every change, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, text

from robustbench_gnl.contents import Contents
from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import (
    CLOCK_WHEN_BEGUN,
    Condition,
    ImageSet,
    Model,
    Piece,
    Protocol,
    Run,
)
from robustbench_gnl.store import cache, changes, queries
from robustbench_gnl.store.bounds import check_environment
from robustbench_gnl.store.checks import check_piece, check_tag
from robustbench_gnl.store.connect import WRITES, write_back
from robustbench_gnl.store.documents import check_stored, from_document, to_document
from robustbench_gnl.store.faults import store_errors
from robustbench_gnl.store.location import Location
from robustbench_gnl.store.locks import lock_path, run_lock
from robustbench_gnl.store.stored import RunHead, StoredRun


class Store:
    """An open store. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        engine: Engine,
        location: Location,
        *,
        writable: bool,
        has_cache: bool = True,
        exists: bool = True,
    ) -> None:
        self._engine = engine
        self._location = location
        self._writable = writable
        self._has_cache = has_cache
        self.exists = exists
        """False: nothing was there to be read, and an empty store stands for it."""
        self._checked_against: dict[str, tuple[Protocol, int]] = {}
        self._locked: set[str] = set()
        """Runs that this store has the lock on."""
        self._moment: Connection | None = None

    @property
    def name(self) -> str:
        """What messages call it; without a password."""
        return self._location.name

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; the main file of SQLite then holds everything, unless another
        process is in the way."""
        if self._writable and self._location.path is not None:
            write_back(self._engine)
        self._engine.dispose()

    # Reading

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Every reading inside sees the store as the first one did, whatever is written, deleted
        or tagged meanwhile."""
        if self._moment is not None:
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
            self._moment = connection
            try:
                yield
            finally:
                self._moment = None

    def runs(self, *, limit: int | None = None) -> list[Run]:
        """The runs, newest first, with their complete cells."""
        with self._reading() as connection:
            return queries.load_runs(connection, limit=limit)

    def run(self, run_id: str, *, with_pieces: bool = False) -> Run:
        """The run of an id that was found in this store.

        Args:
            with_pieces: Load its pieces and its image set too, for the frames per image.

        Raises:
            StoreError: It is not there any more.
            UsageError: It is no id.
        """
        with self._reading() as connection:
            run = queries.load_run(connection, run_id)
            if not with_pieces:
                return run
            pieces = tuple(queries.load_pieces(connection, run_id))
            image_set = queries.load_image_set(connection, run.protocol.image_set)
        return replace(run, pieces=pieces, image_set=image_set)

    def resolve(self, selector: str) -> Run:
        """The run that a person means: its id, the unambiguous start of one, a tag (the newest
        run that has it), or a model's name (its newest finished run).

        Raises:
            UsageError: None, or more than one.
        """
        with self._reading() as connection:
            return queries.load_run(connection, queries.named_run_ids(connection, selector)[0])

    def resolve_id(self, selector: str) -> str:
        """The id of the run that a person means, also of one that cannot be read.

        Raises:
            UsageError: None, or more than one.
        """
        return self.named(selector)[0]

    def named(self, selector: str) -> list[str]:
        """The ids of all runs that a word names, the one that `resolve` takes first.

        Raises:
            UsageError: None, or the start of more than one id.
        """
        with self._reading() as connection:
            return queries.named_run_ids(connection, selector)

    def tagged(self, tag: str) -> list[str]:
        """The ids of the runs that have a tag, the newest first."""
        with self._reading() as connection:
            return queries.tagged_run_ids(connection, tag)

    def begins_id(self, word: str) -> str | None:
        """A run whose id begins with a word, which then goes before a tag; None if none does."""
        with self._reading() as connection:
            return queries.id_that_begins(connection, word)

    def run_ids_of(self, model: Model, protocol: Protocol) -> list[str]:
        """The ids of the runs of this model under this protocol, the newest first."""
        with self._reading() as connection:
            return queries.find_run_ids(connection, model, protocol)

    def stored_pieces(self, run_id: str) -> dict[tuple[int, Condition], Contents]:
        """What each (block, condition) that is stored was read from: a resumed run skips these."""
        with self._reading() as connection:
            return queries.load_contents(connection, run_id)

    def pieces(self, run_id: str, condition: Condition | None = None) -> Iterator[Piece]:
        """The run's pieces by condition and block."""
        with self._reading() as connection:
            pieces = queries.load_pieces(connection, run_id, condition)
        return self._told(pieces)

    def image_set(self, fingerprint: str) -> ImageSet:
        """The images behind a fingerprint."""
        with self._reading() as connection:
            return queries.load_image_set(connection, fingerprint)

    def export_run(self, run_id: str) -> dict[str, Any]:
        """Everything about a run as values that JSON can hold; `import_run` takes it."""
        return to_document(self.stored_run(run_id))

    def replicates(self, run: Run, *, draws: str, seed: int, n_resamples: int) -> bytes | None:
        """Replicates kept of exactly the run's cells; None where they are to be computed."""
        if not self._has_cache:
            return None
        with self._reading() as connection:
            return cache.load_replicates(
                connection, run, draws=draws, seed=seed, n_resamples=n_resamples
            )

    def stored_run(self, run_id: str) -> StoredRun:
        """Everything about one run: its images and pieces too."""
        with self._reading() as connection:
            return queries.load_stored(connection, run_id)

    # Writing

    def create_run(
        self,
        model: Model,
        protocol: Protocol,
        image_set: ImageSet,
        *,
        block_size: int,
        tags: Iterable[str] = (),
        environment: Mapping[str, Any] | None = None,
        skipped: Mapping[str, str] | None = None,
    ) -> str:
        """Begin a run without pieces, and return its id."""
        with self._writing() as connection:
            head = _new_head(connection, block_size, tags, environment, skipped)
            changes.insert_run(connection, _checked(head, model, protocol, image_set))
        return head.id

    @contextmanager
    def begin_run(
        self,
        model: Model,
        protocol: Protocol,
        image_set: ImageSet,
        *,
        known: Collection[str] | None,
        block_size: int,
        tags: Iterable[str] = (),
        environment: Mapping[str, Any] | None = None,
        skipped: Mapping[str, str] | None = None,
    ) -> Iterator[str]:
        """Begin a run without pieces, and hold its lock from before others can see it.

        Of processes that begin the same evaluation at once, one does; the others are refused.

        Args:
            known: The runs of this model under this protocol that the caller has seen and does
                not go on with; None: whatever there is, this is to be another run.

        Raises:
            StoreError: Another process has begun such a run meanwhile.
        """
        with ExitStack() as locks:
            with self._writing() as connection:
                if known is not None:
                    self._check_none_begun(connection, model, protocol, known)
                head = _new_head(connection, block_size, tags, environment, skipped)
                changes.insert_run(connection, _checked(head, model, protocol, image_set))
                locks.enter_context(self._lock(head.id))
            yield head.id

    def _check_none_begun(
        self, connection: Connection, model: Model, protocol: Protocol, known: Collection[str]
    ) -> None:
        if connection.dialect.name == "postgresql":  # SQLite lets one transaction write at a time.
            key = {"key": f"gnlbench {model.fingerprint} {protocol.fingerprint}"}
            lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
            connection.execute(lock, key)
        begun = [id for id in queries.find_run_ids(connection, model, protocol) if id not in known]
        if begun:
            with self._lock(begun[0]):  # Refused while the other process works on it.
                raise StoreError(
                    f"run {begun[0]} of the same model under the same protocol was begun by "
                    "another process at the same time; run the same command again, which goes "
                    "on from it",
                    run_id=begun[0],
                    reason="busy",
                )

    def add_tags(self, run_id: str, tags: Iterable[str]) -> None:
        """Add tags to a run; those it has already stay.

        Raises:
            StoreError: One of them looks like a run id, or is not what a database can hold.
        """
        self.change_tags(run_id, add=tags)

    def change_tags(
        self, run_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Remove tags from a run and add others, at once; those that it lacks are no matter.

        Raises:
            StoreError: One to be added looks like a run id, or is not what a database can hold.
        """
        added = tuple(add)
        for tag in added:
            check_tag(tag)
        with self._writing() as connection:
            changes.delete_tags(connection, run_id, remove)
            changes.insert_tags(connection, run_id, added)

    def add_piece(self, run_id: str, piece: Piece) -> None:
        """Commit one piece.

        Raises:
            StoreError: It is stored already, or its numbers contradict each other.
        """
        if run_id not in self._checked_against:
            run = self.run(run_id)
            self._checked_against[run_id] = (run.protocol, run.block_size)
        check_piece(piece, *self._checked_against[run_id])
        with self._writing() as connection:
            changes.insert_piece(connection, run_id, piece)

    def note_resumed(self, run_id: str, environment: Mapping[str, Any]) -> None:
        """Note the environment in which a run goes on, beside that in which it began."""
        check_environment(environment)
        with self._writing() as connection:
            changes.append_environment(connection, run_id, environment)

    def finish_run(self, run_id: str) -> None:
        """Note that everything that was asked of the run is done."""
        with self._writing() as connection:
            changes.set_finished(connection, run_id)

    def keep_replicates(
        self, computed: Iterable[tuple[Run, bytes]], *, draws: str, seed: int, n_resamples: int
    ) -> None:
        """Keep replicates of runs, in place of those of other cells that these runs had."""
        with self._writing() as connection:
            for run, counts in computed:
                cache.replace_replicates(
                    connection, run, counts, draws=draws, seed=seed, n_resamples=n_resamples
                )

    def delete_run(self, run_id: str) -> None:
        """Remove a run and its pieces.

        Raises:
            StoreError: A process is writing it, unless it is this one, which holds its lock.
        """
        with nullcontext() if run_id in self._locked else self.lock_run(run_id):
            with self._writing() as connection:
                changes.remove_run(connection, run_id)
            if self._location.path is not None:
                lock_path(self._location.path, run_id).unlink(missing_ok=True)

    @contextmanager
    def lock_run(self, run_id: str) -> Iterator[None]:
        """Keep other processes from writing the run. The lock dies with this process.

        Raises:
            StoreError: Another process has it, or has deleted the run.
        """
        self._check_writable()
        self._check_there(run_id)
        with self._lock(run_id):
            self._check_there(run_id)  # It may have been deleted until the lock was ours.
            yield

    def _check_there(self, run_id: str) -> None:
        with self._reading() as connection:
            queries.run_key(connection, run_id)

    @contextmanager
    def _lock(self, run_id: str) -> Iterator[None]:
        # What goes wrong while the lock is held is not the store's: only its ends are told as such.
        lock = ExitStack()
        with store_errors(self._location.name):
            lock.enter_context(run_lock(self._engine, self._location, run_id))
        self._locked.add(run_id)
        try:
            yield
        finally:
            self._locked.discard(run_id)
            with store_errors(self._location.name):
                lock.close()

    # Between stores

    def import_run(self, document: Mapping[str, Any]) -> str:
        """Add an exported run, and return its id; nothing changes when it is there already.

        Raises:
            StoreError: The document is damaged, or another run has its id.
        """
        stored = from_document(document)
        self.import_stored([stored])
        return stored.head.id

    def import_stored(self, runs: Iterable[StoredRun]) -> list[str]:
        """Add runs, all or none, and return the ids of those that were not there."""
        with self._writing() as connection:
            added = []
            for given in runs:
                # The way through a document tests every value, also of what another store held.
                stored = from_document(to_document(given))
                if changes.insert_unless_there(connection, stored):
                    added.append(stored.head.id)
        return added

    def stored_runs(self) -> Iterator[StoredRun]:
        """Everything in the store, oldest run first."""
        ids = [run.id for run in reversed(self.runs())]
        for run_id in ids:
            yield self.stored_run(run_id)

    def merge(self, other: Store) -> list[str]:
        """Add the runs of another store, all or none; returns the ids of those added."""
        return self.import_stored(other.stored_runs())

    def _told(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        with store_errors(self._location.name):
            yield from pieces

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._moment is not None:
            with store_errors(self._location.name):
                yield self._moment
            return
        with store_errors(self._location.name), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._check_writable()
        with (
            store_errors(self._location.name),
            self._engine.connect().execution_options(**{WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def _check_writable(self) -> None:
        if not self._writable:
            raise StoreError(
                f"the store {self._location.name} was opened for reading; "
                "expected `open_store(..., write=True)`",
                location=self._location.name,
            )


def _new_head(
    connection: Connection,
    block_size: int,
    tags: Iterable[str],
    environment: Mapping[str, Any] | None,
    skipped: Mapping[str, str] | None,
) -> RunHead:
    clock, created_at = changes.now(), changes.next_created_at(connection)
    here = dict(environment or {})
    if clock < created_at:  # It was set back, or that of another host was ahead.
        here[CLOCK_WHEN_BEGUN] = clock
    return RunHead(
        id=changes.new_run_id(connection, created_at),
        block_size=block_size,
        created_at=created_at,
        finished_at=None,
        tags=tuple(tags),
        environment=here,
        skipped=dict(skipped or {}),
    )


def _checked(head: RunHead, model: Model, protocol: Protocol, image_set: ImageSet) -> StoredRun:
    stored = StoredRun(head, model, protocol, image_set, pieces=())
    check_stored(stored)
    return stored
