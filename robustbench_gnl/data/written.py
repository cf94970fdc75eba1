"""Short digests of the files that `gnlbench corrupt` wrote, by which changed files are detected.

`gnlbench-files.json` at the root of the tree: {"version": 1, "files": {"fog/3": "<digests>"}},
with eight hexadecimal digits for each image in the order of the manifest's keys, or eight dashes
for a file that was not written yet. Eight digits, the start of the sha256, are enough to notice
accidents, and 3.75 million files take 30 MB.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from robustbench_gnl.errors import DataError
from robustbench_gnl.files import read_regular, replace_file
from robustbench_gnl.records import Condition

FILES_NAME = "gnlbench-files.json"
DIGITS = 8
NOT_WRITTEN = "-" * DIGITS
LARGEST_FILE = 2**30


class WrittenFiles:
    """The digests of the files of a tree, by condition and image key."""

    def __init__(self, keys: Sequence[str], files: dict[str, str] | None = None) -> None:
        self._place = {key: index * DIGITS for index, key in enumerate(keys)}
        self._files = {name: bytearray(text, "ascii") for name, text in (files or {}).items()}

    def get(self, condition: Condition, key: str) -> str | None:
        """The start of the sha256 of the file; None where it is not stated."""
        place, digests = self._place.get(key), self._files.get(str(condition))
        if place is None or digests is None:
            return None
        found = digests[place : place + DIGITS].decode("ascii")
        return None if found == NOT_WRITTEN else found

    def set(self, condition: Condition, key: str, digest: str) -> None:
        """Note a file that was written."""
        # One bytearray a condition: a dict of 3.75 million entries would take hundreds of MB.
        digests = self._files.setdefault(
            str(condition), bytearray(NOT_WRITTEN * len(self._place), "ascii")
        )
        place = self._place[key]
        digests[place : place + DIGITS] = digest[:DIGITS].encode("ascii")

    def write(self, root: Path) -> None:
        """Write them beside the manifest, whole or not at all.

        Raises:
            OSError: The folder cannot be written.
        """
        files = {name: digests.decode("ascii") for name, digests in sorted(self._files.items())}
        replace_file(
            root / FILES_NAME, (json.dumps({"version": 1, "files": files}) + "\n").encode()
        )


def read_written(root: Path, keys: Sequence[str]) -> WrittenFiles:
    """The digests of a tree with these keys; none where the tree states none.

    Raises:
        DataError: The file is not one that gnlbench wrote.
    """
    path = root / FILES_NAME
    try:
        content = json.loads(read_regular(path, LARGEST_FILE).decode("ascii"))
        files = content["files"]
        if content["version"] != 1 or not isinstance(files, dict):
            raise ValueError("it has another version")
        for digests in files.values():
            if not isinstance(digests, str) or len(digests) != DIGITS * len(keys):
                raise ValueError("its digests are not those of the images in the manifest")
            digests.encode("ascii")
    except (FileNotFoundError, NotADirectoryError):
        return WrittenFiles(keys)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise _not_ours(path, getattr(error, "strerror", None) or error) from error
    return WrittenFiles(keys, files)


def _not_ours(path: Path, reason: object) -> DataError:
    return DataError(
        f"{path} is not a list of digests that gnlbench wrote ({reason}); make the tree again, or "
        "remove the file to have its images read without being checked",
        path=path,
    )
