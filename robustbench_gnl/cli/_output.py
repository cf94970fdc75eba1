"""What goes to stdout, which is for data, and to stderr, which is for messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

from robustbench_gnl.errors import as_options
from robustbench_gnl.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.store import Store

UNLIMITED_WIDTH = 10_000
"""A file or a pipe is as wide as its longest line."""


def print_parts(parts_for: Callable[[int], Iterable[RenderableType]]) -> None:
    """Print what `parts_for(width)` gives. Through a capture, since rich would exit with 1 if
    `head` had enough while it printed by itself."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    with console.capture() as capture:
        for part in parts_for(console.width):
            console.print(part)
    typer.echo(capture.get(), nl=False)


def print_text(text: str) -> None:
    """What a report rendered, or a line of ours, to stdout."""
    typer.echo(text)


def print_json(document: Any) -> None:
    """One JSON document to stdout."""
    from robustbench_gnl.reports.documents import json_text

    print_text(json_text(document))


def say(message: str) -> None:
    """A message of one line to the user: never to stdout, which is for data."""
    typer.echo(printable(as_options(message)), err=True)


def no_runs_in(store: Store) -> str:
    """`no runs in gnlbench.sqlite yet`, and whether there is such a store."""
    return f"no runs in {store.name} yet" + ("" if store.exists else " (it does not exist)")


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,000 images`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
