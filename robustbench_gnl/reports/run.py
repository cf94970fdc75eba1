"""One run: its errors by corruption and severity, its headline numbers, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.leaderboard import is_run_near_chance
from robustbench_gnl.metrics import Interval, Summary, summarize
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Heading,
    Notes,
    Records,
    Row,
    Table,
)
from robustbench_gnl.reports.formatting import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_percent,
    as_share,
)
from robustbench_gnl.reports.metric_labels import FURTHER, HEADLINE, KINDS
from robustbench_gnl.reports.run_summary import (
    about_run,
    headline,
    n_skipped,
    number_lines,
    origin,
    remarks,
    worst_of_all,
)
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    demonstration_sentence,
    protocol_warnings,
)

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

SEVERITIES = {f"severity_{severity}": severity for severity in corruptions.SEVERITIES}
"""Keys of the columns, and the severity of each."""
COLUMNS = (
    Column("corruption", "corruption", "left", is_key=True),
    Column("group", "group", "left", droppable="group"),
    *(Column(key, str(one), format=as_fraction_percent) for key, one in SEVERITIES.items()),
    Column("error", "mean", format=as_fraction_percent),
    Column("ce", "CE", format=as_percent),
)
CE_INTERVAL = Column("ce_interval", "interval", format=as_interval(as_percent))
RECORD_COLUMNS = (
    *("run_id", "model", "protocol", "reference"),  # so that files of several runs can be joined
    *(column.key for column in COLUMNS),
    *("relative_ce", "error_low", "error_high", "ce_low", "ce_high"),
    *KINDS,
    *(f"{key}_{end}" for key in SEVERITIES for end in ("low", "high")),
)
TABLE_TITLE = "Top-1 error in percent at severity 1 to 5, their mean, and CE"
EXTRA_TITLE = "Extra corruptions: part of no mean over the 15"


def runs_document(documents: Sequence[Document]) -> Document:
    """Documents of single runs as one; a single one is itself."""
    if len(documents) == 1:
        return documents[0]
    return Document(
        ", ".join(one.title for one in documents),
        tuple(block for one in documents for block in one.blocks),
        {"schema_version": SCHEMA_VERSION, "runs": [one.data for one in documents]},
        Records(RECORD_COLUMNS, [row for one in documents for row in one.records.rows]),
    )


def run_document(
    run: Run,
    reference: Reference | None = None,
    details: RunStatistics | None = None,
    *,
    intervals: bool = True,
    n_pieces: int | None = None,
) -> Document:
    """One run; with details, also the numbers that only its pieces tell, and all intervals.

    The records have a row for each corruption, one for clean, and a last one, `mean`, over the
    15 common corruptions, whose ce is mCE and whose relative_ce is relative mCE.

    Args:
        reference: Whose errors CE divides by; None: AlexNet.
        intervals: Whether the table has a column of them, where there are details.
        n_pieces: How many the store has; None: nothing is said of how the run was made.
    """
    reference = (reference or default_reference()).for_protocol(run.protocol)
    summary = summarize(run.cells, reference)
    data = _data(run, summary, reference, details)
    blocks = _blocks(run, summary, reference, details, intervals=intervals)
    if n_pieces is not None:
        data |= {
            "block_size": run.block_size,
            "n_pieces": n_pieces,
            "n_unfinished_cells": run.n_unfinished_cells,
            "seconds": run.seconds,
            "tags": list(run.tags),
            "environment": dict(run.environment),
            "skipped": dict(run.skipped),
        }
        blocks.append(Notes(tuple(origin(run, n_pieces))))
    about = {
        "run_id": run.id,
        "model": run.model.name,
        "protocol": run.protocol.name,
        "reference": reference.name,
    }
    rows = [*_corruption_rows(summary, details), *_total_rows(summary, details)]
    records = Records(RECORD_COLUMNS, [{**about, **row} for row in rows])
    return Document(run.model.name, tuple(blocks), data, records)


def _data(
    run: Run, summary: Summary, reference: Reference, details: RunStatistics | None
) -> dict[str, Any]:
    """Raw numbers, None where there is none."""
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
        "protocol": {
            "name": protocol.name,
            "fingerprint": protocol.fingerprint,
            "verified": not protocol.is_unverified,
            **protocol.fields(),
        },
        "n_images": protocol.n_images,
        "n_image_classes": details.n_image_classes if details else None,
        "n_skipped": n_skipped(run),
        "n_common_cells": summary.n_common_cells,
        **{path: getattr(summary, path) for path in HEADLINE},
        "groups": dict(summary.groups),
        "corruptions": {
            name: {
                "error": one.error,
                "ce": one.ce,
                "relative_ce": one.relative_ce,
                "severities": list(one.severities),
                **(_kinds_by_severity(details, name) if details else {}),
            }
            for name, one in summary.corruptions.items()
        },
        **(_details_data(details, summary) if details else {}),
        "reasons": {**summary.reasons, **(_further_reasons(details, summary) if details else {})},
        "reference": {"name": reference.name, "protocol": reference.protocol},
        "near_chance": is_run_near_chance(run),
        "demonstration": (
            demonstration_sentence(protocol.n_images) if protocol.is_demonstration else None
        ),
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _details_data(details: RunStatistics, summary: Summary) -> dict[str, Any]:
    """The further numbers of a run, with the intervals of all of them."""
    numbers = details.numbers
    return {
        **{path: numbers.values.get(path) for path in FURTHER},
        "effective_robustness_line": str(details.trend) if details.trend else None,
        "worst_corruption": worst_of_all(summary),
        "worst_class": asdict(details.worst_class) if details.worst_class else None,
        "intervals": {path: asdict(interval) for path, interval in numbers.intervals.items()},
        "interval_reasons": dict(numbers.reasons),
        "remarks": dict(details.remarks),
    }


def _further_reasons(details: RunStatistics, summary: Summary) -> dict[str, str]:
    why = summary.reasons.get("mean_corruption_error")
    return {**details.reasons, **({"worst_corruption": why} if why else {})}


def _kinds(details: RunStatistics, name: str) -> dict[str, Any]:
    """The further numbers of one corruption: means over its severities."""
    return {kind: details.numbers.values.get(f"corruptions.{name}.{kind}") for kind in KINDS}


def _kinds_by_severity(details: RunStatistics, name: str) -> dict[str, Any]:
    values = details.numbers.values
    return _kinds(details, name) | {
        f"{kind}_severities": [
            values.get(f"corruptions.{name}.severities.{severity}.{kind}")
            for severity in corruptions.SEVERITIES
        ]
        for kind in KINDS
    }


def _ends(key: str, interval: Interval | None) -> Row:
    return {f"{key}_low": interval and interval.low, f"{key}_high": interval and interval.high}


def _corruption_rows(summary: Summary, details: RunStatistics | None) -> list[Row]:
    """A row for each corruption that was evaluated, in the order of the paper."""
    intervals = details.numbers.intervals if details else {}
    rows: list[Row] = []
    for name, one in summary.corruptions.items():
        if one.error is None:
            continue
        path = f"corruptions.{name}"
        row: dict[str, Any] = {
            **(_kinds(details, name) if details else {}),
            "corruption": name,
            "group": corruptions.group_of(name),
            "error": one.error,
            "ce": one.ce,
            "relative_ce": one.relative_ce,
            "ce_interval": intervals.get(f"{path}.ce"),
            **_ends("error", intervals.get(f"{path}.error")),
            **_ends("ce", intervals.get(f"{path}.ce")),
        }
        for (key, severity), error in zip(SEVERITIES.items(), one.severities, strict=True):
            row |= {key: error, **_ends(key, intervals.get(f"{path}.severities.{severity}"))}
        rows.append(row)
    return rows


def _total_rows(summary: Summary, details: RunStatistics | None) -> list[Row]:
    values = details.numbers.values if details else {}
    intervals = details.numbers.intervals if details else {}

    def kinds(which: str) -> Row:
        return {kind: values.get(f"{which}_{kind}") for kind in KINDS}

    return [
        {
            "corruption": "clean",
            "group": "clean",
            "error": summary.clean_error,
            **_ends("error", intervals.get("clean_error")),
            **kinds("clean"),
        },
        {
            "corruption": "mean",
            "group": "common",
            "error": summary.mean_corruption_error,
            "ce": summary.mce,
            "relative_ce": summary.relative_mce,
            **_ends("error", intervals.get("mean_corruption_error")),
            **_ends("ce", intervals.get("mce")),
            **kinds("mean"),
        },
    ]


def _blocks(
    run: Run,
    summary: Summary,
    reference: Reference,
    details: RunStatistics | None,
    *,
    intervals: bool,
) -> list[Block]:
    rows = _corruption_rows(summary, details)
    common = tuple(row for row in rows if row["group"] != "extra")
    extra = tuple(row for row in rows if row["group"] == "extra")
    shown = details if intervals and details and details.numbers.intervals else None
    columns = (*COLUMNS, CE_INTERVAL) if shown else COLUMNS
    caption = _caption(run, summary, reference, shown)
    model, *about = about_run(run)
    blocks: list[Block] = [Heading(model), Notes(tuple(about))]
    if common:
        blocks.append(Table(columns, common, TABLE_TITLE, caption, section_by="group"))
    if extra:
        blocks.append(Table(columns, extra, EXTRA_TITLE, section_by="group"))
    blocks.append(Notes(tuple(number_lines(summary, reference, details))))
    if lines := remarks(run, summary):
        blocks.append(Notes(tuple(lines), is_aside=True))
    return blocks


def _caption(
    run: Run, summary: Summary, reference: Reference, details: RunStatistics | None
) -> str:
    """What must stand beside the table wherever it goes."""
    warnings = [*chance_sentences(run), *protocol_warnings(run.protocol)]
    parts = [
        f"{run.model.name}, {run.protocol.name}, {as_count(run.protocol.n_images)} images",
        *(line.rstrip(".") for line in warnings),
        TABLE_TITLE,
        *headline(summary, reference, details),
        *([f"In brackets: {as_share(details.level)} intervals"] if details else []),
    ]
    return ". ".join(parts)
