"""Options that several commands share, each written once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STORE = Path("results") / "gnlbench.sqlite"


class Format(StrEnum):
    """How data is printed to stdout."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"


StoreOption = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="GNLBENCH_DB",
        metavar="PATH|URL",
        help="The store: a SQLite file or an SQLAlchemy URL.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print.")]
