"""Finding runs by id, tag, model name, or by model and protocol."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from robustbench_gnl.errors import StoreError, UsageError, did_you_mean
from robustbench_gnl.records import Model, Protocol
from robustbench_gnl.store import schema
from robustbench_gnl.store.checks import RUN_ID
from robustbench_gnl.text import some_of

_runs, _tags = schema.runs, schema.tags


def newest_first(
    query: Select[Any], *where: ColumnElement[bool], limit: int | None = None
) -> Select[Any]:
    """The newest run first: the one begun last by `created_at`, of the same second the one that
    came into the store last. `writing.next_created_at` keeps a clock set back from making a new
    run older than those before it; an imported run keeps its own time."""
    return query.where(*where).order_by(_runs.c.created_at.desc(), _runs.c.key.desc()).limit(limit)


def find_run_ids(connection: Connection, model: Model, protocol: Protocol) -> list[str]:
    """The runs of this model under this protocol, the newest first."""
    query = newest_first(
        select(_runs.c.id),
        _runs.c.model_fingerprint == model.fingerprint,
        _runs.c.protocol == protocol.fingerprint,
    )
    return [*connection.execute(query).scalars()]


def newest_created_at(connection: Connection) -> str | None:
    """When the newest run was begun; None in an empty store."""
    found = connection.execute(newest_first(select(_runs.c.created_at), limit=1)).scalar()
    return found if isinstance(found, str) else None


def run_key(connection: Connection, run_id: str, *, lock: bool = False) -> int:
    """The key, in other tables, of a run whose id was found in this store.

    Args:
        lock: Make other writers of the run wait.

    Raises:
        StoreError: The run has been deleted.
        UsageError: The text is not a run id.
    """
    query = select(_runs.c.key).where(_runs.c.id == run_id)
    key: int | None = connection.execute(query.with_for_update() if lock else query).scalar()
    if key is None:
        raise missing_run(connection, run_id)
    return key


def named_run_ids(connection: Connection, selector: str) -> list[str]:
    """The runs that a selector names, the newest first: by an id, the start of one, a tag or
    a model's name. A command takes the newest run of a tag or a model.

    Raises:
        UsageError: None, or the start of more than one id.
    """
    try:
        selector.encode()
    except UnicodeEncodeError:
        raise UsageError(f"no run {selector!r}: expected Unicode text", selector=selector) from None
    found = connection.execute(newest_first(select(_runs.c.id))).scalars()
    ids = [id for id in found if isinstance(id, str)]
    if selector in ids:
        return [selector]
    begun = [id for id in ids if selector and id.startswith(selector)]
    if len(begun) == 1:
        return begun
    of_the_model = (_runs.c.model_name == selector) & _runs.c.finished_at.is_not(None)
    named = tagged_run_ids(connection, selector) or [
        *connection.execute(newest_first(select(_runs.c.id), of_the_model)).scalars()
    ]
    if named:
        return named
    if begun:
        raise UsageError(
            f"{selector!r} is the start of {len(begun)} run ids: {some_of(begun, 5)}; "
            "expected enough letters to tell them apart",
            selector=selector,
            ids=tuple(begun),
        )
    raise _unknown_run(connection, selector)


def id_that_begins(connection: Connection, word: str) -> str | None:
    """The newest run whose id begins with a word; None where none does, or the word is empty."""
    found = connection.execute(newest_first(select(_runs.c.id))).scalars()
    begun = (id for id in found if isinstance(id, str) and word and id.startswith(word))
    return next(begun, None)


def tagged_run_ids(connection: Connection, tag: str) -> list[str]:
    """The runs that have a tag, the newest first."""
    tagged = select(_tags.c.run).where(_tags.c.tag == tag)
    return [
        *connection.execute(newest_first(select(_runs.c.id), _runs.c.key.in_(tagged))).scalars()
    ]


def missing_run(connection: Connection, run_id: str) -> StoreError | UsageError:
    """The error for an id that names no run. A whole id was found in this store before, so that
    no word of a user is to blame."""
    if not RUN_ID.fullmatch(run_id):
        return _unknown_run(connection, run_id)
    return StoreError(
        f"run {run_id} is not in the store: if it was there a moment ago, another process has "
        "deleted it; `gnlbench runs list` shows what is there",
        run_id=run_id,
        reason="deleted",
    )


def _unknown_run(connection: Connection, selector: str) -> UsageError:
    """The error for an unknown run, with similar names."""
    unfinished = connection.execute(
        newest_first(select(_runs.c.id), _runs.c.model_name == selector, limit=1)
    ).scalar()
    if unfinished is not None:
        return UsageError(
            f"no run of the model {selector!r} is finished; name one by its id, "
            f"such as {unfinished}",
            selector=selector,
        )
    known = [
        *connection.execute(select(_runs.c.id)).scalars(),
        *connection.execute(select(_tags.c.tag).distinct()).scalars(),
        *connection.execute(select(_runs.c.model_name).distinct()).scalars(),
    ]
    near = did_you_mean(selector, [name for name in known if isinstance(name, str)])
    hint = near or "; `gnlbench runs list` shows what is there" if known else "; the store is empty"
    return UsageError(
        f"no run {selector!r}: expected a run id, the start of one, a tag or a model name{hint}",
        selector=selector,
    )
