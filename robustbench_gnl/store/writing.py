"""Writing records into rows; each function works inside the transaction of its caller."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, Text, delete, func, insert, literal, select, update

from robustbench_gnl.contents import cell_digests
from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLOCK_WHEN_BEGUN, Condition, Piece
from robustbench_gnl.store import schema
from robustbench_gnl.store.checks import check_time
from robustbench_gnl.store.codec import (
    pack_head,
    pack_image_set,
    pack_model,
    pack_piece,
    pack_protocol,
    to_json,
)
from robustbench_gnl.store.database_errors import decoding_run
from robustbench_gnl.store.reading import load_stored
from robustbench_gnl.store.selection import newest_created_at, run_key
from robustbench_gnl.store.stored_run import RunHead, StoredRun

_SUMMED = ("n_images", "n_top1", "n_top5", "negative_log_likelihood_sum", "seconds")


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def next_created_at(connection: Connection) -> str:
    """Now, but never before the newest run, whatever the clock says: a new run is the newest."""
    newest = newest_created_at(connection)
    try:
        check_time(newest, "created_at")
    except StoreError:  # An empty store, or a damaged run, which is no reason to begin none.
        newest = None
    return max(now(), newest or "")


def new_run_id(connection: Connection, created_at: str) -> str:
    """The time, so that ids sort by age, and random digits, so that ids of two hosts differ."""
    stamp = datetime.fromisoformat(created_at).strftime("%Y%m%d-%H%M%S")
    while True:
        # Not `random`, which a user may have seeded alike in two processes.
        run_id = f"{stamp}-{secrets.token_hex(3)}"
        if not _has_run(connection, run_id):
            return run_id


def new_head(
    connection: Connection,
    block_size: int,
    tags: Iterable[str],
    environment: Mapping[str, Any] | None,
    skipped: Mapping[str, str] | None,
) -> RunHead:
    """The head of a run that begins now."""
    clock, created_at = now(), next_created_at(connection)
    here = dict(environment or {})
    if clock < created_at:  # It was set back, or that of another host was ahead.
        here[CLOCK_WHEN_BEGUN] = clock
    return RunHead(
        id=new_run_id(connection, created_at),
        block_size=block_size,
        created_at=created_at,
        finished_at=None,
        tags=tuple(tags),
        environment=here,
        skipped=dict(skipped or {}),
    )


def insert_run(connection: Connection, stored: StoredRun) -> None:
    """Write a checked run with all its pieces."""
    _insert_once(connection, schema.image_sets, pack_image_set(stored.image_set))
    _insert_once(connection, schema.protocols, pack_protocol(stored.protocol))
    head = stored.head
    values = {
        **pack_model(stored.model),
        **pack_head(head),
        "protocol": stored.protocol.fingerprint,
        "image_set": stored.image_set.fingerprint,
    }
    connection.execute(insert(schema.runs), [values])
    insert_tags(connection, head.id, head.tags)
    key = run_key(connection, head.id)
    rows = [{"run": key, **pack_piece(piece)} for piece in stored.pieces]
    if rows:
        connection.execute(insert(schema.pieces), rows)
    for condition in {piece.condition for piece in stored.pieces}:
        _sum_cell(connection, key, condition)


def append_environment(connection: Connection, run_id: str, environment: Mapping[str, Any]) -> None:
    """Add to the list `resumed` of the run's environment."""
    table = schema.runs
    key = run_key(connection, run_id, lock=True)
    column = connection.execute(select(table.c.environment).where(table.c.key == key)).scalar_one()
    with decoding_run(run_id):
        stored = json.loads(column)
        stored["resumed"] = [*stored.get("resumed", []), {**environment, "at": now()}]
    connection.execute(update(table).where(table.c.key == key).values(environment=to_json(stored)))


def insert_unless_there(connection: Connection, stored: StoredRun) -> bool:
    """Write a run that came from elsewhere; False if the same run is already stored.

    Raises:
        StoreError: Another run has this id.
    """
    run_id = stored.head.id
    if not _has_run(connection, run_id):
        insert_run(connection, stored)
        return True
    if not load_stored(connection, run_id).is_same_run(stored):
        raise StoreError(
            f"the store holds another run {run_id} with different facts; nothing was imported; "
            f"delete it first with `gnlbench runs delete {run_id}` if it is out of date",
            run_id=run_id,
        )
    insert_tags(connection, run_id, stored.head.tags)
    return False


def insert_tags(connection: Connection, run_id: str, tags: Iterable[str]) -> None:
    key = run_key(connection, run_id, lock=True)
    table = schema.tags
    there = set(connection.execute(select(table.c.tag).where(table.c.run == key)).scalars())
    rows = [{"run": key, "tag": tag} for tag in dict.fromkeys(tags) if tag not in there]
    if rows:
        connection.execute(insert(table), rows)


def delete_tags(connection: Connection, run_id: str, tags: Iterable[str]) -> None:
    table = schema.tags
    key = run_key(connection, run_id, lock=True)
    connection.execute(delete(table).where(table.c.run == key, table.c.tag.in_([*tags])))


def insert_piece(connection: Connection, run_id: str, piece: Piece) -> None:
    """Write a checked piece and the sums of its cell.

    Raises:
        StoreError: It is stored already.
    """
    # The lock keeps two writers of one cell from summing without each other's piece.
    key = run_key(connection, run_id, lock=True)
    table = schema.pieces
    same = select(table.c.digest).where(
        table.c.run == key,
        table.c.corruption == piece.condition.corruption,
        table.c.severity == piece.condition.severity,
        table.c.block == piece.block,
    )
    if connection.execute(same).first() is not None:
        raise StoreError(
            f"run {run_id} already holds {piece.condition}, block {piece.block}; "
            "expected each piece once",
            run_id=run_id,
            condition=piece.condition,
            block=piece.block,
        )
    connection.execute(insert(table), [{"run": key, **pack_piece(piece)}])
    _sum_cell(connection, key, piece.condition)


def set_finished(connection: Connection, run_id: str) -> None:
    """Never before the run began, though the clock may have been set back since."""
    runs = schema.runs
    key = run_key(connection, run_id, lock=True)
    begun = connection.execute(select(runs.c.created_at).where(runs.c.key == key)).scalar_one()
    finished_at = max(now(), str(begun))
    connection.execute(update(runs).where(runs.c.key == key).values(finished_at=finished_at))


def remove_run(connection: Connection, run_id: str) -> None:
    """Remove a run, and what nothing else refers to any more."""
    runs = schema.runs
    # Tags, pieces, cells and replicates go with it (ON DELETE CASCADE).
    connection.execute(delete(runs).where(runs.c.key == run_key(connection, run_id)))
    for table, column in (
        (schema.protocols, runs.c.protocol),
        (schema.image_sets, runs.c.image_set),
    ):
        connection.execute(delete(table).where(table.c.fingerprint.not_in(select(column))))


def _has_run(connection: Connection, run_id: str) -> bool:
    found = select(schema.runs.c.key).where(schema.runs.c.id == run_id)
    return connection.execute(found).first() is not None


def _insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Written under its fingerprint by whoever comes first; equal fingerprints, equal content."""
    same = select(table.c.fingerprint).where(table.c.fingerprint == values["fingerprint"])
    if connection.execute(same).first() is None:
        connection.execute(insert(table), [dict(values)])


def _sum_cell(connection: Connection, key: int, condition: Condition) -> None:
    """Sum the cell again in the order of its blocks: the order of arrival must not matter."""
    cells, pieces = schema.cells, schema.pieces
    place = {"run": key, "corruption": condition.corruption, "severity": condition.severity}
    connection.execute(delete(cells).where(*(cells.c[k] == v for k, v in place.items())))
    of_cell = [pieces.c[name] == value for name, value in place.items()]
    read = select(pieces.c.digest, pieces.c.made_from).where(*of_cell).order_by(pieces.c.block)
    digest, made_from = cell_digests(connection.execute(read).all())
    by_cell = [pieces.c[name] for name in place]
    sums = [func.sum(pieces.c[name]) for name in _SUMMED]
    summed = select(*by_cell, func.count(), *sums, literal(digest), literal(made_from, Text()))
    summed = summed.where(*of_cell).group_by(*by_cell)
    names = [*place, "n_blocks", *_SUMMED, "digest", "made_from"]
    connection.execute(insert(cells).from_select(names, summed))
