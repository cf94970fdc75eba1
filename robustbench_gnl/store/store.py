"""The class `Store`: changes, locks and imports; each change is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import ImageSet, Model, Piece, Protocol, Run
from robustbench_gnl.store import cache, selection, writing
from robustbench_gnl.store.bounds import check_environment
from robustbench_gnl.store.checks import check_piece, check_tag
from robustbench_gnl.store.database_errors import store_errors
from robustbench_gnl.store.documents import check_stored, from_document, to_document
from robustbench_gnl.store.location import Location
from robustbench_gnl.store.locks import lock_path, run_lock
from robustbench_gnl.store.reader import StoreReader
from robustbench_gnl.store.server import lock_until_commit
from robustbench_gnl.store.sqlite import WRITES, write_back
from robustbench_gnl.store.stored_run import RunHead, StoredRun


class Store(StoreReader):
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
        super().__init__(engine, location, has_cache=has_cache, exists=exists)
        self._writable = writable
        self._checked_against: dict[str, tuple[Protocol, int]] = {}
        """Protocol and block size of the runs that pieces were added to: read once."""
        self._locked: set[str] = set()
        """Runs that this store has the lock on."""

    def close(self) -> None:
        """Let go of the database; the main file of SQLite then holds everything, unless another
        process is in the way."""
        if self._writable and self._location.path is not None:
            write_back(self._engine)
        super().close()

    # Runs and their pieces

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
            head = writing.new_head(connection, block_size, tags, environment, skipped)
            writing.insert_run(connection, _checked(head, model, protocol, image_set))
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
        """Begin a run without pieces, and hold its lock before other processes can see the run.

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
                head = writing.new_head(connection, block_size, tags, environment, skipped)
                writing.insert_run(connection, _checked(head, model, protocol, image_set))
                # Before the commit, so that nobody sees the run without its lock.
                locks.enter_context(self._lock(head.id))
            yield head.id

    def _check_none_begun(
        self, connection: Connection, model: Model, protocol: Protocol, known: Collection[str]
    ) -> None:
        lock_until_commit(connection, f"gnlbench {model.fingerprint} {protocol.fingerprint}")
        begun = [
            id for id in selection.find_run_ids(connection, model, protocol) if id not in known
        ]
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
        """Remove tags from a run and add others, at once; removing a tag that it lacks is no error.

        Raises:
            StoreError: One to be added looks like a run id, or is not what a database can hold.
        """
        added = tuple(add)
        for tag in added:
            check_tag(tag)
        with self._writing() as connection:
            writing.delete_tags(connection, run_id, remove)
            writing.insert_tags(connection, run_id, added)

    def add_piece(self, run_id: str, piece: Piece) -> None:
        """Commit one piece.

        Raises:
            StoreError: It is stored already, or its numbers contradict each other.
        """
        # Read once: a run may get thousands of pieces, and its protocol never changes.
        if run_id not in self._checked_against:
            run = self.run(run_id)
            self._checked_against[run_id] = (run.protocol, run.block_size)
        check_piece(piece, *self._checked_against[run_id])
        with self._writing() as connection:
            writing.insert_piece(connection, run_id, piece)

    def note_resumed(self, run_id: str, environment: Mapping[str, Any]) -> None:
        """Add the environment in which a run is resumed to the one in which it was begun."""
        check_environment(environment)
        with self._writing() as connection:
            writing.append_environment(connection, run_id, environment)

    def finish_run(self, run_id: str) -> None:
        """Mark the run as complete."""
        with self._writing() as connection:
            writing.set_finished(connection, run_id)

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
        # A lock is not held twice: this process may be deleting the run that it writes.
        with nullcontext() if run_id in self._locked else self.lock_run(run_id):
            with self._writing() as connection:
                writing.remove_run(connection, run_id)
            if self._location.path is not None:
                # Safe, unlike for a run that is there: without its run nobody takes this lock.
                lock_path(self._location.path, run_id).unlink(missing_ok=True)

    @contextmanager
    def lock_run(self, run_id: str) -> Iterator[None]:
        """Keep other processes from writing the run. The lock is released when this process ends.

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
            selection.run_key(connection, run_id)

    @contextmanager
    def _lock(self, run_id: str) -> Iterator[None]:
        # Only taking and freeing the lock are the store's: errors in between are the caller's.
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

    def import_stored(self, runs: Iterable[StoredRun]) -> list[str]:
        """Add runs, all or none, and return the ids of those that were not there."""
        with self._writing() as connection:
            added = []
            for given in runs:
                # The way through a document tests every value, also of what another store held.
                stored = from_document(to_document(given))
                if writing.insert_unless_there(connection, stored):
                    added.append(stored.head.id)
        return added

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


def _checked(head: RunHead, model: Model, protocol: Protocol, image_set: ImageSet) -> StoredRun:
    stored = StoredRun(head, model, protocol, image_set, pieces=())
    check_stored(stored)
    return stored
