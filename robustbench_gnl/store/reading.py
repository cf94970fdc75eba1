"""Reading records from rows; each function works inside the transaction of its caller."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, null, select

from robustbench_gnl.contents import Contents, cell_digests, pieces_contents
from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import Cell, Condition, ImageSet, Piece, Run, condition_of
from robustbench_gnl.store import schema
from robustbench_gnl.store.bounds import is_too_deep
from robustbench_gnl.store.checks import n_blocks_of
from robustbench_gnl.store.codec import (
    unpack_head,
    unpack_image_set,
    unpack_model,
    unpack_piece,
    unpack_protocol,
)
from robustbench_gnl.store.database_errors import decoding, decoding_run
from robustbench_gnl.store.selection import missing_run, newest_first, run_key
from robustbench_gnl.store.stored_run import RunHead, StoredRun
from robustbench_gnl.suites import SUITES, condition_order

_runs, _tags, _cells, _pieces = schema.runs, schema.tags, schema.cells, schema.pieces
_CELL = (
    _cells.c.run,
    _cells.c.corruption,
    _cells.c.severity,
    _cells.c.n_blocks,
    _cells.c.seconds,
    _cells.c.n_images,
    _cells.c.n_top1,
    _cells.c.n_top5,
    _cells.c.negative_log_likelihood_sum,
)
_CELL_TYPES = [str, int, int, float, int, int, int, float]  # Of all but the first.
_DIGEST = len(_CELL_TYPES)
"""The position of the digest in a row of a cell without its run."""
_TEXT_OR_NONE = {str, type(None)}


def load_runs(
    connection: Connection, *where: ColumnElement[bool], limit: int | None = None
) -> list[Run]:
    """The runs that meet the conditions, newest first, with their complete cells."""
    keys = newest_first(select(_runs.c.key), *where, limit=limit)
    protocols = schema.protocols
    rows = connection.execute(
        newest_first(
            select(_runs, protocols.c.name.label("protocol_name"), protocols.c.fields).join(
                protocols, protocols.c.fingerprint == _runs.c.protocol
            ),
            *where,
            limit=limit,
        )
    ).mappings()
    tags = _tags_of(connection, keys)
    cells: dict[int, list[Any]] = defaultdict(list)
    # Plain tuples: thousands of them pass here, and each access to a name costs.
    for run, *cell in connection.execute(_cells_query(connection, keys)).all():
        cells[run].append(cell)
    if is_without_contents(connection):
        _add_digests(connection, keys, cells)
    return [_run(row, tags[row["key"]], cells[row["key"]]) for row in rows]


def load_run(connection: Connection, run_id: str) -> Run:
    """The run of an id that was found in this store.

    Raises:
        StoreError: The run has been deleted.
        UsageError: The text is not a run id.
    """
    found = load_runs(connection, _runs.c.id == run_id)
    if not found:
        raise missing_run(connection, run_id)
    return found[0]


def load_pieces(
    connection: Connection, run_id: str, condition: Condition | None = None
) -> Iterator[Piece]:
    """The pieces by condition and block; fetched now, made into records one by one.

    Raises:
        DamagedRecord: One of them is unreadable; found when it is made.
    """
    without = (_pieces.c.made_from,) if is_without_contents(connection) else ()
    columns = [column for column in _pieces.c if not any(column is one for one in without)]
    query = select(*columns).where(_pieces.c.run == run_key(connection, run_id))
    if condition is not None:
        query = query.where(
            _pieces.c.corruption == condition.corruption, _pieces.c.severity == condition.severity
        )
    ordered = query.order_by(_pieces.c.corruption, _pieces.c.severity, _pieces.c.block)
    with decoding_run(run_id):
        rows = connection.execute(ordered).mappings().all()
    return _unpacked(rows, run_id)


def load_contents(connection: Connection, run_id: str) -> dict[tuple[int, Condition], Contents]:
    """What each stored piece of a run was read from, by block and condition."""
    key = run_key(connection, run_id)
    made_from = null() if is_without_contents(connection) else _pieces.c.made_from
    place = (_pieces.c.block, _pieces.c.corruption, _pieces.c.severity)
    rows = connection.execute(
        select(*place, _pieces.c.digest, made_from).where(_pieces.c.run == key)
    )
    digests = [
        _Digests(block, condition_of(corruption, severity), digest, origin)
        for block, corruption, severity, digest, origin in rows
    ]
    fields = select(schema.protocols.c.fields).join(
        _runs, schema.protocols.c.fingerprint == _runs.c.protocol
    )
    with decoding_run(run_id):
        source = json.loads(connection.execute(fields.where(_runs.c.key == key)).scalar_one())
        return pieces_contents(digests, str(source["source"]))


class _Digests(NamedTuple):
    """What a row says of the files of a piece."""

    block: int
    condition: Condition
    digest: str
    made_from: str | None


def load_image_set(connection: Connection, fingerprint: str) -> ImageSet:
    table = schema.image_sets
    query = select(table).where(table.c.fingerprint == fingerprint)
    with decoding(f"image set {fingerprint}"):
        row = connection.execute(query).mappings().first()
    if row is None:
        raise StoreError(
            f"the store holds no image set {fingerprint}: another process has deleted its last run",
            fingerprint=fingerprint,
            reason="deleted",
        )
    with decoding(f"image set {fingerprint}"):
        return unpack_image_set(dict(row))


def load_stored(connection: Connection, run_id: str) -> StoredRun:
    """Everything about a run, as an export holds it."""
    run = load_run(connection, run_id)
    columns = select(_runs.c.model_fingerprint, _runs.c.protocol, _runs.c.image_set)
    stated = connection.execute(columns.where(_runs.c.id == run_id)).one()
    with decoding_run(run_id):
        image_set = load_image_set(connection, str(stated.image_set))
        records = (
            ("model", run.model.fingerprint),
            ("protocol", run.protocol.fingerprint),
            ("image set", image_set.fingerprint),
        )
        for (name, computed), fingerprint in zip(records, stated, strict=True):
            if computed != fingerprint:
                raise StoreError(f"the {name} is not the one of fingerprint {fingerprint}")
    return StoredRun(
        head=RunHead(
            id=run.id,
            block_size=run.block_size,
            created_at=run.created_at,
            finished_at=run.finished_at,
            tags=run.tags,
            environment=run.environment,
            skipped=run.skipped,
        ),
        model=run.model,
        protocol=run.protocol,
        image_set=image_set,
        pieces=tuple(load_pieces(connection, run_id)),
    )


def _tags_of(connection: Connection, keys: Select[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for run, tag in connection.execute(
        select(_tags.c.run, _tags.c.tag).where(_tags.c.run.in_(keys))
    ):
        found[run].append(tag)
    return found


def is_without_contents(connection: Connection) -> bool:
    """Whether the store is of a revision without the columns of `contents`."""
    return bool(connection.get_execution_options().get(schema.WITHOUT_CONTENTS))


def _cells_query(connection: Connection, keys: Select[Any]) -> Select[Any]:
    contents: tuple[Any, ...] = (_cells.c.digest, _cells.c.made_from)
    if is_without_contents(connection):
        contents = (null(), null())
    return select(*_CELL, *contents).where(_cells.c.run.in_(keys))


def _add_digests(connection: Connection, keys: Select[Any], cells: dict[int, list[Any]]) -> None:
    """Compute the digests of cells that an older store does not hold."""
    place = (_pieces.c.run, _pieces.c.corruption, _pieces.c.severity)
    query = select(*place, _pieces.c.digest, null().label("made_from"))
    ordered = query.where(_pieces.c.run.in_(keys)).order_by(*place, _pieces.c.block)
    digests = {
        tuple(cell): cell_digests([*rows])[0]
        for cell, rows in groupby(connection.execute(ordered), key=itemgetter(0, 1, 2))
    }
    for run, found in cells.items():
        for cell in found:
            cell[_DIGEST] = digests.get((run, cell[0], cell[1]))


def _unpacked(rows: Iterable[Any], run_id: str) -> Iterator[Piece]:
    for row in rows:
        with decoding_run(run_id):
            piece = unpack_piece(dict(row))
        yield piece


def _run(row: Any, tags: list[Any], cells: list[Any]) -> Run:
    with decoding_run(row["id"]):
        protocol = unpack_protocol(row["protocol_name"], row["fields"])
        n_blocks = n_blocks_of(protocol.n_images, row["block_size"])
        head = unpack_head(row, tags)
        if not all(isinstance(reason, str) for reason in head.skipped.values()):
            raise StoreError("a skipped image has no reason in words")
        if is_too_deep(head.environment):
            raise StoreError("its environment is nested too deep")
        begun = []
        for cell in cells:
            _check_cell(cell)
            begun.append((*_placed(protocol.suite, cell[0], cell[1]), cell))
        begun.sort(key=itemgetter(0))
        complete = {
            condition: Cell(n_images, n_top1, n_top5, loss, digest or "", made_from)
            for _, condition, cell in begun
            for _, _, n_stored, _, n_images, n_top1, n_top5, loss, digest, made_from in [cell]
            if n_stored == n_blocks
        }
        return head.run(
            unpack_model(row),
            protocol,
            complete,
            n_unfinished_cells=len(begun) - len(complete),
            seconds=sum(cell[3] for cell in cells),
        )


@lru_cache(maxsize=10_000)
def _placed(suite: str, corruption: str, severity: int) -> tuple[tuple[int, str, int], Condition]:
    """The place of a condition among others, and the condition. The same few come in every run.

    Raises:
        StoreError: The suite has no such condition. A run of a suite that this version does not
            know is shown with whatever conditions it has.
    """
    condition = condition_of(corruption, severity)
    if suite in SUITES and not SUITES[suite].has(condition):
        raise StoreError(f"{SUITES[suite].title} has no condition {condition}")
    return condition_order(condition), condition


def _check_cell(cell: list[Any]) -> None:
    *facts, digest, made_from = cell
    if [*map(type, facts)] != _CELL_TYPES or not {type(digest), type(made_from)} <= _TEXT_OR_NONE:
        raise StoreError(f"a cell holds {cell}")
    corruption, severity, _, seconds, n_images, n_top1, n_top5, loss = facts
    if not (0 <= n_top1 <= n_top5 <= n_images and n_images and isfinite(seconds + loss)):
        raise StoreError(f"the counts of {Condition(corruption, severity)} contradict each other")
