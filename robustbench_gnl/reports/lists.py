"""Lists: the runs of a store, and the models that can be created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.document import Column, Document, Names, Records, Table
from robustbench_gnl.suites import SUITES

COLUMNS = (
    Column("id", "run", "left", is_key=True),
    Column("model", "model", "left"),
    Column("checkpoint", "checkpoint", "left"),
    Column("protocol", "protocol", "left"),
    Column("n_images", "images"),
    Column("cells", "main cells", "left"),
    Column("tags", "tags", "left"),
    Column(
        "created_at",
        "begun",
        "left",
        format=lambda time: str(time)[:16].replace("T", " "),  # `2026-11-23 14:25`
        droppable="date",
    ),
)
RECORD_COLUMNS = (
    *("id", "model", "checkpoint", "protocol", "n_images"),
    *("n_cells_complete", "n_cells_stored", "tags", "created_at"),
)


def run_list(runs: Sequence[Run]) -> Document:
    """The runs in the given order, one row each."""
    rows = [_row(run) for run in runs]
    raw = [{key: value for key, value in row.items() if key != "cells"} for row in rows]
    return Document(
        "Stored runs",
        (Table(COLUMNS, tuple(rows)),) if rows else (),
        {"schema_version": SCHEMA_VERSION, "runs": raw},
        Records(RECORD_COLUMNS, rows),
    )


def _row(run: Run) -> dict[str, Any]:
    complete, suite = set(run.cells), SUITES.get(run.protocol.suite)
    # A newer version may have written runs of a suite that this one does not know.
    main = suite.main_conditions if suite else ()
    return {
        "id": run.id,
        "model": run.model.name,
        "checkpoint": run.model.checkpoint_sha256[:8],
        "protocol": run.protocol.name,
        "protocol_fingerprint": run.protocol.fingerprint,
        "n_images": run.protocol.n_images,
        "cells": f"{len(complete & set(main)) if suite else len(complete)}/{len(main) or '?'}"
        + ("" if run.finished_at else ", unfinished"),
        "n_cells_complete": len(complete),
        "n_cells_stored": len(complete) + run.n_unfinished_cells,
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def model_list(names: Sequence[str]) -> Document:
    """The names of models in the given order."""
    return Document(
        "Models",
        (Names(tuple(names)),) if names else (),
        {"schema_version": SCHEMA_VERSION, "models": list(names)},
        Records(("model",), [{"model": name} for name in names]),
    )
