"""Each number of a run: its formula, the same with the run's numbers, its interval, its source."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.records import SCHEMA_VERSION, Run
from robustbench_gnl.reports.documents import json_text
from robustbench_gnl.reports.explain_errors import explain_errors
from robustbench_gnl.reports.explain_further import explain_further
from robustbench_gnl.reports.explanation import Explained, Explanation
from robustbench_gnl.reports.markdown import markdown_text
from robustbench_gnl.reports.run_parts import head_lines, reference_sentence
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import text_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import RunStatistics

LATEX_COLUMNS = (
    Column("label", "number", "left"),
    *(Column(key, key, "left") for key in ("shown", "formula", "worked", "source")),
)
CSV_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "number",
        "value",
        "unit",
        "shown",
        "meaning",
        "formula",
        "worked",
        "interval_shown",
        "reason",
        "remark",
        "source",
        "reference",
    )
)


def explanations(run: Run, reference: Reference, details: RunStatistics) -> list[Explanation]:
    """Every number, from one cell up to mCE, and what stands beside it."""
    one = Explained(run, reference, details)
    return [*explain_errors(one), *explain_further(one)]


def explain_document(run: Run, reference: Reference, details: RunStatistics) -> dict[str, Any]:
    """All explanations as JSON: raw values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.id,
        "model": run.model.name,
        "protocol": {"name": run.protocol.name, "fingerprint": run.protocol.fingerprint},
        "reference": reference.name,
        "numbers": [asdict(one) for one in explanations(run, reference, details)],
    }


def render_explanations(run: Run, format: str, reference: Reference, details: RunStatistics) -> str:
    """All explanations as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json_text(explain_document(run, reference, details))
    found = explanations(run, reference, details)
    if format == "markdown":
        head = "\n".join(f"- {markdown_text(line)}" for line in head_lines(run))
        blocks = [f"### {markdown_text(run.model.name)}\n\n{head}"]
        for one in found:
            lines = "\n".join(
                f"- {markdown_text(f'{label}: {text}')}" for label, text in _lines(one)
            )
            blocks.append(f"#### {markdown_text(f'{one.label}: {one.shown}')}\n{lines}")
        return "\n\n".join(blocks)
    rows = [{**asdict(one), "label": one.label, "reference": reference.name} for one in found]
    if format == "csv":
        return render(rows, CSV_COLUMNS, "csv")
    for row in rows:
        row["shown"] = "; ".join(filter(None, (row["shown"], row["remark"])))
    title = f"The numbers of {run.model.name}. {reference_sentence(reference.name)}"
    return render(rows, LATEX_COLUMNS, format, title, notes=head_lines(run))


def explain_parts(run: Run, reference: Reference, details: RunStatistics) -> list[RenderableType]:
    """All explanations for a terminal."""
    from rich.padding import Padding

    parts: list[RenderableType] = [text_line(line) for line in head_lines(run)]
    for one in explanations(run, reference, details):
        parts += [text_line(), text_line(f"{one.label}: {one.shown}", style="bold")]
        parts += [
            Padding(text_line(f"{label}: {text}"), (0, 0, 0, 2), expand=False)
            for label, text in _lines(one)
        ]
    return parts


def _lines(one: Explanation) -> list[tuple[str, str]]:
    lines = [("what", one.meaning), ("formula", one.formula), ("here", one.worked)]
    if one.interval_shown:
        lines.append(("interval", one.interval_shown))
    if one.reason:
        lines.append(("no interval" if one.value is not None else "none", one.reason))
    if one.remark:
        lines.append(("remark", one.remark))
    return [*lines, *([("source", one.source)] if one.source else [])]
