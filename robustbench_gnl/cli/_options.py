"""Options that several commands share, each written once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from corruptions import ENGINES

DEFAULT_STORE = Path("results") / "gnlbench.sqlite"


class Format(StrEnum):
    """How data is printed to stdout."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"
    html = "html"


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
MOST_WORKERS = 1024  # what no machine has use for; a slip of the finger asks for more
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_WORKERS,
        help="Processes that make the images; default: one a processor.",
    ),
]
SeedOption = Annotated[int, typer.Option(help="Of the corruptions' random draws.")]
EngineOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(ENGINES),
        help="Who makes the corruptions: gnlbench, faithful to the release, or the package "
        "imagecorruptions.",
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="Errors to divide by instead of AlexNet's: a CSV such as `runs show --format csv`.",
    ),
]
LevelOption = Annotated[
    float, typer.Option(metavar="0-1", help="Confidence level of the intervals.")
]
IntervalsOption = Annotated[bool, typer.Option("--ci/--no-ci", help="Show a column of intervals.")]
DEFAULT_LEVEL = 0.95  # as `statistics.LEVEL`, which would load NumPy here
