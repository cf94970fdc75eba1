"""Digests of image files, and their comparison with those that a stored run read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from robustbench_gnl.contents import CORRUPTED_HERE, Contents, combined_digest
from robustbench_gnl.data.pixels import open_regular
from robustbench_gnl.data.sources import Source
from robustbench_gnl.data.stream import Layout
from robustbench_gnl.errors import DataError
from robustbench_gnl.records import CLEAN, Condition

FILES_CHECKED = 2048
"""Approximate number of files that are read to compare a stored run with the data; this takes one
or two seconds."""

Place = tuple[int, Condition]


def file_sha256(path: Path) -> bytes:
    """sha256 of the bytes of a regular file.

    Raises:
        DataError: It cannot be read, or is no regular file.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", path=path) from error


def files_sha256(paths: Iterable[Path]) -> list[bytes]:
    """sha256 of each file, in the order of `paths`.

    Raises:
        DataError: One cannot be read.
    """
    # Reading waits for the disk and hashing frees the GIL: a few threads more than processors.
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as threads:
        return list(threads.map(file_sha256, paths))


def current_contents(source: Source, condition: Condition, keys: Sequence[str]) -> Contents:
    """The contents of a block of a source as its files are now.

    Raises:
        DataError: A file cannot be read.
    """
    digests = files_sha256(source.paths(condition, keys))
    source.check_written(condition, keys, digests)
    digest = combined_digest(digests)
    if source.is_made_here(condition) or source.kind not in CORRUPTED_HERE:
        return Contents(digest, digest)
    return Contents(digest, source.made_from(condition, keys))


def first_difference(
    source: Source, layout: Layout, stored: Mapping[Place, Contents]
) -> Place | None:
    """The first of some stored pieces whose files differ from those in the data folder.

    Pieces from all over the run are compared, until about `FILES_CHECKED` files were read; of
    conditions that are made from the same clean images, only one is compared.

    Args:
        layout: As the stored run was cut.

    Raises:
        DataError: A file cannot be read.
    """
    keys = tuple(source.files)
    current: dict[tuple[int, Condition | None], Contents] = {}
    n_read = 0
    for block, condition in _spread([place for place in stored if source.has(place[1])]):
        place = (block, None if source.is_made_here(condition) else condition)
        if place not in current:
            if n_read >= FILES_CHECKED:
                continue
            images = layout.block(block)
            n_read += len(images)
            current[place] = current_contents(source, condition, keys[images.start : images.stop])
        if stored[block, condition].differ_from(current[place]):
            return block, condition
    return None


def check_clean_images(source: Source) -> None:
    """Refuse clean images that are not those which the tree beside them was made from.

    Raises:
        DataError: Some of the clean files, all over the tree, are others than its manifest states.
    """
    stated = source.stated_clean_images
    if stated is None or source.clean_tree is None:
        return
    keys = [key for key in source.files if key in stated]
    # Every n-th key with n rounded up, so at most FILES_CHECKED files.
    some = keys[:: -(-len(keys) // FILES_CHECKED) or 1]
    paths = source.paths(CLEAN, some)
    for path, key, digest in zip(paths, some, files_sha256(paths), strict=True):
        if digest.hex() != stated[key]:
            raise DataError(
                f"{path} is not the file from which {source.root} was made (its sha256 is not the "
                "one in the manifest); give the clean images of that tree, or write a new tree "
                "with `gnlbench corrupt`",
                path=path,
            )


def _spread(places: Sequence[Place]) -> list[Place]:
    """The pieces in a fixed order that mixes blocks and conditions."""

    def order(place: Place) -> bytes:
        block, condition = place
        return hashlib.sha256(f"{block} {condition}".encode()).digest()

    return sorted(places, key=order)
