"""Carries out a plan: what is not stored yet is evaluated, and every piece is stored at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import say
from robustbench_gnl.cli._plan import Candidate, Plan, lacks
from robustbench_gnl.cli._progress import EvaluationProgress
from robustbench_gnl.cli._tags import say_what_tags_mean
from robustbench_gnl.errors import DataError, GnlbenchError, StoreError
from robustbench_gnl.metrics import is_near_chance
from robustbench_gnl.records import Model, Piece, Run

if TYPE_CHECKING:
    from robustbench_gnl.store import Store


def evaluate_plan(plan: Plan, store: Store, command: str) -> list[Run]:
    """Evaluate what is not stored yet, storing every piece at once; the runs in order."""
    from robustbench_gnl.data import BadImageError, check_trees

    for candidate in plan.candidates:
        candidate.find_stored(store, plan.source, plan.conditions, rerun=plan.settings.rerun)
    todo = [each for each in plan.candidates if lacks(each.stored, plan.conditions, plan.layout)]
    if todo:
        check_trees(plan.source, plan.conditions)
        try:
            _evaluate(todo, plan, store, command)
        except BadImageError as error:
            raise DataError(
                f"{error}, or leave such images out of every cell with --skip-bad-images",
                path=error.path,
            ) from error
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
    say_what_tags_mean(plan.settings.tags, {run.id for run in runs}, store)
    return runs


def _evaluate(todo: Sequence[Candidate], plan: Plan, store: Store, command: str) -> None:
    from robustbench_gnl.evaluation import evaluate_pieces

    with ExitStack() as locks:
        for candidate in todo:
            _begin_or_resume(candidate, plan, store, command, locks)
        with EvaluationProgress(plan.n_images_left(), label="starting") as progress:
            evaluate_pieces(
                plan.judged(partial(_store_piece, store)),
                plan.source,
                plan.conditions,
                plan.layout,
                plan.executor,
                n_workers=plan.n_workers,
                input_size=plan.settings.input_size,
                on_batch=progress.advance,
            )


def _begin_or_resume(
    candidate: Candidate, plan: Plan, store: Store, command: str, locks: ExitStack
) -> None:
    """Have a run to write, and the lock on it."""
    from robustbench_gnl.evaluation import environment

    here = environment(candidate.network.device, command)
    if candidate.run_id is None:
        candidate.run_id = locks.enter_context(
            store.begin_run(
                candidate.model,
                candidate.protocol,
                candidate.image_set,
                known=None if plan.settings.rerun else candidate.known,
                block_size=candidate.block_size,
                tags=plan.settings.tags,
                environment=here,
                skipped=plan.source.skipped,
            )
        )
        locks.enter_context(_forgotten_if_empty(candidate.run_id, store))
        return
    locks.enter_context(store.lock_run(candidate.run_id))
    # Another process may have worked on it until the lock was ours.
    candidate.stored = store.stored_pieces(candidate.run_id)
    store.note_resumed(candidate.run_id, here)
    say(f"Resuming run {candidate.run_id}: {len(candidate.stored)} pieces are stored")


@contextmanager
def _forgotten_if_empty(run_id: str, store: Store) -> Iterator[None]:
    """A run that failed before its first piece says nothing: leave no trace of it, while its lock
    keeps others from going on with it."""
    try:
        yield
    except GnlbenchError:
        # What failed is the news, be it that the run is gone.
        with suppress(StoreError):
            if not store.stored_pieces(run_id):
                store.delete_run(run_id)
        raise


def _store_piece(store: Store, candidate: Candidate, piece: Piece) -> None:
    """Commit a piece at once, and look at the first clean one."""
    assert candidate.run_id is not None
    store.add_piece(candidate.run_id, piece)
    if piece.condition.is_clean and piece.block == 0:
        warn_near_chance(piece, candidate.model)


def warn_near_chance(piece: Piece, model: Model) -> None:
    """A network that guesses on clean images is nearly always a mistake of the set-up."""
    if is_near_chance(piece.n_top1, piece.n_images, model.n_classes):
        accuracy, chance = piece.n_top1 / piece.n_images, 1 / model.n_classes
        say(
            f"Warning: {model.name} is right on {accuracy:.1%} of the first clean images, "
            f"near chance ({chance:.1%}). The usual causes: another order of classes, "
            "another normalisation (--mean, --std), or the wrong checkpoint"
        )
