"""The Typer application that every command module adds its command to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from robustbench_gnl._version import __version__
from robustbench_gnl.cli._errors import error_boundary, escape_usage, exit_code_without_output
from robustbench_gnl.cli._output import print_text
from robustbench_gnl.cli._process import limit_terminal_size
from robustbench_gnl.suites import DEFAULT_SUITE


class BoundedGroup(TyperGroup):
    """Runs every command inside the error boundary, also in tests and embedded use."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Parse and run; Typer and rich print help and wrong usage from here, too."""
        limit_terminal_size()
        try:
            return super().main(*args, **options)
        except (SystemExit, OSError, ValueError) as error:
            code = exit_code_without_output(error)
            if code is None:
                raise
            raise SystemExit(code) from None

    def make_context(self, *args: Any, **options: Any) -> Any:
        with error_boundary(), _escaped_usage():  # --help and --version print from here
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with error_boundary(), _escaped_usage():
            return super().invoke(ctx)


@contextmanager
def _escaped_usage() -> Iterator[None]:
    """Escape the arguments that Typer quotes in its messages: they may hold control characters."""
    try:
        yield
    except Exception as error:
        escape_usage(error)
        raise


app = typer.Typer(
    name="gnlbench",
    cls=BoundedGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        f"Measure how well image classifiers withstand the common corruptions of "
        f"{DEFAULT_SUITE.title} and natural distribution shifts.\n\n"
        "Start with `gnlbench demo`; then "
        "`gnlbench eval --model NAME --ckpt FILE --data FOLDER` and `gnlbench leaderboard`."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(f"gnlbench {__version__}")
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
