"""`gnlbench models`: the names that --model takes."""

from __future__ import annotations

from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import Format, FormatOption
from robustbench_gnl.cli._output import print_json, print_text, say
from robustbench_gnl.records import SCHEMA_VERSION

LONGEST_PATTERN = 1000
HELP = (
    "List the networks that --model takes: ours, and timm's and torchvision's by pattern.\n\n"
    "A pattern with a dot also finds timm's tags, which tell published weights apart; one that "
    "begins with torchvision finds torchvision's.\n\n"
    "Examples: `gnlbench models 'resnet50*'`, `gnlbench models '*.a1_in1k'`, "
    "`gnlbench models 'torchvision:*'`"
)


@app.command(help=HELP)
def models(
    pattern: Annotated[
        str, typer.Argument(help="As in a shell: * and ?. Default: the GroupNL networks.")
    ] = "*gnl*",
    format: FormatOption = Format.table,
) -> None:
    from robustbench_gnl.models import list_models

    # Longer than any name: looking for it would take longer than anyone waits.
    names = list_models(pattern) if len(pattern) <= LONGEST_PATTERN else []
    if format is Format.json:
        print_json({"schema_version": SCHEMA_VERSION, "models": names})
        return
    if not names:
        say(f"No network is named {pattern!r}; try: gnlbench models '*{pattern}*'")
        return
    if format is not Format.table:
        from robustbench_gnl.reports import Column, render

        rows = [{"model": name} for name in names]
        print_text(render(rows, [Column("model", "model")], format.value))
        return
    print_text("\n".join(names))
