"""Rendering of documents: one module for each output format.

    render(document, "markdown")

Renderers are imported when they are used, since only Markdown and LaTeX need pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from robustbench_gnl.errors import UsageError

if TYPE_CHECKING:
    from robustbench_gnl.reports.document import Document

FORMATS: Mapping[str, str] = {
    "table": "terminal.terminal_text",
    "json": "data.json_document",
    "csv": "data.csv_text",
    "markdown": "markdown.markdown_document",
    "latex": "latex.latex_document",
    "html": "html.html_page",
}
"""Formats of all documents, with the module and function that render them."""
CHECK_FORMATS: Mapping[str, str] = {
    "junit": "ci.junit_xml",
    "github": "ci.github_annotations",
}
"""Additional formats of documents with checks."""


def render(document: Document, format: str, *, width: int | None = None) -> str:
    """The document as text, without a final line break.

    Args:
        width: Width of the terminal in characters; None: that of the current terminal, or
            unlimited if stdout is not one.

    Raises:
        UsageError: The document does not have this format.
    """
    known = {**FORMATS, **(CHECK_FORMATS if document.checks else {})}
    if format not in known:
        raise UsageError(
            f"unknown format {format!r}; expected one of {', '.join(known)}", format=format
        )
    module, function = known[format].split(".")
    renderer = getattr(import_module(f"{__name__}.{module}"), function)
    text: str = renderer(document, width) if format == "table" else renderer(document)
    return text
