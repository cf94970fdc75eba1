"""Opening a file that a user names so that no pipe, device or endless file stops the command."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

SECONDS_FOR_A_WRITER = 5.0
"""How long a named pipe may wait for the program that writes into it."""
READ_AT_ONCE = 2**20


def open_to_read(path: Path) -> BinaryIO:
    """A regular file, or a pipe that something writes into, such as a shell's `<(zcat FILE)`.

    Raises:
        OSError: It is anything else, or it cannot be opened; `strerror` says what is expected.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    opened = _Opened(number)
    file = io.BufferedReader(opened)
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISFIFO(mode):
            opened.may_wait = True
            _wait_for_writer(file, opened, path)
            os.set_blocking(number, True)
        elif not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a device: expected a file or a pipe", str(path))
    except BaseException:
        file.close()
        raise
    return file


def open_to_append(path: Path) -> BinaryIO:
    """A file to add to, made where there is none; or a pipe that something reads, or a device.

    Raises:
        OSError: It cannot be opened, or nothing reads the pipe.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    number = os.open(path, flags, 0o666)
    try:
        os.set_blocking(number, True)
        return os.fdopen(number, "ab")
    except BaseException:
        os.close(number)
        raise


def read_bounded(file: BinaryIO, most_bytes: int) -> bytearray:
    """All that is left of the file.

    Raises:
        OSError: It is more than `most_bytes`.
    """
    content, chunk = bytearray(), b""
    while max(len(content), os.fstat(file.fileno()).st_size) <= most_bytes:
        chunk = file.read(READ_AT_ONCE)
        if not chunk:
            return content
        content += chunk
    raise OSError(errno.EFBIG, f"it has more than {most_bytes // 2**20:,} MiB, which none should")


class _Opened(io.FileIO):
    """A file that remembers how its last reading ended."""

    n_last: int | None = 0
    """Bytes; None: there are none yet, but somebody may write some."""
    may_wait = False

    def readinto(self, buffer: Buffer, /) -> int:
        self.n_last = super().readinto(buffer)
        if self.n_last is None and not self.may_wait:  # such as the log of the kernel
            raise OSError(errno.ETIMEDOUT, "there is nothing to read yet")
        return self.n_last


def _wait_for_writer(file: io.BufferedReader[_Opened], opened: _Opened, path: Path) -> None:
    """Return once a pipe has a writer, or has had one."""
    deadline = time.monotonic() + SECONDS_FOR_A_WRITER
    poll = select.poll()
    poll.register(opened.fileno(), select.POLLIN)
    while not file.peek(1) and opened.n_last == 0:
        events = poll.poll(100)
        if any(event & select.POLLHUP for _, event in events):
            return  # what it wrote has been read: nothing
        if time.monotonic() > deadline:
            raise OSError(errno.ETIMEDOUT, "nothing writes into this pipe", str(path))
