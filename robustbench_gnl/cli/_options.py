"""Options that several commands share, each written once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from corruptions import ENGINES
from robustbench_gnl.suites import DEFAULT_SUITE

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
        help="Store of the results: a SQLite file or an SQLAlchemy URL.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="Output format.")]
REFERENCE_NAME = DEFAULT_SUITE.reference.name if DEFAULT_SUITE.reference else "none"
DEFAULT_JPEG_QUALITY = DEFAULT_SUITE.input.jpeg_quality or 0
"""Of images that are corrupted here: that of the benchmark."""
MOST_WORKERS = 1024  # more is a typing error: no machine has as many processors
WORKERS_HELP = "Processes that decode and corrupt the images; default: one per processor."
ENGINE_HELP = (
    "Corruption engine: gnlbench, faithful to the released images, or the package imagecorruptions."
)
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_WORKERS,
        help=WORKERS_HELP,
    ),
]
SEED_HELP = "Seed of the corruptions."
FIRST_IMAGES = "only the first N images in the order of their keys (class folder and file name)."
SeedOption = Annotated[int, typer.Option(help=SEED_HELP)]
EngineOption = Annotated[
    str,
    typer.Option(
        metavar="|".join(ENGINES),
        help=ENGINE_HELP,
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="Errors of the reference model that CE divides by, instead of "
        f"{REFERENCE_NAME}'s: a CSV file as written by `gnlbench runs show --format csv`.",
    ),
]
LevelOption = Annotated[
    float, typer.Option(metavar="0-1", help="Confidence level of the intervals.")
]
IntervalsOption = Annotated[bool, typer.Option("--ci/--no-ci", help="Show confidence intervals.")]
