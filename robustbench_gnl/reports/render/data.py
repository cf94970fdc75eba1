"""Rendering for programs: JSON and CSV with raw values."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from robustbench_gnl.reports.document import Document
from robustbench_gnl.reports.formatting import as_text
from robustbench_gnl.text import printable


def json_document(document: Document) -> str:
    """The JSON object of a document."""
    return json_text(document.data)


def json_text(data: Any) -> str:
    """JSON text in ASCII.

    JSON has no infinity and no NaN: such a number becomes null, with a reason under its path in
    `reasons`.
    """
    try:
        return json.dumps(data, indent=2, allow_nan=False)
    except ValueError:
        reasons: dict[str, str] = {}
        data = finite(data, reasons)
        if isinstance(data, dict):
            data["reasons"] = {**data.get("reasons", {}), **reasons}
        return json.dumps(data, indent=2, allow_nan=False)


def finite(value: Any, reasons: dict[str, str], path: str = "") -> Any:
    """The value with None for each number that is not finite; `reasons` says so under its path."""
    if isinstance(value, float) and not math.isfinite(value):
        reasons[path] = f"it is not a finite number ({value})"
        return None
    below = f"{path}." if path else ""
    if isinstance(value, Mapping):
        return {key: finite(one, reasons, f"{below}{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one, reasons, f"{below}{i}") for i, one in enumerate(value)]
    return value


def csv_text(document: Document) -> str:
    """The records of a document with a header line."""
    columns, file = document.records.columns, io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [_csv_value(row.get(column)) for column in columns] for row in document.records.rows
    )
    return file.getvalue().rstrip("\n")


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""Start of text that spreadsheets run as a formula, full-width signs included."""
_NO_FORMULA = re.compile(
    r"-|[+-]?[\d,]+(\.\d+)?(e[+-]?\d+)?( to [+-]?[\d,]+(\.\d+)?, [\d.]+ %: [^=+\-@|!]*)?",
    re.IGNORECASE,
)
"""A dash, a number, or an interval with its method: harmless despite its first character."""


def _csv_value(value: Any) -> Any:
    """Numbers unchanged; an apostrophe before text that a spreadsheet would run as a formula."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if not isinstance(value, (str, list, tuple)):
        return value
    text = printable(as_text(value))
    is_formula = _FORMULA.match(text) and not _NO_FORMULA.fullmatch(text)
    return f"'{text}" if is_formula else text
