"""The Typer application that every command module adds its command to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from robustbench_gnl import __version__
from robustbench_gnl.cli._errors import error_boundary


class BoundedGroup(TyperGroup):
    """Runs every command inside the error boundary, also in tests and embedded use."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with error_boundary():  # --help and --version print from here
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with error_boundary():
            return super().invoke(ctx)


app = typer.Typer(
    name="gnlbench",
    cls=BoundedGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Measure how well image classifiers survive the common corruptions of ImageNet-C.\n\n"
        "Start with `gnlbench demo`; then "
        "`gnlbench eval --model NAME --ckpt FILE --data FOLDER` and `gnlbench leaderboard`."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gnlbench {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version
