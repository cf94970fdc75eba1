"""The one boundary where errors become a sentence on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from corruptions import CorruptionError, EngineUnavailableError
from robustbench_gnl.errors import GnlbenchError, UsageError

EXIT_FAULT = 70
EXIT_OUTPUT = 5  # a disk is full, or memory, though it is not the store's
OUTPUT_FAILS = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EBADF)
OUT_OF_MEMORY = ("failed to map segment", "cannot allocate memory")
"""What the loader of the operating system says of a library that does not fit."""
EXIT_INTERRUPTED = 130


@contextmanager
def error_boundary() -> Iterator[None]:
    """Turn what a command raises into one message and the exit code of its kind."""
    try:
        yield
    except GnlbenchError as error:
        _fail(str(error), error.exit_code)
    except EngineUnavailableError as error:
        _fail(str(error), UsageError.exit_code)
    except CorruptionError as error:
        _fail(str(error), UsageError.exit_code)
    except KeyboardInterrupt:
        again = "the same command without --rerun" if "--rerun" in sys.argv else "the same command"
        _fail(
            f"interrupted; what was finished is kept, and {again} goes on where this one stopped",
            EXIT_INTERRUPTED,
        )
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough. Point stdout elsewhere, or the
        # interpreter complains once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(0) from None
    except (typer.Exit, typer.Abort):
        raise
    except OSError as error:
        _fail_if_short(error)
        if error.errno not in OUTPUT_FAILS or error.filename is not None:
            _fault(error)
        _fail(
            f"the output cannot be written: {error.strerror}; make room, or send it elsewhere",
            EXIT_OUTPUT,
        )
    except Exception as error:
        if _is_of_the_command_line(error):
            raise
        _fail_if_short(error)
        _fault(error)


def _fail_if_short(error: Exception) -> None:
    """End the command where the machine gives it no more files or memory, which is no fault of
    the program, wherever it happens: a library that cannot be loaded is short of memory too."""
    cause: BaseException | None = error
    while cause is not None:
        number = getattr(cause, "errno", None)
        if number in (errno.EMFILE, errno.ENFILE):
            _fail(
                "too many open files: this process may open no more; raise the limit "
                "(`ulimit -n 256`), or end other programs",
                EXIT_OUTPUT,
            )
        words = str(cause).lower() if isinstance(cause, ImportError) else ""
        if (
            isinstance(cause, MemoryError)
            or number == errno.ENOMEM
            or any(sign in words for sign in OUT_OF_MEMORY)
        ):
            _fail(
                "not enough memory: end other programs, raise the limit of this one, or give it "
                "less to read at once",
                EXIT_OUTPUT,
            )
        cause = cause.__cause__ or cause.__context__


def _is_of_the_command_line(error: Exception) -> bool:
    """Typer's own exceptions (usage, missing options) carry their message and code."""
    return any(base.__name__ == "ClickException" for base in type(error).__mro__)


def _fault(error: Exception) -> NoReturn:
    _fail(
        f"a fault in gnlbench: {type(error).__name__}: {error}. "
        f"The traceback {_written_traceback()}; please report it",
        EXIT_FAULT,
    )


def _fail(message: str, code: int) -> NoReturn:
    # Where stderr cannot be written the exit code still tells.
    with contextlib.suppress(OSError, ValueError):
        typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code) from None


def _written_traceback() -> str:
    """Writes it to a file, and says where."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="gnlbench-traceback-", suffix=".txt", delete=False
        ) as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"could not be written ({error.strerror})"
    return f"is in {file.name}"
