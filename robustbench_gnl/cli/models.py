"""`gnlbench models`: the names that --model takes."""

from __future__ import annotations

from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import Format, FormatOption
from robustbench_gnl.cli._output import emit, say

LONGEST_PATTERN = 1000
HELP = (
    "List the models that --model takes: GroupNL's, and timm's and torchvision's by pattern.\n\n"
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
    from robustbench_gnl.reports.lists import model_list

    # Longer than any name: looking for it would take longer than anyone waits.
    names = list_models(pattern) if len(pattern) <= LONGEST_PATTERN else []
    if not names and format is not Format.json:
        say(f"No network is named {pattern!r}; try: gnlbench models '*{pattern}*'")
        return
    emit(model_list(names), format)
