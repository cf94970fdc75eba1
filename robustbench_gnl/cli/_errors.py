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
from typing import Any, NoReturn

import typer

from corruptions import CorruptionError
from robustbench_gnl.cli._output import say
from robustbench_gnl.errors import DataError, GnlbenchError, UsageError

EXIT_FAULT = 70
EXIT_OUTPUT = 5  # a disk is full, though it is not the store's
EXIT_RESOURCES = 5  # so is the memory
OUTPUT_FAILS = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EBADF, errno.EDQUOT)
TOO_LITTLE = {
    errno.ENOMEM: "not enough memory: allow more (ulimit -v), or do less at once",
    errno.EMFILE: "too many open files: allow more file descriptors (ulimit -n)",
    errno.ENFILE: "too many open files on the whole machine: end other programs",
    errno.EAGAIN: "too many processes or threads: allow more (ulimit -u)",
}
"""Number of a system's error, and what to say of it."""
NO_MEMORY_TO_LOAD = ("failed to map segment", "cannot allocate memory", "cannot create shared")
"""What the loader of libraries says; the ImportError carries no number."""
EXIT_INTERRUPTED = 130


@contextmanager
def error_boundary() -> Iterator[None]:
    """Turn what a command raises into one message and the exit code of its kind."""
    try:
        yield
    except GnlbenchError as error:
        _fail(error.message, error.exit_code)
    except CorruptionError as error:
        _fail(str(error), UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        fail_as_interrupted()
    except BrokenPipeError:
        leave_stdout()
        raise typer.Exit(0) from None
    except typer.Exit:
        raise
    except Exception as error:
        if _is_of_the_command_line(error):
            raise
        lacking = _lacking(error)
        if lacking is not None:
            _fail(lacking, EXIT_RESOURCES)
        if isinstance(error, OSError) and error.errno in OUTPUT_FAILS and error.filename is None:
            leave_stdout()
            _fail(
                f"the output cannot be written: {error.strerror}; make room, or send it elsewhere",
                EXIT_OUTPUT,
            )
        if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            _fail(f"{error.filename}: {error.strerror}; check the path", DataError.exit_code)
        _fault(error)


def settled_exit(error: BaseException) -> int | None:
    """The exit code where Typer or rich failed to print, or gave up with 1; else None.

    Both take a reader who has seen enough for an error, and neither expects a full disk: the code
    is that of the command line's own error, if one was to be printed, else of the output.
    """
    chain = list(_chain(error))
    usage = next((one for one in chain if _is_of_the_command_line(one)), None)
    if isinstance(error, SystemExit):
        if error.code != 1 or not isinstance(error.__context__, BrokenPipeError):
            return None
        leave_stdout()
        return 0 if usage is None else int(getattr(usage, "exit_code", UsageError.exit_code))
    if usage is not None and isinstance(error, (OSError, ValueError)):
        return int(getattr(usage, "exit_code", UsageError.exit_code))
    return None


def escape_usage(error: BaseException) -> None:
    """Make what was typed printable in an error of the command line."""
    from robustbench_gnl.text import printable

    def escaped(value: Any) -> Any:
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, (list, tuple)):
            return type(value)(escaped(one) for one in value)
        return value

    for name in ("message", "option_name", "param_hint", "possibilities", "ui_filename"):
        if hasattr(error, name):
            setattr(error, name, escaped(getattr(error, name)))


def fail_as_interrupted() -> NoReturn:
    """The end of a command that Ctrl-C stopped."""
    again = "the same command without --rerun" if "--rerun" in sys.argv else "the same command"
    _fail(
        f"interrupted; what was finished is kept, and {again} goes on where this one stopped",
        EXIT_INTERRUPTED,
    )


def leave_stdout() -> None:
    """Point stdout elsewhere once its reader (head, less) has seen enough, or its disk is full:
    the interpreter fails at exit, with a code of its own, where it cannot flush."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_the_command_line(error: BaseException) -> bool:
    """Typer's own exceptions (usage, missing options) carry their message and code."""
    return any(base.__name__ == "ClickException" for base in type(error).__mro__)


def _lacking(error: BaseException) -> str | None:
    """What to say where something failed because the machine has too little of it."""
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return TOO_LITTLE[errno.ENOMEM]
        if isinstance(one, OSError) and one.errno in TOO_LITTLE:
            return TOO_LITTLE[one.errno]
        if isinstance(one, (ImportError, OSError)) and any(
            words in str(one).lower() for words in NO_MEMORY_TO_LOAD
        ):
            return TOO_LITTLE[errno.ENOMEM]
        if isinstance(one, RuntimeError) and "can't start new thread" in str(one):
            return TOO_LITTLE[errno.EAGAIN]
    return None


def _fault(error: Exception) -> NoReturn:
    _fail(
        f"a fault in gnlbench: {type(error).__name__}: {error}. "
        f"The traceback {_written_traceback()}; please report it",
        EXIT_FAULT,
    )


def _fail(message: str, code: int) -> NoReturn:
    # Where stderr cannot be written the exit code still tells.
    with contextlib.suppress(OSError, ValueError):
        say(f"Error: {message}")
    raise typer.Exit(code) from None


def _written_traceback() -> str:
    """Writes it to a file, and says where."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="gnlbench-traceback-",
            suffix=".txt",
            delete=False,
            errors="backslashreplace",
        ) as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"could not be written ({error.strerror})"
    return f"is in {file.name}"
