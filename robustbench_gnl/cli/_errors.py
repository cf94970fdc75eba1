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
from robustbench_gnl.cli._process import is_memory_limited
from robustbench_gnl.errors import DataError, GnlbenchError, UsageError

# EX_SOFTWARE of sysexits.h.
EXIT_INTERNAL_ERROR = 70
EXIT_OUTPUT = 5  # as for the store: the disk is full
EXIT_RESOURCES = 5
OUTPUT_FAILS = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EBADF, errno.EDQUOT)
EXHAUSTED = {
    errno.ENOMEM: "not enough memory: allow more (ulimit -v), or do less at once",
    errno.EMFILE: "too many open files: allow more file descriptors (ulimit -n)",
    errno.ENFILE: "too many open files on the whole machine: end other programs",
    errno.EAGAIN: "too many processes or threads: allow more (ulimit -u)",
}
"""Error number of the system to the message."""
NO_MEMORY_TO_LOAD = ("failed to map segment", "cannot allocate memory", "cannot create shared")
"""In messages of the dynamic loader, whose ImportError carries no error number."""
# 128 + SIGINT, as shells report a process that Ctrl-C ended.
EXIT_INTERRUPTED = 130


@contextmanager
def error_boundary() -> Iterator[None]:
    """Turn the exception of a command into one message and its exit code."""
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
        exhausted = _exhausted_resource(error)
        if exhausted is not None:
            _fail(exhausted, EXIT_RESOURCES)
        if isinstance(error, OSError) and error.errno in OUTPUT_FAILS and error.filename is None:
            leave_stdout()
            _fail(
                f"the output cannot be written: {error.strerror}; make room, or send it elsewhere",
                EXIT_OUTPUT,
            )
        if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            _fail(f"{error.filename}: {error.strerror}; check the path", DataError.exit_code)
        _fail_internally(error)


def exit_code_without_output(error: BaseException) -> int | None:
    """The exit code where Typer or rich could not print, or exited with 1; else None.

    Both treat a closed pipe as an error, and neither expects a full disk: the code is that of the
    usage error that was to be printed, if there was one, else that of the output.
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
    """Escape the arguments that a usage error of Typer quotes."""
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
    """End a command that was interrupted by Ctrl-C."""
    again = "the same command without --rerun" if "--rerun" in sys.argv else "the same command"
    _fail(
        f"interrupted; what was finished is kept, and {again} goes on where this one stopped",
        EXIT_INTERRUPTED,
    )


def leave_stdout() -> None:
    """Redirect stdout to the null device once its reader (head, less) has closed it, or its disk is
    full: else the interpreter fails at exit, with another code, because it cannot flush."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_the_command_line(error: BaseException) -> bool:
    """Whether it is an exception of Typer (usage, missing options), with a message and code."""
    return any(base.__name__ == "ClickException" for base in type(error).__mro__)


def _exhausted_resource(error: BaseException) -> str | None:
    """The message where the system ran out of memory, files or threads; else None."""
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return EXHAUSTED[errno.ENOMEM]
        if isinstance(one, OSError) and one.errno in EXHAUSTED:
            return EXHAUSTED[one.errno]
        if isinstance(one, (ImportError, OSError)) and any(
            words in str(one).lower() for words in NO_MEMORY_TO_LOAD
        ):
            return EXHAUSTED[errno.ENOMEM]
        if isinstance(one, RuntimeError) and "can't start new thread" in str(one):
            return EXHAUSTED[errno.EAGAIN]
        # The interpreter's import loses a MemoryError where it has none left to raise it with.
        if isinstance(one, SystemError) and "without" in str(one) and is_memory_limited():
            return EXHAUSTED[errno.ENOMEM]
    return None


def _fail_internally(error: Exception) -> NoReturn:
    _fail(
        f"internal error in gnlbench: {type(error).__name__}: {error}. "
        f"The traceback {_written_traceback()}; please report it",
        EXIT_INTERNAL_ERROR,
    )


def _fail(message: str, code: int) -> NoReturn:
    # Where stderr cannot be written, the exit code is all that is left to report it.
    with contextlib.suppress(OSError, ValueError):
        say(f"Error: {message}")
    raise typer.Exit(code) from None


def _written_traceback() -> str:
    """Write the traceback to a file; where it is, as the end of a sentence."""
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
