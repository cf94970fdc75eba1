"""The explanation of a run: each metric with its formula, interval and source."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.document import Document, Entries, Entry, Heading, Notes, Records
from robustbench_gnl.reports.formulas import Explanation, explanations
from robustbench_gnl.reports.run_summary import about_run
from robustbench_gnl.reports.sentences import reference_sentences

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RunStatistics

RECORD_COLUMNS = (
    *("number", "value", "unit", "shown", "meaning", "formula", "worked", "interval_shown"),
    *("reason", "remark", "source", "reference"),
)


def explanation_document(run: Run, reference: Reference, details: RunStatistics) -> Document:
    """The explanations of all metrics of a run, from one cell up to mCE."""
    found = explanations(run, reference, details)
    title = f"The numbers of {run.model.name}"
    model, *about = about_run(run)
    entries = Entries(
        tuple(_entry(one) for one in found),
        caption=". ".join([title, *reference_sentences(reference.name)]),
        tabular=("formula", "worked", "source"),
    )
    data = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.id,
        "model": run.model.name,
        "protocol": {"name": run.protocol.name, "fingerprint": run.protocol.fingerprint},
        "reference": reference.name,
        "numbers": [asdict(one) for one in found],
    }
    records = [{**asdict(one), "reference": reference.name} for one in found]
    return Document(
        title,
        (Heading(model), Notes(tuple(about)), entries),
        data,
        Records(RECORD_COLUMNS, records),
    )


def _entry(one: Explanation) -> Entry:
    fields = {
        "meaning": one.meaning,
        "formula": one.formula,
        "worked": one.worked,
        "interval": one.interval_text,
        "no value" if one.value is None else "no interval": one.reason,
        "remark": one.remark,
        "source": one.source,
    }
    shown = {label: text for label, text in fields.items() if text}
    return Entry(one.label, one.shown, shown, remark=one.remark or "")
