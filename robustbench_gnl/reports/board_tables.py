"""How boards look: a terminal's tables, and csv, json, markdown and latex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.records import SCHEMA_VERSION
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.formats import (
    Lines,
    as_count,
    as_fraction_percent,
    as_millions,
    as_percent,
    as_share,
)
from robustbench_gnl.reports.leaderboard import Board
from robustbench_gnl.reports.run_parts import UNVERIFIED, demonstration_sentence, reference_sentence
from robustbench_gnl.reports.tables import (
    INTERVALS,
    REASONS,
    Column,
    Row,
    lowest,
    render,
)
from robustbench_gnl.reports.terminal_tables import fit, rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMN_SETS = ("groups", "all", "min")
"""What `--columns` takes: the CE of four groups, of all 15 corruptions, or of none."""
NARROWEST_NAME = 36
"""A name longer than this may fold, where the terminal leaves it no more."""

RANK = Column("rank", "rank")
MODEL = Column("model", "model", "left", fold_at=NARROWEST_NAME)
CHECKPOINT = Column("checkpoint", "checkpoint", "left")
N_PARAMS = Column("n_params", "parameters", format=as_millions, droppable="parameters")
NUMBERS = (
    Column("clean_error", "clean error %", format=as_fraction_percent, head="clean\nerror\n%"),
    Column("mce", "mCE", format=as_percent),
    Column("relative_mce", "relative mCE", format=as_percent, head="relative\nmCE"),
    Column(
        "mean_corruption_error",
        "mean corruption error %",
        format=as_fraction_percent,
        head="mean\ncorr.\nerr. %",
    ),
)
N_IMAGES = Column("n_images", "images", format=as_count, droppable="images")
CREATED = Column("created_at", "date", "left", format=lambda text: str(text)[:10], droppable="date")
TAGS = Column("tags", "tags", "left", droppable="tags")
REMARK = Column("remark", "remark", "left", fold_at=30)
RAW_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "kind",
        "run_id",
        "checkpoint_sha256",
        "weights",
        "stated_protocol",
        "source_url",
    )
)
RANK_ENDS = ("rank_first", "rank_last")
BOARD_COLUMNS = tuple(Column(key, key) for key in ("protocol", "protocol_fingerprint", "reference"))
IMAGE_FILES = Column("image_files", "image_files")
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


def _corruption_columns(columns: str) -> tuple[Column, ...]:
    names = {"all": corruptions.names("common"), "groups": GROUPS, "min": ()}[columns]
    return tuple(
        Column(
            f"ce_{name}",
            f"{name.replace('_', ' ')} CE",
            format=as_percent,
            droppable="groups" if columns == "groups" else "",
            head="\n".join((*name.split("_"), "CE")),
        )
        for name in names
    )


def board_columns(board: Board, columns: str = "groups") -> list[Column]:
    """The columns that people see of a board; those that would be empty are left out."""
    wanted = (N_PARAMS, *NUMBERS, *_corruption_columns(columns), N_IMAGES, CREATED, TAGS, REMARK)
    maybe = {CHECKPOINT.key, N_PARAMS.key, N_IMAGES.key, CREATED.key, TAGS.key, REMARK.key}
    # The reference's remark stands once below the table.
    rows = [row for row in board.rows if row["kind"] != "reference"]
    return [
        column
        for column in (RANK, MODEL, CHECKPOINT, *wanted)
        if column.key not in maybe or any(row.get(column.key) for row in rows)
    ]


def title_of(board: Board) -> str:
    """What a board compares, and by what."""
    protocol = board.protocol
    if protocol is None:
        return f"Published results, as reported, ranked by {_label(board.sort)}"
    named = f"{protocol.name} [{protocol.fingerprint[:8]}]"
    if board.image_files is not None:
        named += f", image files {board.image_files[:8]}"
    if board.is_demonstration:
        return f"Demonstration {named}. {demonstration_sentence(protocol.n_images)}"
    title = f"{named}: {as_count(protocol.n_images)} images, ranked by {_label(board.sort)}"
    return f"{title}. {UNVERIFIED}" if protocol.is_unverified else title


def _label(sort: str) -> str:
    """What people call a key that boards are sorted by."""
    titles = {column.key: column.title for column in (N_PARAMS, *NUMBERS)}
    return titles.get(sort, f"{sort.replace('_', ' ')} CE").removesuffix(" %")


def boards_document(boards: Sequence[Board]) -> dict[str, Any]:
    """All boards as JSON: raw numbers, whatever columns people see."""
    return {"schema_version": SCHEMA_VERSION, "boards": [_document(board) for board in boards]}


def _document(board: Board) -> dict[str, Any]:
    protocol = board.protocol
    return {
        "title": title_of(board),
        "protocol": (
            None
            if protocol is None
            else {"name": protocol.name, "fingerprint": protocol.fingerprint, **protocol.fields()}
        ),
        "image_files": board.image_files,
        "demonstration": board.is_demonstration,
        "sort": board.sort,
        "level": board.level,
        "reference": _reference_of(board),
        "rows": [_row_document(row) for row in board.rows],
    }


def _row_document(row: dict[str, Any]) -> dict[str, Any]:
    plain = (RANK, MODEL, N_PARAMS, *NUMBERS, N_IMAGES, CREATED, TAGS, REMARK, *RAW_COLUMNS)
    document = {
        **{column.key: row.get(column.key) for column in plain},
        "groups": {group: row.get(f"ce_{group}") for group in GROUPS},
        "ce": {name: row.get(f"ce_{name}") for name in corruptions.names("common")},
    }
    if INTERVALS in row:
        document |= {key: row.get(key) for key in RANK_ENDS}
        document[INTERVALS] = {key: asdict(one) for key, one in row[INTERVALS].items()}
        document[REASONS] = dict(row[REASONS])
    return document


def render_boards(boards: Sequence[Board], format: str, columns: str = "groups") -> str:
    """All boards as csv, json, markdown or latex, without a final line break."""
    check_columns(columns)
    if format == "json":
        return json_text(boards_document(boards))
    if format == "csv":
        return _render_csv(boards, columns)
    blocks = []
    for board in boards:
        rows, shown = _for_people(board), board_columns(board, columns)
        numbers = [column for column in shown if column.key == "n_params" or column in NUMBERS]
        numbers += _corruption_columns(columns)
        best = lowest(rows, numbers, _may_be_best)
        title, notes = title_of(board), foot_of(board, shown)
        if format == "latex":  # a caption travels with its table
            title = f"{title.removesuffix('.')}. {reference_sentence(board.reference.name)}"
            title += f". In brackets: {as_share(board.level)} intervals" if board.level else ""
        blocks.append(render(rows, shown, format, title, bold=best, notes=notes))
    return "\n\n".join(blocks)


def _may_be_best(row: Row) -> bool:
    """Not so a network that guesses: its relative mCE is low because its clean error is high."""
    is_ranked = row["kind"] == "run" and row["rank"] is not None
    return is_ranked and not row["is_near_chance"]


def _reference_of(board: Board) -> str:
    if not board.reference.is_defined:
        return f"no reference: {board.reference.protocol}"
    return f"reference: {board.reference.name}, {board.reference.protocol}"


def foot_of(board: Board, shown: Sequence[Column]) -> list[str]:
    """What stands below a board that shows these columns."""
    lines = [_reference_of(board)]
    if board.image_files is not None:
        lines.append(OTHER_FILES)
    if board.level is not None:
        lines.append(
            f"with {as_share(board.level)} intervals: of the clean error Wilson's, of all others "
            "by resampling the images; a rank is a range: from 1 + those surely better to the last "
            "but those surely worse"
        )
        lines += _missing_intervals(board, shown)
    return lines


def _missing_intervals(board: Board, shown: Sequence[Column]) -> list[str]:
    """Why a number that is shown has no interval."""
    lines = []
    for row in board.rows:
        by_reason: dict[str, list[str]] = {}
        for column in shown:
            if (reason := row.get(REASONS, {}).get(column.key)) is not None:
                by_reason.setdefault(reason, []).append(column.title.removesuffix(" %"))
        lines += [
            f"no interval of {', '.join(names)} of {row['model']}: {reason}"
            for reason, names in by_reason.items()
        ]
    if any(row["kind"] == "reported" for row in board.rows):
        lines.append("no intervals of published results: they say nothing of single images")
    return lines


def _render_csv(boards: Sequence[Board], columns: str) -> str:
    rows = [
        {
            **row,
            **{
                f"{key}_{end}": getattr(one, end)
                for key, one in row.get(INTERVALS, {}).items()
                for end in ("low", "high")
            },
            "protocol": board.protocol.name if board.protocol else None,
            "protocol_fingerprint": board.protocol.fingerprint if board.protocol else None,
            "reference": board.reference.name,
            "image_files": board.image_files,
        }
        for board in boards
        for row in board.rows
    ]
    numbers = (N_PARAMS, *NUMBERS, *_corruption_columns(columns))
    rest: tuple[Column, ...] = (N_IMAGES, CREATED, TAGS, REMARK, *RAW_COLUMNS)
    if any(board.image_files is not None for board in boards):
        rest += (IMAGE_FILES,)
    if any(board.level is not None for board in boards):
        ends = [f"{column.key}_{end}" for column in numbers[1:] for end in ("low", "high")]
        rest += tuple(Column(key, key) for key in (*RANK_ENDS, *ends))
    return render(rows, (*BOARD_COLUMNS, RANK, MODEL, *numbers, *rest), "csv")


def _for_people(board: Board) -> list[dict[str, Any]]:
    """The rows with the reference's remark taken out, which stands below the table, and ranks
    as ranges."""
    return [
        {
            **row,
            "rank": row.get("rank_range", row["rank"]),
            "remark": None if row["kind"] == "reference" else row["remark"],
        }
        for row in board.rows
    ]


def board_tables(board: Board, columns: str = "groups", *, width: int = 80) -> list[RenderableType]:
    """One board for a terminal of that width."""
    check_columns(columns)
    rows, shown = _for_people(board), board_columns(board, columns)
    apart = sum(column in shown for column in (RANK, MODEL, CHECKPOINT))
    if fit(rows, shown, width=width, n_fixed=apart) != [shown]:
        rows = [{**row, "model": _under_one_another(row)} for row in rows]
        shown = [column for column in shown if column not in (CHECKPOINT, REMARK)]
        apart = 2
    return [
        text_line(title_of(board), style="bold"),
        *rich_tables(rows, shown, width=width, n_fixed=apart),
        *(text_line(line, style="dim") for line in foot_of(board, shown)),
    ]


def _under_one_another(row: dict[str, Any]) -> Lines:
    """The model, its checkpoint and the remark in one cell, for a narrow terminal."""
    lines = (row["model"], row.get("checkpoint"), row.get("remark"))
    return Lines(line for line in lines if line)
