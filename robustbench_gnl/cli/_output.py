"""Tables to stdout: as wide as the terminal, or as wide as they need to be in a pipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

UNLIMITED_WIDTH = 10_000
"""A file or a pipe is as wide as its longest line."""


def print_parts(parts_for: Callable[[int], Iterable[RenderableType]]) -> None:
    """Print what `parts_for(width)` gives. Through a capture, since rich would exit with 1 if
    `head` had enough while it printed by itself."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    with console.capture() as capture:
        for part in parts_for(console.width):
            console.print(part)
    typer.echo(capture.get(), nl=False)


def print_json(document: Any) -> None:
    """One JSON document to stdout; numbers that are not finite are a fault of ours."""
    import json

    typer.echo(json.dumps(document, indent=2, allow_nan=False))
