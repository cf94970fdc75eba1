"""Documents as text: one renderer a format, which knows nothing of what a document is about.

    render(document, "markdown")

A renderer is loaded when it is used: pandas serves Markdown and LaTeX alone.
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
"""The formats of every document: module and function of its renderer."""
CHECK_FORMATS: Mapping[str, str] = {
    "junit": "ci.junit_xml",
    "github": "ci.github_annotations",
}
"""Those of a document with checks besides."""


def render(document: Document, format: str, *, width: int | None = None) -> str:
    """The document in a format, without a final line break.

    Args:
        width: Of a terminal, in characters; None: that of the one that is there, and without one
            as wide as the widest line.

    Raises:
        UsageError: There is no such format of this document.
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
