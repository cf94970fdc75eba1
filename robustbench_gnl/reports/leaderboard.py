"""The report of a leaderboard: a table for each board, best entries first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.leaderboard import N_PARAMS, Board, Entry, stated_protocol
from robustbench_gnl.metrics import Interval, MetricId, Scope, column_ids, ids_by_path
from robustbench_gnl.metrics.chance import images_of
from robustbench_gnl.metrics.reference import Published
from robustbench_gnl.records import SCHEMA_VERSION
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Heading,
    Notes,
    Records,
    Row,
    Table,
    lowest,
)
from robustbench_gnl.reports.formatting import as_count, as_millions, as_share
from robustbench_gnl.reports.sentences import (
    demonstration_sentence,
    interval_methods,
    progress_phrase,
    reference_sentences,
    unverified_sentence,
)
from robustbench_gnl.suites import DEFAULT_SUITE, Suite
from robustbench_gnl.text import counted

COLUMN_SETS: Mapping[str, tuple[Scope, ...]] = {
    "groups": (Scope.OVERALL, Scope.GROUP),
    "all": (Scope.OVERALL, Scope.CORRUPTION),
    "min": (Scope.OVERALL,),
}
"""The values of `--columns`, and the scopes of the metrics that each shows."""
NARROWEST_NAME = 36
"""A longer model name may be folded in a narrow terminal."""
MODEL = Column("model", "model", "left", fold_at=NARROWEST_NAME, is_key=True)
CHECKPOINT = Column("checkpoint", "checkpoint", "left", under="model", is_key=True)
PARAMETERS = Column(N_PARAMS, "parameters", format=as_millions, droppable="parameters")
ABOUT = (
    Column("n_images", "images", format=as_count, droppable="images"),
    Column("created_at", "date", "left", format=lambda time: str(time)[:10], droppable="date"),
    Column("tags", "tags", "left", droppable="tags"),
    Column("remark", "remark", "left", fold_at=30, under="model"),
)
"""Columns after the metrics."""
RAW_KEYS = ("kind", "run_id", "checkpoint_sha256", "weights", "stated_protocol", "source_url")
RANK_ENDS = ("rank_first", "rank_last")
OTHER_FILES = (
    "other runs of this protocol read different image files of the same names: that is another "
    "image set, ranked in a table of its own"
)


def check_columns(columns: str) -> None:
    """Refuse an unknown set of columns.

    Raises:
        UsageError: `columns` is not one of `COLUMN_SETS`.
    """
    if columns not in COLUMN_SETS:
        raise UsageError(
            f"unknown set of columns {columns!r}; expected one of {', '.join(COLUMN_SETS)}"
            f"{did_you_mean(columns, COLUMN_SETS)}",
            columns=columns,
        )


def leaderboard_document(boards: Sequence[Board], columns: str = "groups") -> Document:
    """All boards. JSON has all metrics, whatever the columns.

    Args:
        columns: One of `COLUMN_SETS`.

    Raises:
        UsageError: `columns` is not one of `COLUMN_SETS`.
    """
    check_columns(columns)
    return Document(
        "Leaderboard",
        tuple(block for board in boards for block in _blocks(board, columns)),
        {"schema_version": SCHEMA_VERSION, "boards": [_data(board) for board in boards]},
        _records(boards, columns),
    )


def _data(board: Board) -> dict[str, Any]:
    protocol = board.protocol
    return {
        "title": title_of(board),
        "protocol": protocol
        and {"name": protocol.name, "fingerprint": protocol.fingerprint, **protocol.fields()},
        "image_files": board.image_files,
        "demonstration": board.is_demonstration,
        "sort": board.sort,
        "level": board.level,
        "reference": _reference_of(board),
        "rows": [_entry_data(entry, board.suite) for entry in board.entries],
    }


def _entry_data(entry: Entry, suite: Suite) -> dict[str, Any]:
    row, ids = _raw_row(entry, suite), column_ids(suite)
    overall = [one.column_key for one in ids if one.metric.scope is Scope.OVERALL]
    plain = ("rank", "model", N_PARAMS, *overall, *(one.key for one in ABOUT), *RAW_KEYS)
    data: dict[str, Any] = {key: row.get(key) for key in plain}
    for one in ids:
        if one.of:
            name = "groups" if one.metric.scope is Scope.GROUP else one.metric.key
            data.setdefault(name, {})[one.of] = entry.value(one.path)
    # Absent rather than null: null would mean that there is no interval.
    if entry.has_intervals:
        data |= {key: row.get(key) for key in RANK_ENDS}
        known = {
            one.column_key: entry.numbers[one.path] for one in ids if one.path in entry.numbers
        }
        data["intervals"] = {k: asdict(one.interval) for k, one in known.items() if one.interval}
        data["interval_reasons"] = {k: one.reason for k, one in known.items() if one.reason}
    return data


def _raw_row(entry: Entry, suite: Suite) -> dict[str, Any]:
    """The raw values of an entry by the keys of JSON and CSV."""
    row: dict[str, Any] = {
        "kind": entry.kind,
        "rank": entry.rank,
        "model": entry.model,
        "checkpoint": entry.checkpoint,
        "remark": _remark(entry),
        **{one.column_key: entry.value(one.path) for one in column_ids(suite)},
    }
    if entry.ranks is not None:
        row |= {"rank_first": entry.ranks.first, "rank_last": entry.ranks.last}
    if (run := entry.run) is not None:
        row |= {
            "checkpoint_sha256": run.model.checkpoint_sha256,
            "weights": run.model.weights,
            N_PARAMS: run.model.n_params,
            "n_images": run.protocol.n_images,
            "created_at": run.created_at,
            "tags": list(run.tags),
            "run_id": run.id,
        }
    if (published := entry.published) is not None:
        row |= {
            "n_images": published.n_images,
            "stated_protocol": stated_protocol(published),
            "source_url": published.source_url,
        }
    if entry.reference is not None:
        row["model"] = f"{entry.model} (reference)"
    return row


def _remark(entry: Entry) -> str | None:
    if entry.reference is not None:
        return f"reference: {entry.reference.protocol}"
    if entry.published is not None:
        return f"reported by {_origin(entry.published)}: {stated_protocol(entry.published)}"
    remarks = []
    if entry.summary is not None and not entry.is_complete:
        remarks.append(progress_phrase(entry.summary))
    if entry.summary is not None and entry.is_near_chance:
        remarks.append(f"near chance on {images_of(entry.summary.suite)}")
    return "; ".join(remarks) or None


def _origin(published: Published) -> str:
    """`owner/repository` of a GitHub address, the host name of any other."""
    # The remark has no room for a whole address; JSON and CSV have it.
    parts = urlsplit(published.source_url)
    owner_and_repository = parts.path.strip("/").split("/")[:2]
    return "/".join(owner_and_repository) if parts.netloc == "github.com" else parts.netloc


def title_of(board: Board) -> str:
    """The protocol of a board, and what it is ranked by."""
    protocol = board.protocol
    by = (
        "parameters"
        if board.sort == N_PARAMS
        else ids_by_path(board.suite)[board.sort_path].column_label
    )
    if protocol is None:
        return f"Published results, as reported, ranked by {by}"
    named = f"{protocol.name} [{protocol.fingerprint[:8]}]"
    if board.image_files is not None:
        named += f", image files {board.image_files[:8]}"
    if board.is_demonstration:
        return f"Demonstration {named}. {demonstration_sentence(protocol.n_images)}"
    title = f"{named}: {counted(protocol.n_images, 'image')}, ranked by {by}"
    return f"{title}. {unverified_sentence(board.suite)}" if protocol.is_unverified else title


def _reference_of(board: Board) -> str:
    if not board.reference.is_defined:
        return f"no reference: {board.reference.protocol}"
    return f"reference: {board.reference.name}, {board.reference.protocol}"


def _records(boards: Sequence[Board], columns: str) -> Records:
    # A file without rows has the header of the default suite.
    suites = dict.fromkeys(board.suite for board in boards) or {DEFAULT_SUITE: None}
    shown = {one.column_key: one for suite in suites for one in _shown_ids(suite, columns)}
    # Overall metrics first: several suites may contribute columns.
    numbers = sorted(shown, key=lambda key: bool(shown[key].of))
    keys = [
        *("protocol", "protocol_fingerprint", "reference", "rank", "model", N_PARAMS),
        *(*numbers, *(column.key for column in ABOUT), *RAW_KEYS),
    ]
    if any(board.image_files is not None for board in boards):
        keys.append("image_files")
    if any(board.level is not None for board in boards):
        keys += [*RANK_ENDS, *(f"{key}_{end}" for key in numbers for end in ("low", "high"))]
    rows = []
    for board in boards:
        about = {
            "protocol": board.protocol and board.protocol.name,
            "protocol_fingerprint": board.protocol and board.protocol.fingerprint,
            "reference": board.reference.name,
            "image_files": board.image_files,
        }
        for entry in board.entries:
            ends = {
                f"{one.column_key}_{end}": getattr(interval, end)
                for one in _shown_ids(board.suite, columns)
                if (interval := _interval(entry, one)) is not None
                for end in ("low", "high")
            }
            rows.append({**_raw_row(entry, board.suite), **ends, **about})
    return Records(tuple(keys), rows)


def _shown_ids(suite: Suite, columns: str) -> list[MetricId]:
    return [one for one in column_ids(suite) if one.metric.scope in COLUMN_SETS[columns]]


def _interval(entry: Entry, one: MetricId) -> Interval | None:
    estimate = entry.numbers.get(one.path)
    return None if estimate is None else estimate.interval


def _blocks(board: Board, columns: str) -> list[Block]:
    ids, rows = (
        _shown_ids(board.suite, columns),
        [_row(entry, board.suite) for entry in board.entries],
    )
    shown = _columns(board, ids)
    intervals = {
        (i, one.column_key): interval
        for i, entry in enumerate(board.entries)
        for one in ids
        if (interval := _interval(entry, one)) is not None
    }
    title = title_of(board)
    caption = ". ".join([title.removesuffix("."), *reference_sentences(board.reference.name)])
    if board.level is not None:
        caption += f". In brackets: {as_share(board.level)} intervals"
    numbers = {N_PARAMS, *(one.column_key for one in ids)}
    table = Table(
        tuple(shown),
        tuple(rows),
        caption=caption,
        bold=lowest(rows, [one for one in shown if one.key in numbers], _may_be_best),
        intervals=intervals,
    )
    return [Heading(title), table, Notes(tuple(_notes(board, ids)), is_aside=True)]


def _row(entry: Entry, suite: Suite) -> Row:
    """The values of an entry in a table: rank ranges, and no remark on the reference."""
    row = _raw_row(entry, suite)
    return {
        **row,
        "rank": entry.rank if entry.ranks is None else str(entry.ranks),
        "remark": None if entry.reference is not None else row["remark"],
        "may_be_best": entry.run is not None
        and entry.rank is not None
        # The relative mCE of a model near chance is low because its clean error is high.
        and not entry.is_near_chance,
    }


def _may_be_best(row: Row) -> bool:
    return bool(row["may_be_best"])


def _columns(board: Board, ids: Sequence[MetricId]) -> list[Column]:
    """The columns of the table, without those that would be empty."""
    maybe = {CHECKPOINT.key, PARAMETERS.key, *(column.key for column in ABOUT)}
    # The remark on the reference is in the notes.
    rows = [_raw_row(entry, board.suite) for entry in board.entries if entry.reference is None]
    rank = Column("rank", "rank", is_key=True)
    numbers = [
        Column(
            one.column_key,
            one.column_title,
            format=one.metric.unit.number,
            droppable="groups" if one.metric.scope is Scope.GROUP else "",
            head=one.narrow_title,
        )
        for one in ids
    ]
    return [
        column
        for column in (rank, MODEL, CHECKPOINT, PARAMETERS, *numbers, *ABOUT)
        if column.key not in maybe or any(row.get(column.key) for row in rows)
    ]


def _notes(board: Board, ids: Sequence[MetricId]) -> list[str]:
    """Notes below a board that shows these metrics."""
    lines = [_reference_of(board)] if board.suite.reference else []
    if board.image_files is not None:
        lines.append(OTHER_FILES)
    if board.level is None:
        return lines
    shown = [
        (one.metric.label, interval)
        for one in ids
        for entry in board.entries
        if (interval := _interval(entry, one)) is not None
    ]
    lines.append(
        f"with {as_share(board.level)} intervals: {interval_methods(shown)}; a rank is a range: "
        "from 1 + the number of significantly better models to the number of models that are not "
        "significantly worse"
    )
    for entry in board.entries:
        by_reason: dict[str, list[str]] = {}
        for one in ids:
            estimate = entry.numbers.get(one.path)
            if estimate is not None and estimate.reason is not None:
                by_reason.setdefault(estimate.reason, []).append(one.column_label)
        lines += [
            f"no interval of {', '.join(labels)} of {entry.model}: {reason}"
            for reason, labels in by_reason.items()
        ]
    if any(entry.published is not None for entry in board.entries):
        lines.append("no intervals of published results: they say nothing of single images")
    return lines
