"""The leaderboard: each board as a table of entries, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.leaderboard import (
    CORRUPTION_CES,
    GROUP_CES,
    N_PARAMS,
    OVERALL,
    SORT_KEYS,
    Board,
    Entry,
    stated_protocol,
)
from robustbench_gnl.metrics import Interval
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
from robustbench_gnl.reports.metric_labels import (
    metric_label,
    metric_title,
    narrow_title,
    unit_of,
)
from robustbench_gnl.reports.sentences import (
    UNVERIFIED,
    demonstration_sentence,
    progress_phrase,
    reference_sentence,
)

COLUMN_SETS: Mapping[str, Mapping[str, str]] = {
    "groups": GROUP_CES,
    "all": CORRUPTION_CES,
    "min": {},
}
"""What `--columns` takes: paths of the CE of four groups, of all 15 corruptions, or of none."""
NARROWEST_NAME = 36
"""A name longer than this may fold, where the terminal leaves it no more."""
KEYS = (
    {path: path for path in OVERALL}
    | {path: f"ce_{name}" for name, path in GROUP_CES.items()}
    | {path: f"ce_{name}" for name, path in CORRUPTION_CES.items()}
)
"""Paths of numbers, and the keys that they have in rows of JSON and CSV."""
MODEL = Column("model", "model", "left", fold_at=NARROWEST_NAME, is_key=True)
CHECKPOINT = Column("checkpoint", "checkpoint", "left", under="model", is_key=True)
PARAMETERS = Column(N_PARAMS, "parameters", format=as_millions, droppable="parameters")
ABOUT = (
    Column("n_images", "images", format=as_count, droppable="images"),
    Column("created_at", "date", "left", format=lambda time: str(time)[:10], droppable="date"),
    Column("tags", "tags", "left", droppable="tags"),
    Column("remark", "remark", "left", fold_at=30, under="model"),
)
"""What stands behind the numbers."""
RAW_KEYS = ("kind", "run_id", "checkpoint_sha256", "weights", "stated_protocol", "source_url")
RANK_ENDS = ("rank_first", "rank_last")
OTHER_FILES = (
    "other runs of this protocol read different image files of the same names: that is another "
    "image set, ranked in a table of its own"
)


def check_columns(columns: str) -> None:
    """Refuse a set of columns that does not exist.

    Raises:
        UsageError: `columns` names no set.
    """
    if columns not in COLUMN_SETS:
        raise UsageError(
            f"unknown set of columns {columns!r}; expected one of {', '.join(COLUMN_SETS)}"
            f"{did_you_mean(columns, COLUMN_SETS)}",
            columns=columns,
        )


def leaderboard_document(boards: Sequence[Board], columns: str = "groups") -> Document:
    """All boards. JSON has every number, whatever the columns.

    Args:
        columns: One of `COLUMN_SETS`.

    Raises:
        UsageError: There is no such set.
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
        "rows": [_entry_data(entry) for entry in board.entries],
    }


def _entry_data(entry: Entry) -> dict[str, Any]:
    row = _raw_row(entry)
    plain = ("rank", "model", N_PARAMS, *OVERALL, *(one.key for one in ABOUT), *RAW_KEYS)
    data = {
        **{key: row.get(key) for key in plain},
        "groups": {group: entry.value(path) for group, path in GROUP_CES.items()},
        "ce": {name: entry.value(path) for name, path in CORRUPTION_CES.items()},
    }
    if entry.has_intervals:
        numbers = entry.numbers.items()
        data |= {key: row.get(key) for key in RANK_ENDS}
        data["intervals"] = {KEYS[p]: asdict(one.interval) for p, one in numbers if one.interval}
        data["interval_reasons"] = {KEYS[p]: one.reason for p, one in numbers if one.reason}
    return data


def _raw_row(entry: Entry) -> dict[str, Any]:
    """An entry by the keys of JSON and CSV."""
    row: dict[str, Any] = {
        "kind": entry.kind,
        "rank": entry.rank,
        "model": entry.model,
        "checkpoint": entry.checkpoint,
        "remark": _remark(entry),
        **{KEYS[path]: one.value for path, one in entry.numbers.items()},
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
    if entry.is_near_chance:
        remarks.append("near chance on clean images")
    return "; ".join(remarks) or None


def _origin(published: Published) -> str:
    """`owner/repository` of a GitHub address, the host of any other."""
    parts = urlsplit(published.source_url)
    owner_and_repository = parts.path.strip("/").split("/")[:2]
    return "/".join(owner_and_repository) if parts.netloc == "github.com" else parts.netloc


def title_of(board: Board) -> str:
    """What a board compares, and by what."""
    protocol = board.protocol
    by = "parameters" if board.sort == N_PARAMS else metric_label(SORT_KEYS[board.sort])
    if protocol is None:
        return f"Published results, as reported, ranked by {by}"
    named = f"{protocol.name} [{protocol.fingerprint[:8]}]"
    if board.image_files is not None:
        named += f", image files {board.image_files[:8]}"
    if board.is_demonstration:
        return f"Demonstration {named}. {demonstration_sentence(protocol.n_images)}"
    title = f"{named}: {as_count(protocol.n_images)} images, ranked by {by}"
    return f"{title}. {UNVERIFIED}" if protocol.is_unverified else title


def _reference_of(board: Board) -> str:
    if not board.reference.is_defined:
        return f"no reference: {board.reference.protocol}"
    return f"reference: {board.reference.name}, {board.reference.protocol}"


def _records(boards: Sequence[Board], columns: str) -> Records:
    numbers = (*OVERALL, *(KEYS[path] for path in COLUMN_SETS[columns].values()))
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
                f"{KEYS[path]}_{end}": getattr(one.interval, end)
                for path, one in entry.numbers.items()
                if one.interval
                for end in ("low", "high")
            }
            rows.append({**_raw_row(entry), **ends, **about})
    return Records(tuple(keys), rows)


def _blocks(board: Board, columns: str) -> list[Block]:
    shown, rows = _columns(board, columns), [_row(entry) for entry in board.entries]
    paths = {column.key: path for path, column in _number_columns(columns).items()}
    numbers = [column for column in shown if column.key in (N_PARAMS, *paths)]
    intervals: dict[tuple[int, str], Interval] = {}
    for i, entry in enumerate(board.entries):
        for column in shown:
            estimate = entry.numbers.get(paths.get(column.key, ""))
            if estimate is not None and estimate.interval is not None:
                intervals[i, column.key] = estimate.interval
    title = title_of(board)
    caption = f"{title.removesuffix('.')}. {reference_sentence(board.reference.name)}"
    if board.level is not None:
        caption += f". In brackets: {as_share(board.level)} intervals"
    table = Table(
        tuple(shown),
        tuple(rows),
        caption=caption,
        bold=lowest(rows, numbers, _may_be_best),
        intervals=intervals,
    )
    notes = _notes(board, [paths[one.key] for one in numbers if one.key in paths])
    return [Heading(title), table, Notes(tuple(notes), is_aside=True)]


def _row(entry: Entry) -> Row:
    """An entry as people see it: ranks as ranges, and the reference's remark left to the notes."""
    row = _raw_row(entry)
    return {
        **row,
        "rank": entry.rank if entry.ranks is None else str(entry.ranks),
        "remark": None if entry.reference is not None else row["remark"],
        "may_be_best": entry.run is not None
        and entry.rank is not None
        # The relative mCE of a network that guesses is low because its clean error is high.
        and not entry.is_near_chance,
    }


def _may_be_best(row: Row) -> bool:
    return bool(row["may_be_best"])


def _number_columns(columns: str) -> dict[str, Column]:
    """The columns of numbers, by path."""
    return {
        path: Column(
            KEYS[path],
            metric_title(path),
            format=unit_of(path).format,
            droppable="groups" if path in GROUP_CES.values() else "",
            head=narrow_title(path),
        )
        for path in (*OVERALL, *COLUMN_SETS[columns].values())
    }


def _columns(board: Board, columns: str) -> list[Column]:
    """The columns that people see; those that would be empty are left out."""
    maybe = {CHECKPOINT.key, PARAMETERS.key, *(column.key for column in ABOUT)}
    # The reference's remark stands once below the table.
    rows = [_raw_row(entry) for entry in board.entries if entry.reference is None]
    rank = Column("rank", "rank", is_key=True)
    numbers = _number_columns(columns).values()
    return [
        column
        for column in (rank, MODEL, CHECKPOINT, PARAMETERS, *numbers, *ABOUT)
        if column.key not in maybe or any(row.get(column.key) for row in rows)
    ]


def _notes(board: Board, paths: Sequence[str]) -> list[str]:
    """What stands below a board that shows these numbers."""
    lines = [_reference_of(board)]
    if board.image_files is not None:
        lines.append(OTHER_FILES)
    if board.level is None:
        return lines
    lines.append(
        f"with {as_share(board.level)} intervals: of the clean error Wilson's, of all others "
        "by resampling the images; a rank is a range: from 1 + the number of significantly better "
        "models to the number of models that are not significantly worse"
    )
    for entry in board.entries:
        by_reason: dict[str, list[str]] = {}
        for path in paths:
            if (one := entry.numbers.get(path)) is not None and one.reason is not None:
                by_reason.setdefault(one.reason, []).append(metric_label(path))
        lines += [
            f"no interval of {', '.join(labels)} of {entry.model}: {reason}"
            for reason, labels in by_reason.items()
        ]
    if any(entry.published is not None for entry in board.entries):
        lines.append("no intervals of published results: they say nothing of single images")
    return lines
