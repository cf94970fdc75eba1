"""`gnlbench models`: the names that --model takes."""

from __future__ import annotations

from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import Format, FormatOption
from robustbench_gnl.cli._output import emit, say

LONGEST_PATTERN = 1000
HELP = (
    "List the names that --model takes: of GroupNL, timm and torchvision.\n\n"
    "A pattern with a dot also matches the tags of timm, which name published weights; one that "
    "begins with `torchvision:` matches the models of torchvision.\n\n"
    "Examples: `gnlbench models 'resnet50*'`, `gnlbench models '*.a1_in1k'`, "
    "`gnlbench models 'torchvision:*'`"
)


@app.command(help=HELP)
def models(
    pattern: Annotated[
        str, typer.Argument(help="Pattern with * and ?, as in a shell; default: GroupNL networks.")
    ] = "*gnl*",
    format: FormatOption = Format.table,
) -> None:
    from robustbench_gnl.models import list_models
    from robustbench_gnl.reports.lists import model_list

    # A longer pattern matches no name, and searching for it may take hours.
    names = list_models(pattern) if len(pattern) <= LONGEST_PATTERN else []
    if not names and format is not Format.json:
        hint = "" if "*" in pattern else f"; try: gnlbench models '*{pattern}*'"
        say(f"No model is named {pattern!r}{hint}")
        return
    emit(model_list(names), format)
