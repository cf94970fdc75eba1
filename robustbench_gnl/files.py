"""Reading and writing files that users name.

A pipe, device or endless file never blocks a command. A file is written completely or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
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
_STREAM = re.compile(r"/dev/(stdout|stderr|fd/[0-9]+)|/proc/self/fd/[0-9]+")


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


def read_regular(path: Path, most_bytes: int) -> bytes:
    """All of a regular file.

    Raises:
        OSError: It is a pipe, a device or a folder, larger than `most_bytes`, or cannot be read;
            `strerror` says what.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return bytes(read_bounded(file, most_bytes))


def write_whole(path: Path, data: bytes, *, make_folder: bool = True) -> None:
    """Write all of a file or nothing: a reader never sees half of it.

    A link stays, and what it leads to is written, with the permissions that it had. A pipe or a
    device is written as it is.

    Args:
        make_folder: Whether a folder that is missing is made.

    Raises:
        IsADirectoryError: The path is a folder.
        OSError: It cannot be written.
        ValueError: The path contains a null character.
    """
    mode = _mode_of(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _STREAM.fullmatch(str(path)) or (mode is not None and not stat.S_ISREG(mode)):
        with open_to_append(path) as file:  # a shell's `>>` may have put something there
            file.write(data)
        return
    target = Path(os.path.realpath(path))
    # Replacing a file needs no permission to write it, only its folder's.
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, data, mode)


def replace_file(
    target: Path,
    data: bytes | memoryview,
    mode: int | None = None,
    *,
    suffix: str = ".part",
    survives_power_cuts: bool = True,
) -> None:
    """Write beside a file, then take its place: a reader never sees half of it.

    Args:
        mode: Permissions; None: as new files have them.
        suffix: What the name of the file ends in until it is whole.
        survives_power_cuts: Whether to wait for the disk, which takes milliseconds. Without, a
            power cut may leave an empty file under the name.

    Raises:
        OSError: It cannot be written.
    """
    # Short, whatever the target is called: a name may be as long as the system allows.
    temporary = target.with_name(f".gnlbench-{os.getpid()}-{secrets.token_hex(4)}{suffix}")
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            if survives_power_cuts:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _mode_of(path: Path) -> int | None:
    """The `st_mode` of the path, with links followed; None if it does not exist.

    Raises:
        OSError: The links lead in a circle, or a folder cannot be searched.
    """
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def kind_of(mode: int) -> str:
    """What a file that is not a regular one is called, by its `st_mode`."""
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


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
    """A file that records how its last read ended."""

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
