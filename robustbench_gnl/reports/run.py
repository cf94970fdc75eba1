"""One model's results: the JSON document, and the table for people."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics import Summary, summarize
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.chance import chance_lines, is_run_near_chance
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.formats import as_count, as_share
from robustbench_gnl.reports.run_details import (
    KINDS,
    further_document,
    further_of_corruption,
    further_reasons,
)
from robustbench_gnl.reports.run_parts import (
    CE_INTERVAL,
    COLUMNS,
    SEVERITY_COLUMNS,
    common_and_extra,
    corruption_rows,
    demonstration_sentence,
    foot_lines,
    head_lines,
    headline_lines,
    remark_lines,
    total_rows,
    warning_lines,
)
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import rich_tables, text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import RunStatistics

RAW_COLUMNS = (
    Column("run_id", "run"),
    Column("model", "model"),
    Column("protocol", "protocol"),
    Column("reference", "reference"),
    *COLUMNS,
    Column("relative_ce", "relative CE"),
    *(Column(key, key) for key in ("error_low", "error_high", "ce_low", "ce_high", *KINDS)),
    *(Column(f"{one.key}_{end}", "") for one in SEVERITY_COLUMNS for end in ("low", "high")),
)
"""csv says in each row whose it is, so that files of several runs can be joined."""
TABLE_TITLE = "Top-1 error in percent at severity 1 to 5, their mean, and CE"
EXTRA_TITLE = "Extra corruptions: part of no mean over the 15"


def run_document(
    run: Run, reference: Reference | None = None, details: RunStatistics | None = None
) -> dict[str, Any]:
    """The run as `eval --format json` prints it; raw numbers, None where there is none.

    With details, also the numbers that only a run's pieces tell, and all intervals.
    """
    reference = (reference or default_reference()).for_protocol(run.protocol)
    summary = summarize(run.cells, reference)
    model, protocol = run.model, run.protocol
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.id,
        "model": {
            "name": model.name,
            "checkpoint_sha256": model.checkpoint_sha256,
            "weights": model.weights,
            "n_params": model.n_params,
            "n_classes": model.n_classes,
            "mean": list(model.mean),
            "std": list(model.std),
            "fingerprint": model.fingerprint,
        },
        "protocol": protocol_document(run),
        "n_images": protocol.n_images,
        "n_image_classes": details.n_image_classes if details else None,
        "n_skipped": max(len(run.skipped), protocol.skipped_images),
        "n_common_cells": summary.n_common_cells,
        "clean_error": summary.clean_error,
        "mean_corruption_error": summary.mean_corruption_error,
        "mce": summary.mce,
        "relative_mce": summary.relative_mce,
        "mean_error_19": summary.mean_error_19,
        "groups": dict(summary.groups),
        "corruptions": {
            name: {
                "error": one.error,
                "ce": one.ce,
                "relative_ce": one.relative_ce,
                "severities": list(one.severities),
                **(further_of_corruption(details, name) if details else {}),
            }
            for name, one in summary.corruptions.items()
        },
        **(further_document(details, summary) if details else {}),
        "reasons": {**summary.reasons, **(further_reasons(details, summary) if details else {})},
        "reference": {"name": reference.name, "protocol": reference.protocol},
        "near_chance": is_run_near_chance(run),
        "demonstration": (
            demonstration_sentence(protocol.n_images) if protocol.is_demonstration else None
        ),
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def protocol_document(run: Run) -> dict[str, Any]:
    """Name, fingerprint, and every field that the fingerprint is made of."""
    protocol = run.protocol
    return {
        "name": protocol.name,
        "fingerprint": protocol.fingerprint,
        "verified": not protocol.is_unverified,
        **protocol.fields(),
    }


def render_run(
    run: Run,
    format: str,
    reference: Reference | None = None,
    details: RunStatistics | None = None,
    *,
    intervals: bool = True,
) -> str:
    """The run as csv, json, markdown or latex, without a final line break.

    csv has a row for each corruption, one for clean, and a last one, `mean`, over the 15
    common corruptions, whose ce is mCE and whose relative_ce is relative mCE.

    Args:
        intervals: Whether the table has a column of them and the caption theirs, where there
            are details.
    """
    reference = (reference or default_reference()).for_protocol(run.protocol)
    if format == "json":
        return json_text(run_document(run, reference, details))
    summary = summarize(run.cells, reference)
    if format == "csv":
        own = {
            "run_id": run.id,
            "model": run.model.name,
            "protocol": run.protocol.name,
            "reference": reference.name,
        }
        rows = [
            {**own, **row}
            for row in (*corruption_rows(summary, details), *total_rows(summary, details))
        ]
        return render(rows, RAW_COLUMNS, "csv")
    common, extra = common_and_extra(summary, details)
    shown = details if intervals else None
    columns = _columns(shown)
    notes = [
        *head_lines(run),
        *foot_lines(summary, reference, details),
        *remark_lines(run, summary),
    ]
    title = _caption(run, summary, reference, shown) if format == "latex" else run.model.name
    blocks = [render(common, columns, format, title, notes=notes)]
    if extra:
        blocks.append(render(extra, columns, format, title=EXTRA_TITLE))
    return "\n\n".join(blocks)


def _caption(
    run: Run, summary: Summary, reference: Reference, details: RunStatistics | None
) -> str:
    """What must stand beside the table wherever it goes."""
    return ". ".join(
        [
            f"{run.model.name}, {run.protocol.name}, {as_count(run.protocol.n_images)} images",
            *(line.rstrip(".") for line in (*chance_lines(run), *warning_lines(run.protocol))),
            TABLE_TITLE,
            *headline_lines(summary, reference, details),
            *([f"In brackets: {as_share(details.level)} intervals"] if details else []),
        ]
    )


def _columns(details: RunStatistics | None) -> list[Column]:
    has_intervals = details is not None and bool(details.numbers.intervals)
    return [*COLUMNS, *([CE_INTERVAL] if has_intervals else [])]


def run_table(
    run: Run,
    reference: Reference | None = None,
    details: RunStatistics | None = None,
    *,
    width: int = 80,
) -> RenderableType:
    """The run for a terminal of that width: head, common and extra corruptions, foot."""
    from rich.console import Group

    reference = (reference or default_reference()).for_protocol(run.protocol)
    summary = summarize(run.cells, reference)
    common, extra = common_and_extra(summary, details)
    tables = partial(
        rich_tables, columns=_columns(details), width=width, n_fixed=1, section_by="group"
    )
    model, *head = head_lines(run)
    parts: list[RenderableType] = [
        text_line(model, style="bold"),
        *(text_line(line) for line in head),
    ]
    if common:
        parts += [text_line(), *tables(common, title=TABLE_TITLE)]
    if extra:
        parts += [text_line(), *tables(extra, title=EXTRA_TITLE)]
    parts += [text_line(), *(text_line(line) for line in foot_lines(summary, reference, details))]
    parts += [text_line(line, style="dim") for line in remark_lines(run, summary)]
    return Group(*parts)
