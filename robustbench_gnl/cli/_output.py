"""Output: data to stdout, messages to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from robustbench_gnl.errors import as_options
from robustbench_gnl.text import printable

if TYPE_CHECKING:
    from robustbench_gnl.reports.document import Document
    from robustbench_gnl.store import Store


def emit(document: Document, format: str) -> None:
    """Print a report to stdout in a format of `--format`; nothing where it is empty."""
    from robustbench_gnl.reports.render import render

    text = render(document, format)
    if text:
        print_text(text)


def print_text(text: str) -> None:
    """Print to stdout."""
    typer.echo(text)


def say(message: str) -> None:
    """Print a message of one line to stderr; stdout is for data."""
    # Errors name arguments as Python has them; here they become options.
    typer.echo(printable(as_options(message)), err=True)


def no_runs_in(store: Store) -> str:
    """`no runs in gnlbench.sqlite yet`, and whether there is such a store."""
    return f"no runs in {store.name} yet" + (
        "" if store.exists else " (it does not exist, or is empty)"
    )
