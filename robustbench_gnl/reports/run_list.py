"""The runs of a store, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robustbench_gnl.records import COMMON_CONDITIONS, SCHEMA_VERSION, Run
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import rich_tables

if TYPE_CHECKING:
    from rich.console import RenderableType


def run_list_document(runs: Sequence[Run]) -> dict[str, Any]:
    """The runs as JSON has them."""
    raw = [{key: value for key, value in _row(run).items() if key != "cells"} for run in runs]
    return {"schema_version": SCHEMA_VERSION, "runs": raw}


def render_run_list(runs: Sequence[Run], format: str) -> str:
    """The runs as csv, markdown or latex."""
    return render([_row(run) for run in runs], _columns(raw=format == "csv"), format)


def run_list_tables(runs: Sequence[Run], *, width: int) -> list[RenderableType]:
    """The runs for a terminal of that width."""
    return rich_tables([_row(run) for run in runs], _columns(), width=width, n_fixed=1)


def _columns(*, raw: bool = False) -> list[Column]:
    titles = {"id": "run"} | {key: key for key in ("model", "checkpoint", "protocol")}
    columns = [Column(key, title, justify="left") for key, title in titles.items()]
    columns.append(Column("n_images", "images"))
    if raw:
        columns += [Column(key, key) for key in ("n_cells_complete", "n_cells_stored")]
    else:
        columns.append(Column("cells", "cells of mCE", justify="left"))
    return [
        *columns,
        Column("tags", "tags", justify="left"),
        Column("created_at", "begun", justify="left", format=_as_minute, droppable="date"),
    ]


def _row(run: Run) -> dict[str, Any]:
    complete, stored = len(run.cells), len(run.cells) + run.n_unfinished_cells
    return {
        "id": run.id,
        "model": run.model.name,
        "checkpoint": run.model.checkpoint_sha256[:8],
        "protocol": run.protocol.name,
        "protocol_fingerprint": run.protocol.fingerprint,
        "n_images": run.protocol.n_images,
        "cells": f"{len(set(run.cells) & set(COMMON_CONDITIONS))}/{len(COMMON_CONDITIONS)}"
        + ("" if run.finished_at else ", unfinished"),
        "n_cells_complete": complete,
        "n_cells_stored": stored,
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _as_minute(time: str) -> str:
    """`2026-11-23 14:25` of a time in ISO 8601."""
    return time[:16].replace("T", " ")
