"""The report of one run: errors by corruption and severity, headline metrics, and origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustbench_gnl.metrics import (
    FRACTION,
    Summary,
    overall_metrics,
    summarize,
)
from robustbench_gnl.metrics.catalogue import (
    CE,
    CORRUPTION_ERROR,
)
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.document import (
    Block,
    Column,
    Document,
    Heading,
    Notes,
    Records,
    Table,
)
from robustbench_gnl.reports.formatting import as_interval, as_share
from robustbench_gnl.reports.run_data import (
    corruption_rows,
    record_columns,
    run_data,
    severity_keys,
    total_rows,
)
from robustbench_gnl.reports.run_summary import (
    about_run,
    headline,
    number_lines,
    origin,
    remarks,
)
from robustbench_gnl.reports.sentences import (
    chance_sentences,
    protocol_warnings,
)
from robustbench_gnl.suites import Suite
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

CE_INTERVAL = Column("ce_interval", "interval", format=as_interval(CE.unit.number))


def runs_document(documents: Sequence[Document]) -> Document:
    """One document for several runs; that of a single run is returned unchanged."""
    if len(documents) == 1:
        return documents[0]
    # Runs of several suites have different columns; CSV has all of them.
    columns = dict.fromkeys(key for one in documents for key in one.records.columns)
    return Document(
        ", ".join(one.title for one in documents),
        tuple(block for one in documents for block in one.blocks),
        {"schema_version": SCHEMA_VERSION, "runs": [one.data for one in documents]},
        Records(tuple(columns), [row for one in documents for row in one.records.rows]),
    )


def run_document(
    run: Run,
    reference: Reference | None = None,
    details: RunStatistics | None = None,
    *,
    intervals: bool = True,
    n_pieces: int | None = None,
) -> Document:
    """The report of one run; with `details`, also calibration, likelihoods and intervals.

    The records have one row for each corruption, one for `clean`, and one for their `mean`, in
    which `ce` is mCE and `relative_ce` is relative mCE.

    Args:
        reference: The reference whose errors CE divides by; None: that of the suite.
        intervals: Whether the table has a column of intervals, if there are details.
        n_pieces: Number of stored pieces; None: the origin of the run is left out.
    """
    reference = (reference or default_reference()).for_protocol(run.protocol)
    summary = summarize(run.cells, reference)
    data = run_data(run, summary, reference, details)
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
    rows = [*corruption_rows(summary, details), *total_rows(summary, details)]
    records = Records(record_columns(summary.suite), [{**about, **row} for row in rows])
    return Document(run.model.name, tuple(blocks), data, records)


def _blocks(
    run: Run,
    summary: Summary,
    reference: Reference,
    details: RunStatistics | None,
    *,
    intervals: bool,
) -> list[Block]:
    # A column of dashes says less than its absence, whose reason is in the notes.
    shown = details if intervals and details and details.numbers.intervals else None
    model, *about = about_run(run)
    blocks: list[Block] = [Heading(model), Notes(tuple(about))]
    caption = _caption(run, summary, reference, shown)
    if summary.suite.has_severities:
        blocks += _corruption_tables(summary, details, caption, has_intervals=shown is not None)
    else:
        blocks.append(_table_of_metrics(summary, details, caption, has_intervals=shown is not None))
    blocks.append(Notes(tuple(number_lines(summary, reference, details))))
    if lines := remarks(run, summary):
        blocks.append(Notes(tuple(lines), is_aside=True))
    return blocks


def _corruption_tables(
    summary: Summary, details: RunStatistics | None, caption: str, *, has_intervals: bool
) -> list[Block]:
    suite, rows = summary.suite, corruption_rows(summary, details)
    columns = (
        Column("corruption", "corruption", "left", is_key=True),
        Column("group", "group", "left", droppable="group"),
        *(
            Column(key, str(severity), format=FRACTION.number)
            for key, severity in severity_keys(suite).items()
        ),
        Column(CORRUPTION_ERROR.key, "mean", format=CORRUPTION_ERROR.unit.number),
        Column(CE.key, CE.label, format=CE.unit.number),
        *([CE_INTERVAL] if has_intervals else []),
    )
    common = tuple(row for row in rows if row["corruption"] in suite.corruptions)
    extra = tuple(row for row in rows if row["corruption"] in suite.extra_corruptions)
    extra_title = f"Extra corruptions: part of no mean over the {len(suite.corruptions)}"
    tables = [Table(columns, common, _table_title(suite), caption, section_by="group")]
    tables += [Table(columns, extra, extra_title, section_by="group")]
    return [table for table in tables if table.rows]


def _table_of_metrics(
    summary: Summary, details: RunStatistics | None, caption: str, *, has_intervals: bool
) -> Block:
    """One row with all metrics, of a suite with a single condition."""
    numbers = details.numbers if details else None
    values = {**summary.values, **(numbers.values if numbers else {})}
    known = [one for one in overall_metrics(summary.suite) if values.get(one.key) is not None]
    columns = (
        Column("images", "data set", "left", is_key=True),
        *(Column(one.key, one.title, format=one.unit.number) for one in known),
    )
    intervals = {(0, key): one for key, one in numbers.intervals.items()} if numbers else {}
    row = {"images": summary.suite.title, **values}
    return Table(
        columns,
        (row,),
        _table_title(summary.suite),
        caption,
        intervals=intervals if has_intervals else {},
    )


def _table_title(suite: Suite) -> str:
    if not suite.has_severities:
        return f"Metrics on {suite.title}"
    return f"Top-1 error in percent at severity {suite.severity_span()}, their mean, and CE"


def _caption(
    run: Run, summary: Summary, reference: Reference, details: RunStatistics | None
) -> str:
    """What a reader must know if the table is copied without the text around it."""
    warnings = [*chance_sentences(run), *protocol_warnings(run.protocol)]
    parts = [
        f"{run.model.name}, {run.protocol.name}, {counted(run.protocol.n_images, 'image')}",
        *(line.rstrip(".") for line in warnings),
        _table_title(summary.suite),
        *headline(summary, reference, details),
        *([f"In brackets: {as_share(details.level)} intervals"] if details else []),
    ]
    return ". ".join(parts)
