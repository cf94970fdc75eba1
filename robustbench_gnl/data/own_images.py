"""Suites with their own images (such as ImageNet-R): their detection and their sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from robustbench_gnl.data.labels import imagenet_labels
from robustbench_gnl.data.listing import list_images, subfolders
from robustbench_gnl.data.sources import Source
from robustbench_gnl.errors import DataError, option
from robustbench_gnl.suites import SUITES, Suite
from robustbench_gnl.text import counted

SAMPLED_NAMES = 20


def recognised_suite(class_folders: Sequence[str], files: Mapping[str, str]) -> Suite | None:
    """The suite of class folders, detected from the names of some files; None if it is no such
    suite.

    Args:
        files: Image key to the path below the root.
    """
    for suite in SUITES.values():
        if _has_names_of(suite, files) and not _unknown(class_folders, suite):
            return suite
    return None


def open_own_images(root: Path, suite: Suite, notes: Iterable[str] = ()) -> Source:
    """The images of a suite, in class folders.

    Raises:
        DataError: A folder is none of the suite's classes, or there are no images.
    """
    # Folders without images, such as `__MACOSX`, are no classes.
    files = list_images(root, subfolders(root))
    folders = sorted({path.split("/", 1)[0] for path in files.values()})
    _check_numbers(root, folders, suite)
    unknown = _unknown(folders, suite)
    if unknown:
        expected = (
            f"class indices from 0 to {suite.labels.n_classes - 1}"
            if suite.layout is not None and suite.layout.folders_are_indices
            else f"WordNet ids of its {len(suite.labels.subset or suite.labels.classes):,} classes"
        )
        raise DataError(
            f"{root} is not {suite.title}: expected folders named by {expected}, found "
            f"{counted(len(unknown), 'other')} (such as {unknown[0]!r}); give its root, or leave "
            f"out {option('suite')}",
            path=root,
        )
    return Source(
        kind="released" if _is_complete(folders, files, suite) else "released-layout",
        root=root,
        class_folders=tuple(folders),
        files=files,
        clean_tree=root,
        notes=tuple(notes),
        suite=suite,
    )


def similar_suite(class_folders: Sequence[str], files: Mapping[str, str]) -> str | None:
    """A note on images that are named like those of a suite, but are in folders of other classes;
    None for other images."""
    for suite in SUITES.values():
        unknown = _unknown(class_folders, suite)
        if unknown and _has_names_of(suite, files):
            return (
                f"the image files are named like those of {suite.title}, but "
                f"{counted(len(unknown), 'folder is', 'folders are')} none of its classes (such as "
                f"{unknown[0]!r}): the images are evaluated as clean images and corrupted"
            )
    return None


def _has_names_of(suite: Suite, files: Mapping[str, str]) -> bool:
    """Whether a sample of the files are named like those of a suite."""
    layout = suite.layout
    if layout is None or layout.file_name is None:
        return False
    some = islice(files.values(), 0, None, len(files) // SAMPLED_NAMES + 1)
    return all(layout.file_name.fullmatch(path.rsplit("/", 1)[1]) for path in some)


def _check_numbers(root: Path, folders: Sequence[str], suite: Suite) -> None:
    """Refuse two folders of one class index, such as `1` and `01`."""
    if suite.layout is None or not suite.layout.folders_are_indices:
        return
    by_number: dict[int, str] = {}
    for folder in folders:
        if folder.isdecimal() and by_number.setdefault(int(folder), folder) != folder:
            raise DataError(
                f"{root} has two folders for one class of {suite.title}, "
                f"{by_number[int(folder)]!r} and {folder!r}; merge them, or rename one",
                path=root,
            )


def _unknown(folders: Sequence[str], suite: Suite) -> list[str]:
    """Class folders that are no classes of the suite."""
    n_classes = suite.labels.n_classes
    if suite.layout is not None and suite.layout.folders_are_indices:
        return [f for f in folders if not re.fullmatch(r"[0-9]{1,9}", f) or int(f) >= n_classes]
    known = imagenet_labels()
    subset = suite.labels.subset
    return [f for f in folders if f not in known or (subset and known[f] not in subset)]


def _is_complete(folders: Sequence[str], files: Mapping[str, str], suite: Suite) -> bool:
    """Whether these are all the images that the suite was published with, by number and name."""
    layout = suite.layout
    if layout is None or layout.n_images != len(files):
        return False
    if len(folders) != len(suite.labels.subset or suite.labels.classes):
        return False
    pattern = layout.file_name
    return pattern is None or all(
        pattern.fullmatch(path.rsplit("/", 1)[1]) for path in files.values()
    )
